// SPDX-License-Identifier: Apache-2.0
// Device rules as an eBPF program for a cgroup: BPF_PROG_TYPE_CGROUP_DEVICE, by plain bpf(2). The kernel asks it at
// each open(2) of a device node and at each mknod(2). Generating is pure; only attach_device_filter() calls the kernel.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "sys/result.h"

namespace minirun {

enum class DeviceType : uint8_t { any, block, character };

// Bits as the kernel has them (BPF_DEVCG_ACC_*).
enum DeviceAccess : uint8_t {
  kDeviceMknod = BPF_DEVCG_ACC_MKNOD,
  kDeviceRead = BPF_DEVCG_ACC_READ,
  kDeviceWrite = BPF_DEVCG_ACC_WRITE,
  kDeviceAll = kDeviceMknod | kDeviceRead | kDeviceWrite,
};

// One entry of runtime-spec config-linux.md#allowed-device-list.
struct DeviceRule {
  bool allow = false;
  DeviceType type = DeviceType::any;
  std::optional<uint32_t> major{};  // empty: all
  std::optional<uint32_t> minor{};  // empty: all
  uint8_t access = kDeviceAll;      // DeviceAccess bits
};

// The rules followed by what every container may do: mknod of anything, and the use of null, zero, full, random,
// urandom, tty, ptmx, pts/*, and console when asked for.
std::vector<DeviceRule> with_default_devices(std::vector<DeviceRule> rules, bool console);

// The program. The last rule that matches device and bit decides each requested access bit; a bit that no rule matches
// is denied; the access is allowed if all its bits are. Rules that cannot change a decision cost nothing. Empty if
// everything is allowed: nothing to attach. E2BIG: more than 32,767 instructions, from some 10,000 rules.
Result<std::vector<bpf_insn>> compile_device_filter(const std::vector<DeviceRule>& rules);

// Loads the program and attaches it to the cgroup, beside those of its ancestors: all must allow (BPF_F_ALLOW_MULTI).
// It lives as long as the cgroup. An empty program attaches nothing. The error says what is missing (CONFIG_CGROUP_BPF,
// CAP_BPF and CAP_NET_ADMIN) or has the verifier's last message.
Result<void> attach_device_filter(int cgroup_fd, const std::vector<bpf_insn>& program);

// Replaces the program that attach_device_filter() attached atomically (BPF_F_REPLACE, Linux 5.6): at no moment is
// everything allowed or denied. Programs that others attached stay. If minirun has attached none, this attaches the
// program; an empty program removes the old one. Needs CAP_SYS_ADMIN to find it.
Result<void> replace_device_filter(int cgroup_fd, const std::vector<bpf_insn>& program);

}  // namespace minirun
