// SPDX-License-Identifier: Apache-2.0
// Shared by validate_*.cc and unsupported.cc.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "runtime/oci/validate.h"

namespace minirun {

class Checker {
 public:
  explicit Checker(const oci::Spec& checked) : spec(checked) {}

  const oci::Spec& spec;
  Findings findings;

  template <class... Args>
  void problem(std::string pointer, fmt::format_string<Args...> message, Args&&... args) {
    if (findings.problems.size() < kMaxProblems)
      findings.problems.push_back({std::move(pointer), fmt::vformat(message, fmt::make_format_args(args...))});
  }
  template <class... Args>
  void warning(std::string pointer, fmt::format_string<Args...> message, Args&&... args) {
    findings.warnings.push_back({std::move(pointer), fmt::vformat(message, fmt::make_format_args(args...))});
  }

  // Whether linux.namespaces lists that type (CLONE_NEW*). An entry with an unreadable type counts as any: it was
  // reported, and problems that depend on it are not.
  bool has_namespace(uint32_t type) const;

  // Absolute and short enough for the kernel.
  void absolute_path(const std::string& pointer, const std::string& path);

  // Whether the path is "/" in any spelling: processes inside the root cannot see what is mounted over it.
  static bool is_root(std::string_view path);

  // At most as long as the kernel's limit for one string of execve(2): MAX_ARG_STRLEN with pages of 4 KiB.
  void exec_string(const std::string& pointer, const std::string& text);

  // NAME=value with a name.
  void environment(const std::string& pointer, const oci::Strings& env);

 private:
  static constexpr size_t kMaxProblems = 200;
};

// "/mounts/3" and the like.
inline std::string at(std::string_view list, size_t index) {
  return fmt::format("{}/{}", list, index);
}

void check_process(Checker& checker);      // oci/validate_process.cc
void check_mounts(Checker& checker);       // oci/validate_mounts.cc
void check_linux(Checker& checker);        // oci/validate_linux.cc
void check_resources(Checker& checker);    // oci/validate_resources.cc
void check_seccomp(Checker& checker);      // oci/validate_seccomp.cc
void check_host_side(Checker& checker);    // oci/validate_host_side.cc
void check_unsupported(Checker& checker);  // unsupported.cc
void check_only_v1(Checker& checker);      // unsupported.cc, part of it: controls that only cgroup v1 has

}  // namespace minirun
