// SPDX-License-Identifier: Apache-2.0
// `minirun features`: prints what this minirun supports.
#include "runtime/commands/features.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/check/report.h"
#include "runtime/commands/command_table.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/timing_option.h"
#include "runtime/compile/capabilities.h"
#include "runtime/compile/powers.h"
#include "runtime/diagnosis/exit_report.h"
#include "runtime/diagnosis/refusals.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/parse.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/seccomp/filter.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/status_events.h"
#include "runtime/text/version.h"

namespace minirun {
namespace {

template <class Names>
void write_list(JsonWriter& json, std::string_view key, const Names& names) {
  json.key(key).begin_array();
  for (const auto& name : names) json.string(name);
  json.end_array();
}

void write_enabled(JsonWriter& json, std::string_view key) {
  json.key(key).begin_object().key("enabled").boolean(true).end_object();
}

std::vector<std::string> known_capabilities() {
  std::vector<std::string> names;
  uint64_t all = all_capabilities();
  for (unsigned number = 0; number < 64; number++) {
    if ((all >> number & 1) == 0) continue;
    std::string name = capability_names(uint64_t{1} << number);
    if (name.starts_with("CAP_")) names.push_back(std::move(name));  // else newer than libcap: no config can name it
  }
  return names;
}

// The kernel checks the flags before it reads the filter: EFAULT means that it knows them, EINVAL that it does not.
bool kernel_takes(uint32_t flag) {
  // Valid only with a listener.
  if (flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, nullptr) < 0 && errno == EFAULT;
}

void write_seccomp(JsonWriter& json) {
  json.key("seccomp").begin_object().key("enabled").boolean(true);
  write_list(json, "actions", oci::seccomp_actions());
  write_list(json, "operators", oci::seccomp_operators());
  write_list(json, "archs", oci::seccomp_archs());
  oci::Names known, supported;
  for (const auto& [name, flag] : oci::seccomp_flags()) {
    known.push_back(name);
    if (kernel_takes(flag)) supported.push_back(name);
  }
  write_list(json, "knownFlags", known);
  write_list(json, "supportedFlags", supported);
  json.end_object();
}

void write_linux(JsonWriter& json) {
  json.key("linux").begin_object();
  write_list(json, "namespaces", oci::namespace_names());
  write_list(json, "capabilities", known_capabilities());
  json.key("cgroup").begin_object().key("v1").boolean(false).key("v2").boolean(true);
  bool systemd = find_systemd_helper().ok();
  json.key("systemd").boolean(systemd).key("systemdUser").boolean(systemd).key("rdma").boolean(true).end_object();
  write_seccomp(json);
  write_enabled(json, "apparmor");
  write_enabled(json, "selinux");
  json.key("intelRdt").begin_object().key("enabled").boolean(true);
  json.key("schemata").boolean(true).key("monitoring").boolean(true).end_object();
  json.key("memoryPolicy").begin_object();
  write_list(json, "modes", oci::memory_policy_modes());
  write_list(json, "flags", oci::memory_policy_flags());
  json.end_object();
  json.key("mountExtensions").begin_object();
  write_enabled(json, "idmap");
  json.end_object();
  write_enabled(json, "netDevices");
  json.end_object();
}

// The capabilities that reach the host from a container without a user namespace: those without a barrier, or those
// with one.
std::string powers_with(bool barrier) {
  uint64_t all = 0;
  for (const Power& power : powers())
    if ((power.barrier != Barrier::none) == barrier) all |= uint64_t{1} << power.capability;
  return capability_names(all);
}

void write_annotations(JsonWriter& json) {
  json.key("annotations").begin_object();
  json.key(feature_key::kLibseccomp).string(libseccomp_version());
  json.key(feature_key::kReachTheHost).string(powers_with(false));
  json.key(feature_key::kReachUnlessSeparated).string(powers_with(true));
  json.key(feature_key::kCommit).string(minirun_commit());
  json.key(feature_key::kVersion).string(minirun_version());
  json.key(feature_key::kDeadlines).string(kDeadlineFeatures);
  json.key(feature_key::kReports).string(kCauses);
  json.key(feature_key::kExplainSeccomp).string(kExplainedActions);
  json.key(feature_key::kOverlay).string(kOverlayFeatures);
  json.key(feature_key::kTiming).string(kTimingFeatures);
  json.key(feature_key::kVerdicts).string(kVerdictNames);
  json.key(feature_key::kStatusEvents).string(kStatusEvents);
  for (const CommandRow& row : command_rows())
    if (std::string_view feature = row.make().feature; !feature.empty()) json.key(feature).string("true");
  json.end_object();
}

struct FeaturesCommand {};

void describe(Options&, FeaturesCommand&) {}

Result<Outcome> perform(const GlobalOptions&, const FeaturesCommand&) {
  return Outcome{0, features_document()};
}

}  // namespace

std::string features_document() {
  JsonWriter json(2);
  json.begin_object().key("ociVersionMin").string("1.0.0").key("ociVersionMax").string("1.3.0");
  write_list(json, "hooks", oci::hook_names());
  write_list(json, "mountOptions", known_mount_options());
  write_linux(json);
  write_annotations(json);
  write_list(json, "potentiallyUnsafeConfigAnnotations", unsafe_annotations());
  json.end_object();
  return json.take() + "\n";
}

Command features_command() {
  return Command::of<FeaturesCommand, describe, perform>({
      .summary = "print what this minirun supports, as JSON",
      .description = "Prints what this minirun supports, in the JSON of the runtime-spec's features.md.",
      .examples = {{{"minirun features", "namespaces, mount options, capabilities, seccomp and more"},
                    {"minirun --log features.log features", "the same, with errors in features.log too"}}},
  });
}

}  // namespace minirun
