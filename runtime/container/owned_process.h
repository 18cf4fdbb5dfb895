// SPDX-License-Identifier: Apache-2.0
// A child of this process that must not outlive a failure: a container's first process, or that of an exec.
#pragma once

#include <utility>

#include "namespaces/spawn.h"

namespace minirun {

// The destructor kills and reaps it, as end() does, unless it is detached.
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
  // It has been reaped, or it may outlive this process.
  void detach() { owned_ = false; }
  // Kills it and waits for its end, for at most kRemovalTime. False: the kernel does not let it die.
  bool end();

 private:
  Child child_;
  bool owned_ = true;
};

}  // namespace minirun
