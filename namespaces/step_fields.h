// SPDX-License-Identifier: Apache-2.0
// Turns the fields of a step into texts, descriptors and the like, and writes the report's text. Child side of clone:
// see executor.h for the rules.
#pragma once

#include "namespaces/calls.h"

namespace minirun {

template <class Kernel>
class StepFields : public Calls<Kernel> {
 public:
  StepFields(Kernel& kernel, PlanHeader* plan) : Calls<Kernel>(kernel), plan_(plan) {}

 protected:
  char* base() const { return reinterpret_cast<char*>(plan_); }
  template <class Field>
  const char* text(Field field) const {
    return base() + field.at;
  }
  uint64_t where(Bytes bytes) const { return address(base() + bytes.at); }
  int32_t* slots() const { return reinterpret_cast<int32_t*>(base() + plan_->slots); }
  long slot(Slot slot) const { return slot.index == kNoSlot ? -1 : slots()[slot.index]; }

  // Reports the filesystem's own message ("e tmpfs: Bad value for 'size'"), if any.
  void explain(long context) {
    char* detail = plan_->report.detail;
    long n = this->kernel_.call(__NR_read, descriptor(context), address(detail), kDetailBytes - 1);
    detail[n > 0 ? n : 0] = '\0';
  }

  // Reports what an errno does not say.
  template <unsigned kBytes>
  void say(const char (&words)[kBytes]) {
    static_assert(kBytes <= kDetailBytes);
    for (unsigned i = 0; i < kBytes; i++) plan_->report.detail[i] = words[i];
  }

  void say_more(const char* text) {
    char* detail = plan_->report.detail;
    unsigned at = text_length(detail);
    for (; *text != '\0' && at + 1 < kDetailBytes; at++) detail[at] = *text++;
    detail[at] = '\0';
  }

  void say_nothing() { plan_->report.detail[0] = '\0'; }

  PlanHeader* plan_;
  bool ended_ = false;  // this process walks no further
};

}  // namespace minirun
