// SPDX-License-Identifier: Apache-2.0
// Writes limits to control files, and explains refusals.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string>

#include "cgroups/cgroup.h"
#include "cgroups/controllers.h"
#include "cgroups/cpu_list.h"
#include "cgroups/saved_files.h"
#include "sys/file.h"

namespace minirun {
namespace {

// Documentation/admin-guide/cgroup-v2.rst; what the errno alone does not say. The first match counts.
struct Reason {
  std::string_view file;  // how the file's name begins
  int code;
  const char* text;
};

constexpr Reason kReasons[] = {
    {"memory.swap.max", ENOENT, "this kernel has no swap accounting (CONFIG_SWAP)"},
    {"cpu.max.burst", ENOENT, "this kernel has no burst (linux 5.14 and CONFIG_CFS_BANDWIDTH)"},
    {"cpu.max", ENOENT, "this kernel has no quotas (CONFIG_CFS_BANDWIDTH)"},
    {"cpu.idle", ENOENT, "needs linux 5.15"},
    {"cpu.weight", ENOENT, "this kernel has no weights (CONFIG_FAIR_GROUP_SCHED)"},
    {"io.bfq.weight", ENOENT, "needs the bfq scheduler or CONFIG_BLK_CGROUP_IOCOST"},
    {"io.weight", ENOENT, "needs CONFIG_BLK_CGROUP_IOCOST"},
    {"io.max", ENOENT, "this kernel has no throttling (CONFIG_BLK_DEV_THROTTLING)"},
    {"hugetlb.", ENOENT, "this machine has no huge pages of that size"},
    {"cpu.max.burst", EINVAL, "a burst is at most the quota"},
    {"cpu.max", EINVAL, "quota and period are at least 1000 us, the period at most 1 s, the quota at least the burst"},
    {"io.", EOPNOTSUPP, "the device's scheduler has no such control"},
    {"rdma.max", ENODEV, "no such rdma device"},
    {"rdma.max", EINVAL, "no such rdma device, or a number out of range"},
    {"", EINVAL, "the kernel does not take this value"},
    {"", ERANGE, "out of the range that the kernel takes"},
    {"", EROFS, "the cgroup2 mount is read-only"},
    {"", ENOENT, "this kernel has no such file in a cgroup"},
};

std::string why_refused(const std::string& file, const std::string& value, int code) {
  if (code == ENODEV && file.starts_with("io."))
    return fmt::format(" (no whole block device {})", value.substr(0, value.find(' ')));
  if (file.starts_with("cpuset.") && (code == EINVAL || code == ERANGE)) {
    bool cpus = file == "cpuset.cpus";
    auto online = read_file(AT_FDCWD, cpus ? "/sys/devices/system/cpu/online" : "/sys/devices/system/node/online");
    return fmt::format(" (this machine's {} are {})", cpus ? "CPUs" : "memory nodes",
                       online ? online->substr(0, online->find('\n')) : "others");
  }
  for (const Reason& reason : kReasons)
    if (reason.code == code && file.starts_with(reason.file)) return fmt::format(" ({})", reason.text);
  return "";
}

Error refused(const Write& write, const std::string& path, const std::string& file, const std::string& value,
              int code) {
  Error error = fail(code, "{}: write \"{}\" to {} of cgroup {}{}", write.origin, value, file, path,
                     why_refused(file, value, code));
  ErrorDetail& detail = error.change_details();
  detail.pointer = write.origin;
  detail.call = "write";
  detail.path = path + "/" + file;
  return error;
}

// cgroup v2 kills to enforce a limit below the present use; check_before_update asks for a refusal instead, as in v1.
Result<void> check_not_below(int cgroup_fd, const Write& write) {
  std::string text = TRY(read_file(cgroup_fd, write.not_below));
  uint64_t used = 0;
  uint64_t limit = 0;
  std::from_chars(text.data(), text.data() + text.size(), used);
  auto parsed = std::from_chars(write.value.data(), write.value.data() + write.value.size(), limit);
  if (parsed.ec != std::errc() || limit >= used) return {};
  return fail(EBUSY, "{}: {} is less than the {} bytes in use ({})", write.origin, limit, used, write.not_below);
}

// The kernel accepts any list. If the list has nothing in common with the parent's, the cgroup gets all that the parent
// has, and the limit would be silently lost.
Result<void> check_effective(int cgroup_fd, const Write& write) {
  std::string asked = TRY(read_file(cgroup_fd, write.file));
  std::string effective = TRY(read_file(cgroup_fd, write.effective));
  if (cpu_list_within(effective, asked)) return {};
  return fail(EINVAL, "{}: none of \"{}\" is available here: the cgroup would use {}", write.origin, write.value,
              effective.substr(0, effective.find('\n')));
}

Result<void> apply_one(int cgroup_fd, const Write& write, const std::string& path) {
  if (!write.not_below.empty()) TRY(check_not_below(cgroup_fd, write));
  auto written = write_control(cgroup_fd, write.file, write.value);
  if (written) return write.effective.empty() ? Result<void>() : check_effective(cgroup_fd, write);
  int code = written.error().code;
  if (!write.fallback_file.empty() && (code == ENOENT || code == EOPNOTSUPP)) {
    auto instead = write_control(cgroup_fd, write.fallback_file, write.fallback_value);
    if (instead) return {};
    // The error of the existing file is more useful.
    if (instead.error().code != ENOENT)
      return refused(write, path, write.fallback_file, write.fallback_value, instead.error().code);
  }
  if (write.may_be_missing && code == ENOENT) return {};
  return refused(write, path, write.file, write.value, code);
}

}  // namespace

Result<void> Cgroup::apply(const std::vector<Write>& writes) const {
  for (const Write& write : writes) TRY(apply_one(fd(), write, record_.path));
  return {};
}

Result<void> Cgroup::change(const std::vector<Write>& writes, const std::function<Result<void>()>& last) const {
  for (const Write& write : writes)
    if (!write.not_below.empty()) TRY(check_not_below(fd(), write));
  SavedFiles saved(fd());
  auto do_all = [&]() -> Result<void> {
    for (const Write& write : writes) {
      saved.save(write);
      TRY(apply_one(fd(), write, record_.path));
    }
    return last();
  };
  auto done = do_all();
  std::string lost = done.ok() ? "" : saved.restore();
  if (lost.empty()) return done;
  return fail(done.error().kind, "{}; what was changed before it could not be restored: {}", done.error().text(), lost);
}

Result<void> Cgroup::enable(const std::vector<ControllerNeed>& needed) const {
  return needed.empty() ? Result<void>() : enable_controllers(root_.get(), record_.path, needed);
}

Result<std::vector<std::string>> Cgroup::enable_offered(const std::string& top) const {
  return minirun::enable_offered(root_.get(), top, record_.path);
}

}  // namespace minirun
