// SPDX-License-Identifier: Apache-2.0
// The annotations of config.json that minirun acts on: one row each, and a typed look-up for each. No other source file
// spells a key (Annotations.NoOtherFileSpellsAKey).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

enum class Annotation : uint8_t {
  criu_config,
  init,
  report,
  stop_signal,
  systemd_property,
  delegate_cgroup,
  hooks_stderr,
  hooks_stdout,
  keep_groups,
  mount_context,
  pidfd_receiver,
  systemd_subgroup,
};

struct AnnotationRow {
  Annotation id;
  std::string_view key;                 // a key that ends with a dot means all that begin with it
  std::string_view value;               // what it takes, for the manual
  std::string_view effect;              // where it applies and what it does, for the manual
  std::string_view must;                // what validate() demands of the value; "": the code that acts on it checks it
  bool (*is_good)(std::string_view){};  // the check for `must`
};

// In the order of their keys.
std::span<const AnnotationRow> known_annotations();

std::string_view annotation_key(Annotation id);
std::string annotation_pointer(Annotation id);  // "/annotations/KEY"

// The keys that `minirun features` lists as potentiallyUnsafeConfigAnnotations (features.md): they change how a
// container is made, so check foreign bundles for them. A key that ends with a dot means all that begin with it.
std::vector<std::string_view> unsafe_annotations();

// Whether the key is in minirun's own namespace of keys and none of the rows.
bool is_unknown_own_annotation(std::string_view key);

// The look-ups expect values that validate() accepted. An absent annotation is "", std::nullopt or false, unless stated
// otherwise.
std::string criu_config_file(const oci::StringMap& annotations);
// The same as `create --init`, for engines: they pass annotations on, but not minirun's own options.
bool asks_for_init(const oci::StringMap& annotations);
// A report of its end goes to the administrator's directory (--report-dir).
bool asks_for_report(const oci::StringMap& annotations);
std::string stop_signal(const oci::StringMap& annotations);
// The signal of that name, or SIGTERM without one. An error if no signal has this name, which validate() accepts.
Result<int> image_stop_signal(const oci::StringMap& annotations);
oci::StringMap systemd_properties(const oci::StringMap& annotations);  // NAME of the key and value, in order
// A cgroup below the container's, without limits of its own, that its first process moves into, so that the workload
// (systemd, a nested engine) has its own cgroup to itself. Cgroup::create checks the path.
std::optional<std::string> delegated_cgroup(const oci::StringMap& annotations);
bool keeps_caller_groups(const oci::StringMap& annotations);
std::string mount_context_type(const oci::StringMap& annotations);  // absent: "context"
std::string pidfd_receiver(const oci::StringMap& annotations);
std::optional<std::string> systemd_subgroup(const oci::StringMap& annotations);

struct HookOutputFiles {
  std::string out;
  std::string err;
};
HookOutputFiles hook_output_files(const oci::StringMap& annotations);

// Keys of annotations in the features document (features.md, "Annotations"); tools read those with runc's names.
namespace feature_key {
inline constexpr std::string_view kExplainSeccomp = "org.minirun.explainSeccomp";
inline constexpr std::string_view kLibseccomp = "io.github.seccomp.libseccomp.version";
inline constexpr std::string_view kReachTheHost = "org.minirun.capabilities.reachTheHost";
inline constexpr std::string_view kReachUnlessSeparated = "org.minirun.capabilities.reachTheHostUnlessSeparated";
inline constexpr std::string_view kCommit = "org.minirun.commit";
inline constexpr std::string_view kVersion = "org.minirun.version";
inline constexpr std::string_view kDeadlines = "org.minirun.deadlines";
inline constexpr std::string_view kReports = "org.minirun.reports";
inline constexpr std::string_view kOverlay = "org.minirun.overlay";
inline constexpr std::string_view kTiming = "org.minirun.timing";
inline constexpr std::string_view kVerdicts = "org.minirun.check";
inline constexpr std::string_view kStatusEvents = "org.minirun.statusEvents";
inline constexpr std::string_view kCheckpoint = "org.opencontainers.runc.checkpoint.enabled";
}  // namespace feature_key

}  // namespace minirun
