// SPDX-License-Identifier: Apache-2.0
// Parses config.json's tree into oci::Spec: types, ranges, names and required properties. Collects every problem;
// validate.h checks what the values mean together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/oci/problem.h"
#include "runtime/oci/spec.h"
#include "runtime/text/json.h"

namespace minirun {

// A property that was ignored (config.md, "Extensibility").
struct UnknownProperty {
  std::string pointer;
  std::string meant;  // the similar name of a property that this object may have; "": none is similar
  size_t order = 0;   // JsonValue::order()
  uint32_t line = 0;  // of its name in the file, from 1: load_bundle() finds it
  uint32_t column = 0;
};

// "is not a property that minirun knows (did you mean "memory"?)"
std::string describe(const UnknownProperty& unknown);

struct ParseOutcome {
  oci::Spec spec;  // a value with a problem has its default, and keeps its place so that indices stay right
  Problems problems;
  std::vector<UnknownProperty> unknown;
};

// At most 200 problems, 200 flaws of the JSON and 200 unknown properties are collected.
ParseOutcome parse_spec(const JsonDocument& document);

// The same for an object like /linux/resources alone: sets only spec.linux_.resources.
ParseOutcome parse_resources(const JsonDocument& document);

// The same for a process object: sets only spec.process.
ParseOutcome parse_process(const JsonDocument& document);

// The pointer of each property that objects of this document may have, from the parser's own tables.
std::vector<std::string> known_properties(const JsonDocument& document);

namespace oci {

// Names as config.json has them, for messages.
std::string_view name_of(SeccompAction action);        // "SCMP_ACT_ERRNO"
std::string_view name_of(SeccompArch arch);            // "SCMP_ARCH_X86_64"
std::string_view name_of(SeccompOperator op);          // "SCMP_CMP_EQ"
std::string_view namespace_name(uint32_t clone_flag);  // "mount" for CLONE_NEWNS
std::string_view rlimit_name(int resource);            // "RLIMIT_NOFILE"
std::string_view memory_mode_name(int mode);           // "MPOL_BIND"

// All names that config.json may have in one place, from the parser's tables: for `minirun features`.
using Names = std::vector<std::string_view>;
Names namespace_names();
Names hook_names();
Names seccomp_actions();
Names seccomp_operators();
Names seccomp_archs();
std::vector<std::pair<std::string_view, uint32_t>> seccomp_flags();  // with SECCOMP_FILTER_FLAG_*
Names memory_policy_modes();
Names memory_policy_flags();

}  // namespace oci
}  // namespace minirun
