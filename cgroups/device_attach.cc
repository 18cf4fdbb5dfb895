// SPDX-License-Identifier: Apache-2.0
// Loads and attaches the device filter.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "cgroups/device_filter.h"
#include "sys/fd.h"

namespace minirun {
namespace {

long bpf(int command, bpf_attr& attr) {
  return syscall(SYS_bpf, command, &attr, sizeof attr);
}

constexpr char kName[] = "minirun_devices";  // the longest that BPF_OBJ_NAME_LEN allows

uint64_t address(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

// log: the verifier's messages; costs time, so it is used only after a failure.
UniqueFd load(const std::vector<bpf_insn>& program, std::string* log) {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);  // all of the union: the kernel refuses unknown bits that are not zero
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = address(program.data());
  attr.insn_cnt = static_cast<uint32_t>(program.size());
  attr.license = address("");  // it calls no helper that requires one
  memcpy(attr.prog_name, kName, sizeof kName);
  if (log != nullptr) {
    attr.log_buf = address(log->data());
    attr.log_size = static_cast<uint32_t>(log->size());
    attr.log_level = 1;
  }
  return UniqueFd(static_cast<int>(bpf(BPF_PROG_LOAD, attr)));
}

Error load_error(int code, const std::vector<bpf_insn>& program) {
  if (code == EPERM) return fail(code, "load the device filter (needs CAP_BPF and CAP_NET_ADMIN)");
  if (code == ENOSYS) return fail(code, "load the device filter (this kernel has no bpf(2))");
  std::string log(64 << 10, '\0');
  (void)load(program, &log);  // fails like the first time; only the log matters
  log.resize(strlen(log.c_str()));
  while (!log.empty() && log.back() == '\n') log.pop_back();
  constexpr size_t kLastWords = 400;
  if (log.size() > kLastWords) log.erase(0, log.size() - kLastWords);
  if (log.empty()) return fail(code, "load the device filter");
  return fail(code, "load the device filter (verifier: {})", log);
}

const char* why_not_attached(int code) {
  switch (code) {
    case EPERM:
      return " (needs CAP_BPF and CAP_NET_ADMIN, and no filter above that forbids others)";
    case EINVAL:
      return " (this kernel has no cgroup filters: CONFIG_CGROUP_BPF)";
    case E2BIG:
      return " (64 filters are attached already)";
    default:
      return "";
  }
}

// replaced_fd: the program that it replaces; -1: none.
Result<void> attach(int cgroup_fd, const std::vector<bpf_insn>& program, int replaced_fd) {
  UniqueFd loaded = load(program, nullptr);
  if (!loaded) return load_error(errno, program);
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (replaced_fd >= 0) {
    attr.attach_flags |= BPF_F_REPLACE;
    attr.replace_bpf_fd = static_cast<uint32_t>(replaced_fd);
  }
  if (bpf(BPF_PROG_ATTACH, attr) < 0)
    return fail(errno, "attach the device filter to the cgroup{}", why_not_attached(errno));
  return {};
}

Result<void> detach(int cgroup_fd, int program_fd) {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.attach_bpf_fd = static_cast<uint32_t>(program_fd);
  attr.attach_type = BPF_CGROUP_DEVICE;
  if (bpf(BPF_PROG_DETACH, attr) < 0) return fail(errno, "detach the device filter from the cgroup");
  return {};
}

Result<std::vector<uint32_t>> attached_programs(int cgroup_fd) {
  std::vector<uint32_t> ids(64);  // BPF_CGROUP_MAX_PROGS
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.query.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = address(ids.data());
  attr.query.prog_cnt = static_cast<uint32_t>(ids.size());
  if (bpf(BPF_PROG_QUERY, attr) < 0) return fail(errno, "list the device filters of the cgroup");
  ids.resize(attr.query.prog_cnt);
  return ids;
}

// The attached program that has minirun's name. Empty: none.
Result<UniqueFd> find_own(int cgroup_fd) {
  for (uint32_t id : TRY(attached_programs(cgroup_fd))) {
    bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_id = id;
    UniqueFd program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attr)));
    if (!program && errno == ENOENT) continue;  // detached since
    if (!program) return fail(errno, "open a device filter of the cgroup (needs CAP_SYS_ADMIN)");
    bpf_prog_info info;
    memset(&info, 0, sizeof info);
    memset(&attr, 0, sizeof attr);
    attr.info.bpf_fd = static_cast<uint32_t>(program.get());
    attr.info.info_len = sizeof info;
    attr.info.info = address(&info);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, attr) < 0) return fail(errno, "inspect a device filter of the cgroup");
    if (strncmp(info.name, kName, sizeof info.name) == 0) return program;
  }
  return UniqueFd();
}

}  // namespace

Result<void> attach_device_filter(int cgroup_fd, const std::vector<bpf_insn>& program) {
  if (program.empty()) return {};
  return attach(cgroup_fd, program, -1);
}

Result<void> replace_device_filter(int cgroup_fd, const std::vector<bpf_insn>& program) {
  UniqueFd old = TRY(find_own(cgroup_fd));
  if (!program.empty()) return attach(cgroup_fd, program, old.get());
  return old ? detach(cgroup_fd, old.get()) : Result<void>();
}

}  // namespace minirun
