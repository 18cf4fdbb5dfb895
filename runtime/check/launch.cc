// SPDX-License-Identifier: Apache-2.0
// What a rehearsal says, and what files and facts say where it cannot be.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/check/parts.h"
#include "runtime/check/rehearsal.h"
#include "sys/mountinfo.h"

namespace minirun {
namespace {

void check_by_facts(const CheckedBundle& bundle, CheckReport* report) {
  check_namespaces(bundle, report);
  check_id_maps(bundle, report);
  check_mount_list(bundle, report);
  check_sysctls(bundle, report);
  check_program(bundle, report);
  check_limits_of_process(bundle, report);
}

// Only an overlay leaves out the mounts below the rootfs, and the rehearsal has one.
bool has_mounts_below(const std::string& rootfs) {
  auto mounts = mounts_below(rootfs);
  return !mounts.ok() ||
         std::any_of(mounts->begin(), mounts->end(), [](const MountBelow& mount) { return !mount.below.empty(); });
}

// One word for what a property is about.
std::string about_pointer(const std::string& pointer) {
  static constexpr std::pair<std::string_view, const char*> kParts[] = {
      {"/mounts", "mounts"},
      {"/root", "rootfs"},
      {"/linux/namespaces", "namespaces"},
      {"/linux/uidMappings", "namespaces"},
      {"/linux/gidMappings", "namespaces"},
      {"/linux/sysctl", "sysctl"},
      {"/linux/devices", "devices"},
      {"/linux/seccomp", "seccomp"},
      {"/process/args", "program"},
  };
  for (const auto& [prefix, word] : kParts)
    if (pointer.starts_with(prefix)) return word;
  return "process";
}

void say_passed(const CheckedBundle& bundle, const Rehearsal& rehearsal, CheckReport* report) {
  report->yes("launch", "namespaces, mounts and the process can be made: tried");
  if (rehearsal.with_program)
    report->yes("program", fmt::format("{} can be executed: tried", bundle.spec.process->args[0]));
  else
    check_program(bundle, report);
  for (const std::string& pointer : rehearsal.untried)
    report->unknown(about_pointer(pointer), pointer, "is not tried, as it changes what others use");
}

// What the facts find beside it.
void add_other_faults(const CheckedBundle& bundle, CheckReport* said) {
  CheckReport facts;
  check_by_facts(bundle, &facts);
  for (CheckLine& line : facts.lines) {
    const bool known = std::any_of(said->lines.begin(), said->lines.end(), [&](const CheckLine& other) {
      return other.pointer.empty() || line.pointer.starts_with(other.pointer) ||
             other.pointer.starts_with(line.pointer);
    });
    if (line.verdict == Verdict::no && !known) said->lines.push_back(std::move(line));
  }
}

// So that a source that hangs has a name.
void visit_sources(const CheckedBundle& bundle) {
  for (const Source& slot : bundle.prepared.compiled.plan.slots) {
    if (slot.kind != SourceKind::tree) continue;
    bundle.progress(slot.origin, slot.path);
    struct stat info {};
    (void)fstatat(AT_FDCWD, slot.path.c_str(), &info, slot.no_follow ? AT_SYMLINK_NOFOLLOW : 0);  // for its time
  }
}

}  // namespace

void check_launch(const CheckedBundle& bundle, const Compiled& rehearsed, bool overlay, CheckReport* report) {
  visit_sources(bundle);
  bundle.progress("", "the launch that is tried (its rootfs, mounts and program)");
  if (!overlay && has_mounts_below(bundle.prepared.rootfs_path)) return check_by_facts(bundle, report);
  const Rehearsal rehearsal = rehearse(bundle.spec, rehearsed, bundle.prepared.bundle.rootfs.get(), overlay);
  if (rehearsal.end == Rehearsal::End::impossible) return check_by_facts(bundle, report);
  if (rehearsal.end == Rehearsal::End::passed) {
    say_passed(bundle, rehearsal, report);
    if (!overlay) check_room_in_rootfs(bundle, report);
    return;
  }
  CheckReport said;
  said.no("process", *rehearsal.error);
  for (const Error& error : rehearsal.more) said.no("mounts", error);
  for (CheckLine& line : said.lines) {
    if (rehearsal.end == Rehearsal::End::unsure) line.verdict = Verdict::unknown;
    line.about = rehearsal.at_program ? "program" : about_pointer(line.pointer);
    if (line.pointer.empty() && rehearsal.at_program) line.pointer = "/process/args";
  }
  add_other_faults(bundle, &said);
  std::move(said.lines.begin(), said.lines.end(), std::back_inserter(report->lines));
}

}  // namespace minirun
