// SPDX-License-Identifier: Apache-2.0
// The config's seccomp section as the classic BPF program that seccomp(2) takes. Nothing is loaded here: the
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
  // It notifies an agent (seccomp_unotify(2)): loading it makes a descriptor.
  bool has_listener() const { return (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0; }
  // Names that libseccomp does not know: no rule was made for them. For a debug log line.
  std::vector<std::string> skipped_syscalls;
};

// runtime-spec config-linux.md, "Seccomp". Errors point into the config ("/linux/seccomp/syscalls/3: ..."); among them
// an errnoRet for an action that takes none.
//
// - Architectures that this machine cannot run are left out: nothing can call the kernel as them.
// - Several conditions on one argument are alternatives, as runc and crun have it.
// - Of the rules for one call whose conditions hold the first answers; a rule without conditions makes those with some
//   idle, as with libseccomp, which gives no order else.
// - A rule with the default action changes nothing and makes no rule.
// - flags absent: SPEC_ALLOW, as runc and crun have it, since without it every workload pays for the mitigation of
//   speculative store bypass; an empty list is none. SCMP_ACT_NOTIFY anywhere: NEW_LISTENER, and TSYNC_ESRCH
//   with a TSYNC, as the kernel wants it. WAIT_KILLABLE_RECV is left out without a listener: the kernel (5.19) refuses
//   it then with EINVAL.
// - Where the default action is an errno, system calls newer than all that the profile names answer ENOSYS instead:
//   glibc tries clone3, faccessat2 and their like first and falls back on ENOSYS only, so that EPERM from a profile
//   older than the image's glibc would break programs that work without seccomp.
Result<SeccompProgram> compile_seccomp(const oci::Seccomp& seccomp);

// "2.5.4": of the library that is linked in.
std::string libseccomp_version();

}  // namespace minirun
