// SPDX-License-Identifier: Apache-2.0
// Which faults are tried at which commands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/faults/scene.h"

namespace minirun::testing {

struct SweepOptions {
  bool all = false;            // every point of every sweep
  std::string only;            // of the names
  std::optional<uint64_t> at;  // this point alone
};

struct Sweep {
  std::string name;  // as it is printed: "kill -9 of minirun at every system call of create"
  Kind kind;
  Command command;
  std::vector<Fault> faults;
};

// Runs each command once to learn how many system calls it does; needs the private world. A few points more than there
// were then are tried, as the processes of a command do not always take turns in the same order.
std::vector<Sweep> make_sweeps(const SweepOptions& options);

}  // namespace minirun::testing
