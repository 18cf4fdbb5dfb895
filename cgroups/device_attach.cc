// The device filter's way into the kernel.
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

uint64_t address(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

// log: what the verifier says; costs time, so it is asked for only after a failure.
UniqueFd load(const std::vector<bpf_insn>& program, std::string* log) {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);  // all of the union: the kernel refuses unknown bits that are not zero
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = address(program.data());
  attr.insn_cnt = static_cast<uint32_t>(program.size());
  attr.license = address("");  // it calls no helper that asks for one
  memcpy(attr.prog_name, "minirun_devices", sizeof "minirun_devices");
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
  (void)load(program, &log);  // fails like the first time; only its words are of interest
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

}  // namespace

Result<void> attach_device_filter(int cgroup_fd, const std::vector<bpf_insn>& program) {
  if (program.empty()) return {};
  UniqueFd loaded = load(program, nullptr);
  if (!loaded) return load_error(errno, program);
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = static_cast<uint32_t>(cgroup_fd);
  attr.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attr) < 0)
    return fail(errno, "attach the device filter to the cgroup{}", why_not_attached(errno));
  return {};
}

}  // namespace minirun
