// SPDX-License-Identifier: Apache-2.0
// Runs a seccomp filter for a system call without loading it: classic BPF, as the kernel runs it (bpf(4),
// seccomp_check_filter() in kernel/seccomp.c). The parent uses the answer to decide what may come after the filter.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace minirun {

struct SeccompCall {
  long number = 0;  // of this machine's own architecture
  // Without a value: any, such as an address.
  std::array<std::optional<uint64_t>, 6> arguments = {};
};

// SECCOMP_RET_* with its data. Nothing if the kernel would refuse the program.
std::optional<uint32_t> seccomp_answer(const std::vector<sock_filter>& filter, const seccomp_data& data);
// The same for a call of this machine's architecture. Nothing also if the answer depends on something unknown: an
// argument without a value, or the instruction pointer.
std::optional<uint32_t> seccomp_answer(const std::vector<sock_filter>& filter, const SeccompCall& call);

// Whether each call is certain to reach the kernel: SECCOMP_RET_ALLOW or SECCOMP_RET_LOG.
bool seccomp_allows(const std::vector<sock_filter>& filter, const SeccompCall& call);
bool seccomp_allows(const std::vector<sock_filter>& filter, const std::vector<SeccompCall>& calls);

}  // namespace minirun
