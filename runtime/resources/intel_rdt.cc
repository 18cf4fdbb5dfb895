// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/intel_rdt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "runtime/resources/rdt_schemata.h"
#include "runtime/text/json.h"
#include "sys/file.h"
#include "sys/mountinfo.h"

namespace minirun {
namespace {

constexpr const char* kPointer = "/linux/intelRdt";
constexpr const char* kMount = "/sys/fs/resctrl";
constexpr long kResctrlMagic = 0x7655821;  // RDTGROUP_SUPER_MAGIC (linux/magic.h)

// The kernel keeps a sentence about its last refusal.
Error explained(Error error, int root_fd) {
  auto status = read_file(root_fd, "info/last_cmd_status");
  if (!status.ok()) return error;
  while (!status->empty() && status->back() == '\n') status->pop_back();
  if (status->empty() || *status == "ok") return error;
  return with_hint(std::move(error), "resctrl says: " + *status);
}

Result<UniqueFd> open_directory(int parent, const std::string& name) {
  return open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<UniqueFd> open_group(int root_fd, const std::string& group) {
  return open_directory(root_fd, group == "/" ? "." : group);
}

// "Absent" is an answer; any other failure is an error.
Result<bool> is_there(int parent, const std::string& name) {
  struct stat facts {};
  if (fstatat(parent, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(errno, "{}: look for {} in resctrl", kPointer, name);
}

Result<void> write_schemata(int root_fd, int group_fd, const oci::IntelRdt& rdt) {
  for (const std::string& part : schemata_to_write(rdt)) {
    auto written = write_control(group_fd, "schemata", part);
    if (!written.ok()) return explained(wrap(written.error(), kPointer), root_fd);
  }
  return {};
}

Result<void> check_group_name(const std::string& group) {
  constexpr std::string_view kReserved[] = {".", "..", "info", "mon_groups", "mon_data"};
  bool bad = group.empty() || group.find_first_of("/\n") != std::string::npos || group.size() > NAME_MAX ||
             std::find(std::begin(kReserved), std::end(kReserved), group) != std::end(kReserved);
  if (bad) return fail(ErrorKind::config, "{}: {} cannot be the name of a class of service", kPointer, quoted(group));
  return {};
}

// The kernel rounds written bandwidths to this step.
uint64_t bandwidth_step(int root_fd) {
  auto text = read_file(root_fd, "info/MB/bandwidth_gran");
  return text.ok() ? std::max<uint64_t>(1, strtoull(text->c_str(), nullptr, 10)) : 1;
}

Result<void> check_schemata(int root_fd, const oci::IntelRdt& rdt, const std::string& group) {
  if (schemata_to_write(rdt).empty()) return {};
  UniqueFd directory = TRY(open_group(root_fd, group));
  std::string found = TRY(read_file(directory.get(), "schemata"));
  auto mismatch = schemata_mismatch(rdt, found, bandwidth_step(root_fd));
  if (!mismatch) return {};
  return fail(ErrorKind::host, "{}: class {} already exists with other values: {}", kPointer, quoted(group), *mismatch);
}

Result<void> make_directory(int root_fd, int parent, const std::string& name, const std::string& what) {
  if (mkdirat(parent, name.c_str(), 0755) == 0) return {};
  int code = errno;
  if (code == ENOSPC) {
    return explained(fail(code, "{}: make {} {}: this machine has no more of them", kPointer, what, quoted(name)),
                     root_fd);
  }
  return explained(fail(code, "{}: make {} {}", kPointer, what, quoted(name)), root_fd);
}

Result<void> make_all(int root_fd, const oci::IntelRdt& rdt, const RdtRecord& record) {
  if (record.makes_group) TRY(make_directory(root_fd, root_fd, record.group, "class"));
  UniqueFd group = TRY(open_group(root_fd, record.group));
  if (record.makes_group) TRY(write_schemata(root_fd, group.get(), rdt));
  if (!record.makes_monitor) return {};
  auto monitors = open_directory(group.get(), "mon_groups");
  if (!monitors.ok())
    return fail(ErrorKind::host, "{}/enableMonitoring: this machine's resctrl has no monitoring", kPointer);
  return make_directory(root_fd, monitors->get(), record.monitor, "monitoring group");
}

Result<void> remove_directory(int parent, const std::string& name) {
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return fail(errno, "remove resctrl group {}", name);
}

Result<void> remove_made(int root_fd, const RdtRecord& record, bool group_too) {
  if (record.group.empty()) return {};
  auto group = open_group(root_fd, record.group);
  if (!group.ok()) return group.error().code == ENOENT ? Result<void>() : Result<void>(group.error());
  if (record.makes_monitor) {
    auto monitors = open_directory(group->get(), "mon_groups");
    if (monitors.ok()) TRY(remove_directory(monitors->get(), record.monitor));
  }
  if (record.makes_group && group_too) return remove_directory(root_fd, record.group);
  return {};
}

Result<void> join(int directory, const std::string& name, pid_t pid) {
  auto joined = write_control(directory, "tasks", std::to_string(pid));
  if (!joined.ok()) return wrap(joined.error(), fmt::format("{}: put process {} into {}", kPointer, pid, name));
  return {};
}

}  // namespace

std::string resctrl_mount_point(std::string_view mountinfo) {
  for (const MountLine& mount : parse_mountinfo(mountinfo))
    if (mount.type == "resctrl") return mount.mount_point;
  return "";
}

Result<UniqueFd> find_resctrl() {
  auto usual = open_directory(AT_FDCWD, kMount);
  struct statfs facts {};
  if (usual.ok() && fstatfs(usual->get(), &facts) == 0 && facts.f_type == kResctrlMagic) return usual;
  std::string place = resctrl_mount_point(TRY(read_file(AT_FDCWD, "/proc/self/mountinfo", kMostMountinfoBytes)));
  return place.empty() ? Result<UniqueFd>(UniqueFd()) : open_directory(AT_FDCWD, place);
}

Result<UniqueFd> open_resctrl() {
  UniqueFd root = TRY(find_resctrl());
  if (!root) return fail(ErrorKind::host, "{}: no resctrl filesystem is mounted on this host ({})", kPointer, kMount);
  return root;
}

Result<RdtRecord> survey_rdt(int root_fd, const oci::IntelRdt& rdt, const std::string& id) {
  RdtRecord record;
  record.own_group = rdt.clos_id.empty();
  record.group = record.own_group ? id : rdt.clos_id;
  if (record.group != "/") {
    TRY(check_group_name(record.group));
    record.makes_group = !TRY(is_there(root_fd, record.group));
  }
  if (record.makes_group && !record.own_group && schemata_to_write(rdt).empty())
    return fail(ErrorKind::config, "{}/closID: class {} does not exist, and no schema says how to make it", kPointer,
                quoted(record.group));
  if (!record.makes_group) TRY(check_schemata(root_fd, rdt, record.group));
  if (!rdt.enable_monitoring) return record;
  record.monitor = id;
  std::string monitors = (record.group == "/" ? "" : record.group + "/") + "mon_groups/";
  record.makes_monitor = record.makes_group || !TRY(is_there(root_fd, monitors + id));
  return record;
}

Result<void> make_rdt(int root_fd, const oci::IntelRdt& rdt, const RdtRecord& record) {
  auto made = make_all(root_fd, rdt, record);
  if (!made.ok()) (void)undo_rdt(root_fd, record);  // the first error is reported
  return made;
}

Result<void> join_rdt(int root_fd, const RdtRecord& record, pid_t pid) {
  if (record.group.empty()) return {};
  UniqueFd group = TRY(open_group(root_fd, record.group));
  auto joined = join(group.get(), "class " + quoted(record.group), pid);
  if (!joined.ok()) return explained(joined.error(), root_fd);
  if (record.monitor.empty()) return {};
  UniqueFd monitors = TRY(open_directory(group.get(), "mon_groups"));
  UniqueFd monitor = TRY(open_directory(monitors.get(), record.monitor));
  joined = join(monitor.get(), "monitoring group " + quoted(record.monitor), pid);
  if (!joined.ok()) return explained(joined.error(), root_fd);
  return {};
}

Result<void> remove_rdt(int root_fd, const RdtRecord& record) {
  return remove_made(root_fd, record, record.own_group);
}

Result<void> undo_rdt(int root_fd, const RdtRecord& record) {
  return remove_made(root_fd, record, true);
}

Result<std::string> update_rdt(int root_fd, const RdtRecord& record, const std::string& l3_cache_schema,
                               const std::string& mem_bw_schema) {
  oci::IntelRdt rdt;
  rdt.l3_cache_schema = l3_cache_schema;
  rdt.mem_bw_schema = mem_bw_schema;
  UniqueFd group = TRY(open_group(root_fd, record.group));
  std::string before = TRY(read_file(group.get(), "schemata"));
  TRY(write_schemata(root_fd, group.get(), rdt));
  return before;
}

Result<void> restore_rdt(int root_fd, const RdtRecord& record, const std::string& schemata) {
  UniqueFd group = TRY(open_group(root_fd, record.group));
  return write_control(group.get(), "schemata", schemata);
}

}  // namespace minirun
