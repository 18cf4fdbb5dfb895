// The parts of compile(), each for one section of config.json. Every one appends its steps to the plan.
#pragma once

#include <sched.h>

#include <string>
#include <utility>
#include <vector>

#include "runtime/compile.h"

namespace minirun {

struct Compilation {
  const oci::Spec& spec;
  const Place& place;
  const HostFacts& host;
  const RunOptions& options;
  const SeccompProgram* seccomp;
  PlanBuilder plan{};
  Compiled out{};

  // The config's namespace of a type, or nullptr when it is the caller's.
  const oci::Namespace* find(uint64_t type) const;
  bool is_new(uint64_t type) const {
    const oci::Namespace* found = find(type);
    return found != nullptr && found->path.empty();
  }

  uint32_t add(Op op, std::string origin, std::vector<uint64_t> arguments = {}, uint16_t flags = 0) {
    return plan.add(op, std::move(origin), std::move(arguments), flags);
  }
  uint64_t text(std::string_view value) { return plan.text(value); }
  void warn(std::string pointer, std::string_view what) {
    out.warnings.push_back(std::move(pointer) + ": " + std::string(what));
  }
};

// "/mounts/3"
std::string pointer_at(std::string_view list, size_t index);

// compile_mounts.cc
void emit_mounts(Compilation& c);
// compile_devices.cc
void emit_devices(Compilation& c);
void emit_protected_paths(Compilation& c);
// compile_process.cc
void emit_process(Compilation& c);
void emit_working_directory(Compilation& c);

// compile_limits.cc
Result<void> compile_limits(Compilation& c);

}  // namespace minirun
