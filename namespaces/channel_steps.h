// SPDX-License-Identifier: Apache-2.0
// The socket to minirun: messages and descriptors. Child side of clone: see executor.h for the rules.
#pragma once

#include "namespaces/step_fields.h"

namespace minirun {

struct Part {  // struct iovec
  void* base;
  uint64_t length;
};

struct MessageHeader {  // struct msghdr
  void* name;
  uint32_t name_length, pad;
  void* parts;
  uint64_t part_count;
  void* control;
  uint64_t control_length;
  uint32_t flags, pad2;
};

// fd: a descriptor that goes along; negative: none. A missing parent is no failure: a detached container outlives it.
template <class Kernel>
long send_message(Kernel& kernel, long control, Envelope envelope, long fd) {
  Part part = {&envelope, sizeof envelope};
  struct {  // struct cmsghdr with one descriptor
    uint64_t length;
    int level, type;
    int fd, pad;
  } rights = {20, 1, 1, static_cast<int>(fd), 0};
  MessageHeader header = {nullptr, 0, 0, &part, 1, fd < 0 ? nullptr : &rights, fd < 0 ? 0 : sizeof rights, 0, 0};
  constexpr uint64_t kNoSignal = 0x4000;
  long rc = kernel.call(__NR_sendmsg, descriptor(control), address(&header), kNoSignal);
  return rc == -EPIPE || rc == -ECONNRESET || rc > 0 ? 0 : rc;
}

template <class Kernel>
class ChannelSteps : public StepFields<Kernel> {
 public:
  ChannelSteps(Kernel& kernel, PlanHeader* plan) : StepFields<Kernel>(kernel, plan), control_(plan->control) {}

  long send(Message message, int32_t status, long fd) {
    long rc = send_message(this->kernel_, control_, {message, status}, fd);
    return rc < 0 ? this->failed(__NR_sendmsg, rc) : rc;
  }

  // Asks minirun to open the sources of a turn, and puts their descriptors into the waiting slots.
  long take_sources(const steps::TakeSources& step) {
    int32_t opened[kSourcesOfATurn];
    if (step.count > kSourcesOfATurn) return this->failed(__NR_recvmsg, -EINVAL);
    long rc = ask(static_cast<int32_t>(step.turn), opened, step.count);
    int32_t* slots = this->slots();
    unsigned next = 0;
    for (uint32_t i = 0; rc >= 0 && i < this->plan_->slot_count && next < step.count; i++)
      if (slots[i] == waiting_slot(step.turn)) slots[i] = opened[next++];
    return rc < 0 ? rc : 0;
  }

  // Whether to retry a step that could not place a tree (ELOOP of move_mount(2)). The kernel refuses a tree with a
  // mount that keeps a mount namespace older than the target (mnt_ns_loop() in fs/namespace.c). A copy of the host's
  // mounts has no such mounts, and other runtimes call mount(2) in a copy. So minirun opens the source again in a copy.
  // A namespace that the kernel considers younger stays in the tree.
  bool reopen(const Step& step) {
    const auto* attach = get_if<steps::Attach>(step);
    const auto* root = get_if<steps::PlaceRoot>(step);
    if (this->failed_call() != __NR_move_mount || (attach == nullptr && root == nullptr)) return false;
    const uint32_t slot = attach != nullptr ? attach->tree.index : root->tree.index;
    int32_t* opened = &this->slots()[slot];
    if (attach == nullptr || (attach->flags & kLast) == 0) this->close(*opened);
    return ask(sources_again(static_cast<int32_t>(slot)), opened, 1) >= 0;
  }

 protected:
  // Sends Message::sources and receives the descriptors of the answer. minirun sends nothing else meanwhile.
  long ask(int32_t what, int32_t* descriptors, unsigned count) {
    long rc = send(Message::sources, what, -1);
    if (rc < 0) return rc;
    Envelope envelope;
    Part part = {&envelope, sizeof envelope};
    struct {  // struct cmsghdr with as many descriptors as there may be
      uint64_t length;
      int level, type;
      int32_t descriptors[kSourcesOfATurn];
    } rights;
    rights.length = 0;
    MessageHeader header = {nullptr, 0, 0, &part, 1, &rights, sizeof rights, 0, 0};
    constexpr uint64_t kCloseOnExec = 0x40000000;
    constexpr long kWhole = sizeof envelope;
    do {
      rc = this->call(__NR_recvmsg, descriptor(control_), address(&header), kCloseOnExec);
    } while (rc == -EINTR);
    if (rc < 0) return rc;
    bool whole = rc == kWhole && envelope.message == Message::sources &&
                 rights.length == 16 + count * sizeof(int32_t) && rights.level == 1 && rights.type == 1;
    if (!whole) return this->failed(__NR_recvmsg, rc == 0 ? -ECONNRESET : -EPROTO);
    for (unsigned i = 0; i < count; i++) descriptors[i] = rights.descriptors[i];
    return 0;
  }

  int control_;
};

}  // namespace minirun
