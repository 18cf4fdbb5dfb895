// SPDX-License-Identifier: Apache-2.0
// Looks at containers again and again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/inspect/usage.h"

namespace minirun {

class Watcher {
 public:
  // ids: empty for all below the state root. each_process: also a row for each process.
  Watcher(std::string state_root, std::vector<std::string> ids, bool each_process)
      : state_root_(std::move(state_root)), ids_(std::move(ids)), each_process_(each_process) {}

  // A container that cannot be looked at has a row with the reason. Errors: the state root cannot be read;
  // ErrorKind::aborted when go_on says so.
  Result<std::vector<ContainerUsage>> look(const GoOn& go_on);

 private:
  Result<std::vector<std::string>> ids_at(int root) const;
  Result<ContainerUsage> look_at_one(StateDirectory state, const GoOn& go_on, std::map<std::string, Sample>* samples);

  std::string state_root_;
  std::vector<std::string> ids_;
  bool each_process_;
  std::map<std::string, Sample> samples_;  // the last ones, by id
};

}  // namespace minirun
