// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/watcher.h"

#include "runtime/container/container.h"
#include "runtime/text/shown.h"

namespace minirun {
namespace {

ContainerUsage unknown(const std::string& id, const Error& error) {
  return {.id = id, .status = "unknown", .problem = shown_line(error.text())};
}

}  // namespace

Result<std::vector<std::string>> Watcher::ids_at(int root) const {
  return ids_.empty() ? list_ids(root) : ids_;
}

Result<ContainerUsage> Watcher::look_at_one(StateDirectory state, const GoOn& go_on,
                                            std::map<std::string, Sample>* samples) {
  const std::string id = state.id();
  auto container = inspect(std::move(state));
  if (!container.ok()) return unknown(id, container.error());
  if (!container->init) return ContainerUsage{.id = id, .status = std::string(status_name(container->status))};
  auto sample = look_at(*container, each_process_ ? Detail::all : Detail::counts, go_on);
  if (!sample.ok() && sample.error().kind == ErrorKind::aborted) return sample.error();
  if (!sample.ok() && sample.error().kind == ErrorKind::state) return ContainerUsage{.id = id, .status = "stopped"};
  if (!sample.ok()) return unknown(id, sample.error());
  auto earlier = samples_.find(id);
  const Sample* before = earlier != samples_.end() ? &earlier->second : nullptr;
  ContainerUsage usage = usage_of(before, *sample);
  if (each_process_) usage.of_each = process_usage_of(before, *sample);
  samples->emplace(id, std::move(sample).value());
  return usage;
}

Result<std::vector<ContainerUsage>> Watcher::look(const GoOn& go_on) {
  std::vector<ContainerUsage> all;
  auto root = open_existing_root(state_root_);
  if (!root.ok() && is_no_container(root.error()) && ids_.empty()) return all;
  if (!root.ok()) return root.error();
  std::map<std::string, Sample> samples;
  for (const std::string& id : TRY(ids_at(root->get()))) {
    if (!go_on()) return fail(ErrorKind::aborted, "given up");
    auto state = StateDirectory::open(root->get(), id);
    if (!state.ok() && ids_.empty()) continue;  // removed meanwhile, or not a directory
    if (!state.ok())
      all.push_back(unknown(id, state.error()));
    else
      all.push_back(TRY(look_at_one(std::move(state).value(), go_on, &samples)));
  }
  samples_ = std::move(samples);
  sort_by_use(&all);
  return all;
}

}  // namespace minirun
