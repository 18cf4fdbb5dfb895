// SPDX-License-Identifier: Apache-2.0
#include "namespaces/plan_builder.h"

#include <cstring>
#include <utility>

namespace minirun {

// The offset in the image of the data area's next bytes.
static uint32_t end_of(const std::string& data) {
  return static_cast<uint32_t>(kDataOffset + data.size());
}

Text PlanBuilder::text(std::string_view value) {
  Text text{end_of(plan_.data)};
  plan_.data.append(value);
  plan_.data.push_back('\0');
  return text;
}

Texts PlanBuilder::list(const std::vector<std::string>& values) {
  Texts texts{end_of(plan_.data), static_cast<uint32_t>(values.size())};
  for (const std::string& value : values) (void)text(value);
  plan_.data.push_back('\0');  // an empty list becomes an empty string, not the next item of the data area
  return texts;
}

ParameterList PlanBuilder::list(const Parameters& parameters) {
  std::vector<std::string> values;
  for (const auto& [key, value] : parameters) {
    values.push_back(key);
    values.push_back(value);
  }
  return {list(values).at, static_cast<uint32_t>(parameters.size())};
}

Bytes PlanBuilder::bytes(const void* data, size_t size) {
  plan_.data.resize((plan_.data.size() + 7) / 8 * 8);  // tables of 64 bits are aligned
  Bytes bytes{end_of(plan_.data), static_cast<uint32_t>(size)};
  plan_.data.append(static_cast<const char*>(data), size);
  return bytes;
}

PointerTable PlanBuilder::pointer_table(const std::vector<std::string>& values) {
  std::vector<uint64_t> offsets;
  offsets.reserve(values.size() + 1);
  for (const std::string& value : values) offsets.push_back(text(value).at);
  offsets.push_back(0);
  return {bytes(offsets.data(), offsets.size() * sizeof(uint64_t)).at};
}

Slot PlanBuilder::slot(Source source) {
  plan_.slots.push_back(std::move(source));
  return {static_cast<uint32_t>(plan_.slots.size() - 1)};
}

uint32_t PlanBuilder::add_step(const Step& step, std::string_view origin) {
  plan_.steps.push_back(step);
  plan_.origins.emplace_back(origin);
  return size() - 1;
}

Plan PlanBuilder::finish(uint32_t first_with_text) {
  plan_.first_with_text = first_with_text;
  return std::move(plan_);
}

std::string step_with_origin(const Plan& plan, uint32_t step) {
  std::string what = describe(plan, step);
  if (what.ends_with(':')) what.pop_back();  // the heading of a list in a printed plan
  return plan.origins[step].empty() ? what : plan.origins[step] + ": " + what;
}

// Appends the text of each step that carries one, and returns their offsets.
static std::vector<uint32_t> append_texts(const Plan& plan, std::string* image) {
  std::vector<uint32_t> offsets(plan.steps.size(), kNoText);
  for (uint32_t i = plan.first_with_text; i < plan.steps.size(); i++) {
    offsets[i] = static_cast<uint32_t>(image->size());
    image->append(step_with_origin(plan, i)).push_back('\0');
  }
  return offsets;
}

// Appends a table at an aligned offset, and returns that.
template <class T>
static uint32_t append_table(const std::vector<T>& table, std::string* image) {
  image->resize((image->size() + 7) / 8 * 8);
  auto offset = static_cast<uint32_t>(image->size());
  image->append(reinterpret_cast<const char*>(table.data()), table.size() * sizeof(T));
  return offset;
}

static uint32_t executing_step(const Plan& plan) {
  for (uint32_t i = 0; i < plan.steps.size(); i++)
    if (get_if<steps::Execute>(plan.steps[i]) != nullptr) return i;
  return kNoStep;
}

std::string serialize(const Plan& plan, const std::vector<int>& descriptors, int control, Stamping stamping) {
  PlanHeader header{};
  header.magic = kPlanMagic;
  header.format = kPlanFormat;
  header.control = control;
  header.first_kept_fd = plan.first_kept_fd;
  header.own_text = plan.own_text ? 1 : 0;
  header.end_page = plan.end_page.index;
  header.step_count = static_cast<uint32_t>(plan.steps.size());
  header.slot_count = static_cast<uint32_t>(descriptors.size());
  header.execute = executing_step(plan);
  std::string image(sizeof header, '\0');
  image.append(plan.data);
  std::vector<int32_t> slots(descriptors.begin(), descriptors.end());
  for (size_t i = 0; i < slots.size() && i < plan.slots.size(); i++)
    if (plan.slots[i].turn != 0) slots[i] = waiting_slot(plan.slots[i].turn);
  header.slots = append_table(slots, &image);
  header.steps = append_table(plan.steps, &image);
  header.texts = append_table(append_texts(plan, &image), &image);
  if (stamping != Stamping::off) header.stamps = append_table(std::vector<Stamp>(plan.steps.size()), &image);
  header.stamps_filtered = stamping == Stamping::all ? 1 : 0;
  header.total_bytes = static_cast<uint32_t>(image.size());
  std::memcpy(image.data(), &header, sizeof header);
  return image;
}

}  // namespace minirun
