// SPDX-License-Identifier: Apache-2.0
// Compiles the config's seccomp section into a classic BPF program for seccomp(2), but does not load it: the
// container's side does that with the raw system call, so no_new_privs and the moment are decided elsewhere.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <string>
#include <vector>

#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

struct SeccompProgram {
  std::vector<sock_filter> filter;  // at most BPF_MAXINSNS
  unsigned flags = 0;               // SECCOMP_FILTER_FLAG_*, for seccomp(2)
  // Whether it notifies an agent (seccomp_unotify(2)): loading it creates a descriptor.
  bool has_listener() const { return (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0; }
  // Names that libseccomp does not know, and that have no rule. For a debug line.
  std::vector<std::string> skipped_syscalls;
};

// runtime-spec config-linux.md, "Seccomp". Errors point into the config ("/linux/seccomp/syscalls/3: ..."); among them
// an errnoRet for an action that takes none.
//
// - Architectures that this machine cannot run are left out: nothing can call the kernel as them.
// - Several conditions on one argument are alternatives, as in runc and crun.
// - The first rule of a call whose conditions hold decides; a rule without conditions overrides all those with some, as
// in libseccomp, which otherwise defines no order.
// - A rule with the default action changes nothing and is dropped.
// - Absent flags: SPEC_ALLOW, as in runc and crun, since without it every workload pays for the mitigation of
// speculative store bypass; an empty list means none. SCMP_ACT_NOTIFY anywhere: NEW_LISTENER, and TSYNC_ESRCH with a
// TSYNC, as the kernel requires. WAIT_KILLABLE_RECV is left out without a listener: the kernel (5.19) refuses
//   it then with EINVAL.
// - If the default action is an errno, system calls newer than all those that the profile names return ENOSYS instead:
// glibc tries clone3, faccessat2 and their like first and falls back only on ENOSYS, so EPERM from a profile older than
// the image's glibc would break programs that work without seccomp.
Result<SeccompProgram> compile_seccomp(const oci::Seccomp& seccomp);

// "2.5.4", of the linked library.
std::string libseccomp_version();

// Whether this kernel knows the action, SECCOMP_RET_* without data (seccomp(2), SECCOMP_GET_ACTION_AVAIL, Linux 4.14).
bool kernel_has_action(uint32_t action);

}  // namespace minirun
