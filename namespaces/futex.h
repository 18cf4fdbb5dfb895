// SPDX-License-Identifier: Apache-2.0
// Waits for a word that another process writes in shared memory (CLONE_VM, or a shared mapping). A word has one writer
// at a time: a second one could overwrite a value, and its waiter would wait forever.
#pragma once

#include <asm/unistd.h>
#include <stdint.h>

namespace minirun {

template <class Kernel>
void await_change(Kernel& kernel, const uint32_t* word, uint32_t from) {
  constexpr uint64_t kWait = 0;
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == from)
    (void)kernel.call(__NR_futex, reinterpret_cast<uint64_t>(word), kWait, from, 0);
}

template <class Kernel>
void set_and_wake(Kernel& kernel, uint32_t* word, uint32_t value) {
  constexpr uint64_t kWake = 1;
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  // It fails only if something between here and the kernel makes it fail: a sandbox around minirun, which also denies
  // the other side its sleep, or a single injected fault.
  for (int tries = 0; tries < 2; tries++)
    if (kernel.call(__NR_futex, reinterpret_cast<uint64_t>(word), kWake, 1) >= 0) return;
}

}  // namespace minirun
