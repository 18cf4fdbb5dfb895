// SPDX-License-Identifier: Apache-2.0
// A child of this process that is not to outlive a failure: a container's first process, or that of an exec.
#pragma once

#include <utility>

#include "namespaces/spawn.h"

namespace minirun {

// Killed and reaped on destruction, as by end(), unless it is detached.
class OwnedProcess {
 public:
  explicit OwnedProcess(Child child) : child_(std::move(child)) {}
  OwnedProcess(OwnedProcess&& other) noexcept
      : child_(std::move(other.child_)), owned_(std::exchange(other.owned_, false)) {}
  OwnedProcess& operator=(OwnedProcess&&) = delete;
  OwnedProcess(const OwnedProcess&) = delete;
  OwnedProcess& operator=(const OwnedProcess&) = delete;
  ~OwnedProcess();

  Child& child() { return child_; }
  const Child& child() const { return child_; }
  // It has ended and was reaped, or it lives on without this process.
  void detach() { owned_ = false; }
  // Kills it and waits for its end, for at most kRemovalTime. False: the kernel does not let it die.
  bool end();

 private:
  Child child_;
  bool owned_ = true;
};

}  // namespace minirun
