// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/annotations.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "runtime/text/signal_name.h"

namespace minirun {
namespace {

constexpr std::string_view kOwnKeys = "org.minirun.";

bool is_boolean(std::string_view value) {
  return value == "true" || value == "1" || value == "false" || value == "0";
}

bool is_context_type(std::string_view value) {
  return value == "context" || value == "fscontext" || value == "defcontext" || value == "rootcontext";
}

// cgroup2 reserves names that begin with "cgroup." for its control files.
bool is_cgroup_name(std::string_view value) {
  return value.find('/') == value.npos && !value.starts_with('.') && !value.starts_with("cgroup.");
}

constexpr AnnotationRow kAnnotations[] = {
    {Annotation::criu_config, "org.criu.config", "FILE",
     "With checkpoint and restore: options for criu(8). FILE and its directories must belong to root, and the "
     "container "
     "must not reach them (runc and crun)",
     "", nullptr},
    {Annotation::init, "org.minirun.init", "true|false",
     "With create: the workload has minirun's init as PID 1, as with --init", "true, false, 1 or 0", is_boolean},
    {Annotation::report, "org.minirun.report", "true|false",
     "With run, create and restore: a report of the container's end is written to --report-dir", "true, false, 1 or 0",
     is_boolean},
    {Annotation::stop_signal, "org.opencontainers.image.stopSignal", "SIGNAL",
     "With stop: the signal that asks the workload to end, unless --signal names one (image-spec)", "", nullptr},
    {Annotation::systemd_property, "org.systemd.property.", "VALUE",
     "With systemd's cgroup manager: the property of that name of the container's scope, in GVariant's text form (runc "
     "and crun)",
     "", nullptr},
    {Annotation::delegate_cgroup, "run.oci.delegate-cgroup", "NAME",
     "With run, create and exec: the process is in the cgroup NAME below the container's, which has the limits (crun)",
     "", nullptr},
    {Annotation::hooks_stderr, "run.oci.hooks.stderr", "FILE",
     "The standard error of all hooks is appended to FILE (crun)", "", nullptr},
    {Annotation::hooks_stdout, "run.oci.hooks.stdout", "FILE",
     "The standard output of all hooks is appended to FILE (crun)", "", nullptr},
    {Annotation::keep_groups, "run.oci.keep_original_groups", "1|0",
     "The workload keeps the caller's supplementary groups, unless the value is 0 (crun)", "", nullptr},
    {Annotation::mount_context, "run.oci.mount_context_type", "TYPE",
     "The mount option that carries linux.mountLabel: context, fscontext, defcontext or rootcontext (crun)",
     "context, fscontext, defcontext or rootcontext", is_context_type},
    {Annotation::pidfd_receiver, "run.oci.pidfd_receiver", "SOCKET",
     "With run and create: a socket for the pidfd, unless --pidfd-socket names one (crun)", "", nullptr},
    {Annotation::systemd_subgroup, "run.oci.systemd.subgroup", "NAME",
     "With systemd's cgroup manager: the container is in the cgroup NAME below its scope; empty: in the scope's own "
     "(crun)",
     "one name of a cgroup", is_cgroup_name},
};

const std::string* find_annotation(const oci::StringMap& annotations, Annotation id) {
  std::string_view wanted = annotation_key(id);
  auto found = std::find_if(annotations.begin(), annotations.end(),
                            [&](const auto& annotation) { return annotation.first == wanted; });
  return found == annotations.end() ? nullptr : &found->second;
}

std::string annotation_or(const oci::StringMap& annotations, Annotation id, const char* otherwise) {
  const std::string* value = find_annotation(annotations, id);
  return value != nullptr ? *value : otherwise;
}

}  // namespace

std::span<const AnnotationRow> known_annotations() {
  return kAnnotations;
}

std::string_view annotation_key(Annotation id) {
  return std::find_if(std::begin(kAnnotations), std::end(kAnnotations),
                      [&](const AnnotationRow& row) { return row.id == id; })
      ->key;
}

std::string annotation_pointer(Annotation id) {
  return fmt::format("/annotations/{}", annotation_key(id));
}

// Lists all of minirun's own by their prefix, so that it stays right for new ones. Leaves out the stop signal: every
// engine passes it on from the image, and it does not change how the container is made.
std::vector<std::string_view> unsafe_annotations() {
  std::vector<std::string_view> keys;
  for (const AnnotationRow& row : kAnnotations)
    if (row.id != Annotation::stop_signal) keys.push_back(row.key.starts_with(kOwnKeys) ? kOwnKeys : row.key);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

bool is_unknown_own_annotation(std::string_view key) {
  return key.starts_with(kOwnKeys) && std::none_of(std::begin(kAnnotations), std::end(kAnnotations),
                                                   [&](const AnnotationRow& row) { return row.key == key; });
}

std::string criu_config_file(const oci::StringMap& annotations) {
  return annotation_or(annotations, Annotation::criu_config, "");
}

static bool is_switched_on(const oci::StringMap& annotations, Annotation id) {
  const std::string* value = find_annotation(annotations, id);
  return value != nullptr && (*value == "true" || *value == "1");
}

bool asks_for_init(const oci::StringMap& annotations) {
  return is_switched_on(annotations, Annotation::init);
}

bool asks_for_report(const oci::StringMap& annotations) {
  return is_switched_on(annotations, Annotation::report);
}

std::string stop_signal(const oci::StringMap& annotations) {
  return annotation_or(annotations, Annotation::stop_signal, "");
}

Result<int> image_stop_signal(const oci::StringMap& annotations) {
  std::string name = stop_signal(annotations);
  return name.empty() ? Result<int>(SIGTERM) : parse_signal(name);
}

oci::StringMap systemd_properties(const oci::StringMap& annotations) {
  std::string_view prefix = annotation_key(Annotation::systemd_property);
  oci::StringMap properties;
  for (const auto& [key, value] : annotations)
    if (key.starts_with(prefix)) properties.emplace_back(key.substr(prefix.size()), value);
  return properties;
}

std::optional<std::string> delegated_cgroup(const oci::StringMap& annotations) {
  const std::string* value = find_annotation(annotations, Annotation::delegate_cgroup);
  return value != nullptr && !value->empty() ? std::optional(*value) : std::nullopt;
}

bool keeps_caller_groups(const oci::StringMap& annotations) {
  const std::string* value = find_annotation(annotations, Annotation::keep_groups);
  return value != nullptr && *value != "0";
}

std::string mount_context_type(const oci::StringMap& annotations) {
  return annotation_or(annotations, Annotation::mount_context, "context");
}

std::string pidfd_receiver(const oci::StringMap& annotations) {
  return annotation_or(annotations, Annotation::pidfd_receiver, "");
}

std::optional<std::string> systemd_subgroup(const oci::StringMap& annotations) {
  const std::string* value = find_annotation(annotations, Annotation::systemd_subgroup);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

HookOutputFiles hook_output_files(const oci::StringMap& annotations) {
  return {annotation_or(annotations, Annotation::hooks_stdout, ""),
          annotation_or(annotations, Annotation::hooks_stderr, "")};
}

}  // namespace minirun
