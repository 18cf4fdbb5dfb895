// SPDX-License-Identifier: Apache-2.0
// Instructions of classic BPF as seccomp(2) has them; jumps are counted from the next instruction.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace minirun {

using BpfCode = std::vector<sock_filter>;

inline sock_filter statement(unsigned code, uint32_t k) {
  return {static_cast<uint16_t>(code), 0, 0, k};
}

// A word of seccomp_data into the accumulator.
inline sock_filter load(size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

// The accumulator compared with `k`; the distances are at most 255.
inline sock_filter jump(unsigned code, uint32_t k, size_t if_true, size_t if_false) {
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | code), static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false),
          k};
}

inline sock_filter jump_always(size_t distance) {
  return statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance));
}

}  // namespace minirun
