#include "namespaces/plan_builder.h"

#include <cstring>
#include <utility>

namespace minirun {

uint64_t PlanBuilder::text(std::string_view value) {
  uint64_t offset = kDataOffset + plan_.data.size();
  plan_.data.append(value);
  plan_.data.push_back('\0');
  return offset;
}

uint64_t PlanBuilder::list(const std::vector<std::string>& values) {
  uint64_t offset = kDataOffset + plan_.data.size();
  for (const std::string& value : values) (void)text(value);
  plan_.data.push_back('\0');  // an empty list is an empty string, not the next thing in the data area
  return offset;
}

uint64_t PlanBuilder::list(const Parameters& parameters) {
  std::vector<std::string> values;
  for (const auto& [key, value] : parameters) {
    values.push_back(key);
    values.push_back(value);
  }
  return list(values);
}

uint64_t PlanBuilder::bytes(const void* data, size_t size) {
  plan_.data.resize((plan_.data.size() + 7) / 8 * 8);
  uint64_t offset = kDataOffset + plan_.data.size();
  plan_.data.append(static_cast<const char*>(data), size);
  return offset;
}

uint64_t PlanBuilder::pointer_table(const std::vector<std::string>& values) {
  std::vector<uint64_t> offsets;
  offsets.reserve(values.size() + 1);
  for (const std::string& value : values) offsets.push_back(text(value));
  offsets.push_back(0);
  return bytes(offsets.data(), offsets.size() * sizeof(uint64_t));
}

uint32_t PlanBuilder::slot(Source source) {
  plan_.slots.push_back(std::move(source));
  return static_cast<uint32_t>(plan_.slots.size() - 1);
}

uint32_t PlanBuilder::add(Op op, std::string origin, std::vector<uint64_t> arguments, uint16_t flags) {
  Step step{};
  step.op = op;
  step.flags = flags;
  for (size_t i = 0; i < arguments.size() && i < kStepArguments; i++) step.arg[i] = arguments[i];
  plan_.steps.push_back(step);
  plan_.origins.push_back(std::move(origin));
  return size() - 1;
}

Plan PlanBuilder::finish(uint32_t first_told) {
  for (uint32_t i = first_told; i < plan_.steps.size(); i++)
    plan_.steps[i].told = static_cast<uint32_t>(text(told_step(plan_, i)));
  return std::move(plan_);
}

std::string told_step(const Plan& plan, uint32_t step) {
  std::string what = describe(plan, step);
  if (what.ends_with(':')) what.pop_back();  // the heading of a list in a printed plan
  return plan.origins[step].empty() ? what : plan.origins[step] + ": " + what;
}

std::string serialize(const Plan& plan, const std::vector<int>& descriptors, int control) {
  PlanHeader header{};
  header.magic = kPlanMagic;
  header.control = control;
  header.first_kept_fd = plan.first_kept_fd;
  header.step_count = static_cast<uint32_t>(plan.steps.size());
  header.slot_count = static_cast<uint32_t>(descriptors.size());
  size_t slots = (kDataOffset + plan.data.size() + 7) / 8 * 8;
  size_t steps = (slots + descriptors.size() * sizeof(int32_t) + 7) / 8 * 8;
  size_t total = steps + plan.steps.size() * sizeof(Step);
  header.slots = static_cast<uint32_t>(slots);
  header.steps = static_cast<uint32_t>(steps);
  header.total_bytes = static_cast<uint32_t>(total);

  std::string image(total, '\0');
  std::memcpy(image.data(), &header, sizeof header);
  std::memcpy(image.data() + kDataOffset, plan.data.data(), plan.data.size());
  for (size_t i = 0; i < descriptors.size(); i++) {
    int32_t fd = descriptors[i];
    std::memcpy(image.data() + slots + i * sizeof fd, &fd, sizeof fd);
  }
  if (!plan.steps.empty()) std::memcpy(image.data() + steps, plan.steps.data(), plan.steps.size() * sizeof(Step));
  return image;
}

}  // namespace minirun
