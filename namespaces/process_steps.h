// SPDX-License-Identifier: Apache-2.0
// The steps that make the process what config.json asks for. Child side of clone: see executor.h for the rules.
#pragma once

#include "namespaces/terminal_steps.h"

namespace minirun {

// Kernel ABI that libc hides from the init program.
constexpr uint64_t kPrSetPdeathsig = 1, kPrSetDumpable = 4, kPrSetKeepcaps = 8, kPrSetName = 15, kPrCapbsetDrop = 24,
                   kPrSetChildSubreaper = 36, kPrSetNoNewPrivs = 38, kPrCapAmbient = 47;
constexpr uint64_t kSigkill = 9, kSigchld = 17;
constexpr long kSigtstp = 20, kSigttou = 22;

template <class Kernel>
class ProcessSteps : public TerminalSteps<Kernel> {
 public:
  using Base = TerminalSteps<Kernel>;
  using Base::Base;

  // Every change of credentials clears the signal (prctl(2)), so the step comes again after one. If the parent died
  // before the call, the other end of the socket is closed.
  long die_with_parent() {
    long rc = this->prctl(kPrSetPdeathsig, kSigkill);
    if (rc < 0 || this->control_ < 0) return rc;  // without a socket it is follow_parent() that looks
    Envelope envelope;
    constexpr uint64_t kPeekDontwait = 0x02 | 0x40;
    rc = this->kernel_.call(__NR_recvfrom, descriptor(this->control_), address(&envelope), sizeof envelope,
                            kPeekDontwait);
    return rc == 0 ? -ESRCH : 0;
  }

  // Waits while the parent does what belongs to the gate.
  long gate(const steps::WaitAtGate& step) {
    long rc = this->send(Message::ready, static_cast<int32_t>(step.gate), -1);
    return rc < 0 ? rc : receive_release();
  }

  long outlive() { return this->prctl(kPrSetPdeathsig, 0); }

  long redirect(const steps::Redirect& step) {
    long rc = this->call(__NR_dup3, descriptor(this->slot(step.from)), step.number, 0);
    return rc < 0 ? rc : 0;
  }

  // The container gets its own session keyring: the caller's holds the host's keys (session-keyring(7)). A kernel
  // without keys has nothing to hide.
  long keyring(const steps::Keyring& step) {
    constexpr uint64_t kJoinSessionKeyring = 1;
    long rc = this->call(__NR_keyctl, kJoinSessionKeyring, address(this->text(step.name)));
    return rc < 0 && rc != -ENOSYS ? rc : 0;
  }

  long cpu_affinity(const steps::CpuAffinity& step) {
    long rc = this->call(__NR_sched_setaffinity, 0, step.mask.size, this->where(step.mask));
    return rc < 0 ? rc : 0;
  }

  long join_namespace(const steps::JoinNamespace& step) {
    return this->call(__NR_setns, descriptor(this->slot(step.file)), step.types.value);
  }
  long new_namespaces(const steps::NewNamespaces& step) { return this->call(__NR_unshare, step.types.value); }

  // A procfs of our own: what the image or another process mounts over /proc cannot redirect the writes
  // (CVE-2025-52881). Only the owner of the pid namespace may mount one. Without that right, as in a user namespace of
  // its own or when minirun is in another than the kernel's first, this opens the existing procfs. One at a time: a
  // tracer can reach all that this process holds while it waits.
  long open_proc(const steps::OpenProc& step) {
    close_proc();
    if (step.which == Procfs::hosts)
      return take_proc(this->call(__NR_openat, descriptor(abi::kAtCwd), address("/proc"),
                                  abi::kOpenPath | abi::kOpenDirectory | abi::kCloexec));
    if (step.which == Procfs::containers) return take_proc(this->resolve("/proc", abi::kOpenDirectory));
    long context = this->call(__NR_fsopen, address("proc"), abi::kFsopenCloexec);
    if (context < 0) return context;
    long rc = 0;
    if (step.which == Procfs::processes)
      rc =
          this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigSetString, address("subset"), address("pid"), 0);
    if (rc >= 0) rc = this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigCreate, 0, 0, 0);
    if (rc >= 0) {
      rc = proc_ = this->call(__NR_fsmount, descriptor(context), abi::kFsmountCloexec,
                              abi::kMountAttrNosuid | abi::kMountAttrNodev | abi::kMountAttrNoexec);
    }
    this->close(context);
    return rc;
  }

  long write_proc(const steps::WriteProc& step) {
    if (step.as_owner == 0) return write_proc_file(step);
    long rc = this->prctl(kPrSetDumpable, 1);
    if (rc >= 0) rc = write_proc_file(step);
    long protect = this->kernel_.call(__NR_prctl, kPrSetDumpable, 0, 0, 0, 0);
    return rc < 0 ? rc : protect;
  }

  long loopback() {
    constexpr uint64_t kInet = 2, kDatagram = 2, kGetFlags = 0x8913, kSetFlags = 0x8914;
    constexpr short kUp = 1;
    long fd = this->call(__NR_socket, kInet, kDatagram | abi::kCloexec, 0);
    if (fd < 0) return fd;
    struct {  // struct ifreq
      char name[16];
      short flags;
      char rest[22];
    } request = {{'l', 'o'}, 0, {}};
    long rc = this->call(__NR_ioctl, descriptor(fd), kGetFlags, address(&request));
    request.flags |= kUp;
    if (rc >= 0) rc = this->call(__NR_ioctl, descriptor(fd), kSetFlags, address(&request));
    this->close(fd);
    return rc;
  }

  long hostname(const steps::Hostname& step) { return set_name(__NR_sethostname, this->text(step.name)); }
  long domainname(const steps::Domainname& step) { return set_name(__NR_setdomainname, this->text(step.name)); }

  // Lets a user other than root open /dev/stdout. A file that cannot be given away (a pipe of another user namespace)
  // stays unchanged.
  long own_stdio(const steps::OwnStdio& step) {
    for (long fd = 0; fd < 3; fd++) {
      FileFacts facts{};
      if (this->stat(fd, &facts) < 0) continue;
      if (!may_be_given_away(fd, facts)) continue;
      constexpr uint64_t kKeep = 0xffffffff;
      long rc = this->call(__NR_fchown, descriptor(fd), step.uid, kKeep);
      if (rc < 0 && rc != -EPERM && rc != -EROFS && rc != -EINVAL) return rc;
    }
    return 0;
  }

  long rlimit(const steps::Rlimit& step) {
    const ResourceLimit limit{step.soft.value(), step.hard.value()};
    return this->call(__NR_prlimit64, 0, step.resource, address(&limit), 0);
  }

  // Raises it as far as this process may: the step that sets the limit reports a refusal.
  long raise_limit(const steps::RaiseLimit& step) {
    const uint64_t soft = step.soft.value(), hard = step.hard.value();
    ResourceLimit limit{0, 0};
    long rc = this->call(__NR_prlimit64, 0, step.resource, 0, address(&limit));
    if (rc < 0 || (limit.soft >= soft && limit.hard >= hard)) return rc;
    if (limit.soft < soft) limit.soft = soft;
    if (limit.hard < hard) limit.hard = hard;
    rc = this->call(__NR_prlimit64, 0, step.resource, address(&limit), 0);
    return rc == -EPERM ? 0 : rc;
  }

  long personality(const steps::SetPersonality& step) { return this->call(__NR_personality, step.personality.value); }
  long scheduler(const steps::Scheduler& step) {
    return this->call(__NR_sched_setattr, 0, this->where(step.attributes), 0);
  }
  // The kernel reads one bit less than it is given (set_mempolicy(2), "BUGS"). Without nodes: no mask at all.
  long memory_policy(const steps::MemoryPolicy& step) {
    const uint64_t bits = uint64_t{step.nodes.size} * 8;
    return this->call(__NR_set_mempolicy, step.mode, bits == 0 ? 0 : this->where(step.nodes), bits == 0 ? 0 : bits + 1);
  }
  long io_priority(const steps::IoPriority& step) {
    constexpr uint64_t kWhoProcess = 1;
    return this->call(__NR_ioprio_set, kWhoProcess, 0, step.value);
  }
  long umask(const steps::Umask& step) { return this->call(__NR_umask, step.mask.value); }
  long groups(const steps::Groups& step) {
    return this->call(__NR_setgroups, step.ids.size / sizeof(uint32_t), this->where(step.ids));
  }

  // Keeps the capabilities over the change (prctl PR_SET_KEEPCAPS): the capabilities step sets them right after it.
  long identity(const steps::Identity& step) {
    long rc = this->prctl(kPrSetKeepcaps, 1);
    if (rc >= 0) rc = this->call(__NR_setresgid, step.gid, step.gid, step.gid);
    if (rc >= 0) rc = this->call(__NR_setresuid, step.uid, step.uid, step.uid);
    if (rc >= 0) rc = this->prctl(kPrSetKeepcaps, 0);
    return rc < 0 ? rc : hide_again();
  }

  // The parent knows which capabilities the kernel has: EINVAL, which
  // says that the number is unknown, is a failure like any other, since it may come from a filter.
  long bounding(const steps::Bounding& step) {
    const uint64_t dropped = step.dropped.value();
    long rc = 0;
    for (uint64_t capability = 0; rc >= 0 && capability < 64; capability++)
      if (((dropped >> capability) & 1) != 0) rc = this->prctl(kPrCapbsetDrop, capability);
    return rc;
  }

  long capabilities(const steps::Capabilities& step) {
    struct {
      uint32_t version;
      int32_t pid;
    } header = {0x20080522, 0};  // _LINUX_CAPABILITY_VERSION_3
    struct {
      uint32_t effective, permitted, inheritable;
    } data[2] = {{step.effective.low, step.permitted.low, step.inheritable.low},
                 {step.effective.high, step.permitted.high, step.inheritable.high}};
    long rc = this->call(__NR_capset, address(&header), address(data));
    constexpr uint64_t kRaise = 2, kClearAll = 4;
    const uint64_t ambient = step.ambient.value();
    if (rc >= 0) rc = this->prctl(kPrCapAmbient, kClearAll);
    for (uint64_t capability = 0; rc >= 0 && capability < 64; capability++)
      if (((ambient >> capability) & 1) != 0) rc = this->prctl(kPrCapAmbient, kRaise, capability);
    return rc;
  }

  long no_new_privileges() { return this->prctl(kPrSetNoNewPrivs, 1); }

  // Tried as root first (the user may lack search permission above it), then as the user. A directory outside the root
  // shows as "(unreachable)" (CVE-2024-21626).
  long working_directory(const steps::WorkingDirectory& step) {
    if (entered_directory_) return 0;
    const char* path = this->text(step.path);
    long rc = enter_directory(path);
    if (rc == -ENOENT && (step.flags & kMakeMissing) != 0) {
      long fd = this->make_directory(path);
      this->close(fd);
      rc = fd < 0 ? fd : enter_directory(path);
    }
    if ((rc == -EACCES || rc == -EPERM) && (step.flags & kTolerateDenied) != 0) return 0;
    if (rc < 0) return rc;
    char where[4096];
    rc = this->call(__NR_getcwd, address(where), sizeof where);
    if (rc < 0) return rc;
    if (where[0] != '/') return this->failed(__NR_getcwd, -EXDEV);
    entered_directory_ = true;
    return 0;
  }

  long load_filter(const void* instructions, uint64_t count, uint64_t flags) {
    constexpr uint64_t kSetModeFilter = 1;
    struct {  // struct sock_fprog
      uint16_t length;
      const void* filter;
    } program = {static_cast<uint16_t>(count), instructions};
    return this->call(__NR_seccomp, kSetModeFilter, flags, address(&program));
  }

  // Makes no system call until the parent has it: the filter might send any to the listener's agent or refuse it, and
  // an exec would close it. Bounded (seconds up to a minute), since the parent may die.
  long offer_listener(long listener, bool closes) {
    uint32_t* word = &this->plan_->listener;
    __atomic_store_n(word, kListenerOffered + static_cast<uint32_t>(listener), __ATOMIC_RELEASE);
    constexpr uint64_t kPatience = 1ULL << 32;
    for (uint64_t i = 0; i < kPatience; i++) {
      uint32_t answer = __atomic_load_n(word, __ATOMIC_ACQUIRE);
      if (answer == kListenerTaken) return closes ? this->call(__NR_close, static_cast<uint64_t>(listener)) : 0;
      if (answer == kListenerRefused) return this->failed(__NR_seccomp, -ECANCELED);
      this->kernel_.relax();
    }
    return this->failed(__NR_seccomp, -ETIMEDOUT);
  }

  long session(const steps::Session& step) {
    long rc = step.leads != 0 ? 0 : this->call(__NR_setsid);
    if (rc < 0 || step.with_terminal == 0) return rc < 0 ? rc : 0;
    constexpr uint64_t kSetControlling = 0x540e;
    rc = this->call(__NR_ioctl, descriptor(this->terminal_), kSetControlling, 0);
    return rc < 0 || this->terminal_ == 0 ? rc : this->take_terminal();
  }

  long close_on_exec(const steps::CloseOnExec& step) {
    constexpr uint64_t kCloexec = 4;
    return this->call(__NR_close_range, step.first, 0xffffffff, kCloexec);
  }

 protected:
  long proc_ = -1;

  // A change of ids makes a process dumpable again, and so open to tracers of the same user and its memory and
  // descriptors readable, where the host says so (fs.suid_dumpable 1; commit_creds() in kernel/cred.c).
  long hide_again() { return this->prctl(kPrSetDumpable, 0); }

  long close_all_but_control() {
    auto control = static_cast<uint64_t>(this->control_);
    long rc = control == 0 ? 0 : this->call(__NR_close_range, 0, control - 1, 0);
    return rc < 0 ? rc : this->call(__NR_close_range, control + 1, 0xffffffff, 0);
  }

  void close_proc() {
    if (proc_ >= 0) this->close(proc_);
    proc_ = -1;
  }

  // By then the terminal, if any, is stdio.
  void forget_descriptors() {
    if (this->terminal_ >= 0) this->terminal_ = 0;
    proc_ = -1;
  }

  // 0 when the parent says release; ESRCH when it hangs up.
  long receive_release() { return receive(Message::release); }

  long receive(Message expected) {
    Envelope envelope{};
    long rc = 0;
    do {
      rc = this->call(__NR_recvfrom, descriptor(this->control_), address(&envelope), sizeof envelope, 0, 0, 0);
    } while (rc == -EINTR);
    if (rc < 0) return rc;
    if (rc == 0) return -ESRCH;
    return rc == sizeof envelope && envelope.message == expected ? 0 : -EPROTO;
  }

 private:
  struct ResourceLimit {  // struct rlimit64
    uint64_t soft, hard;
  };

  long set_name(long number, const char* name) { return this->call(number, address(name), text_length(name)); }

  long write_proc_file(const steps::WriteProc& step) {
    // Writes to nothing that is mounted over a part of it.
    long fd = this->openat2(proc_, this->text(step.file), abi::kOpenWriteOnly,
                            abi::kResolveBeneath | abi::kResolveNoMagiclinks | abi::kResolveNoXdev);
    if (fd < 0) return fd;
    const char* value = this->text(step.value);
    unsigned length = text_length(value);
    long rc = this->call(__NR_write, descriptor(fd), address(value), length);
    this->close(fd);
    if (rc < 0) return rc;
    return rc == static_cast<long>(length) ? 0 : -EIO;
  }

  // Writes only to a procfs, whatever lies at /proc.
  long take_proc(long fd) {
    if (fd < 0) return fd;
    long rc = this->filesystem_of(fd);
    if (rc == kProcfs) {
      proc_ = fd;
      return 0;
    }
    this->close(fd);
    return rc < 0 ? rc : this->failed(__NR_fstatfs, -ENOTDIR);
  }

  // Refuses a path through a descriptor in /proc, even the container's own: the numbers depend on what the caller had
  // open.
  long enter_directory(const char* path) {
    long fd = this->openat2(abi::kAtCwd, path, abi::kOpenPath | abi::kOpenDirectory, abi::kResolveNoMagiclinks);
    if (fd < 0) return fd;
    long rc = this->call(__NR_fchdir, descriptor(fd));
    this->close(fd);
    return rc;
  }

  // Pipes and sockets may; a terminal or a file only if the caller opened it for writing. The owner of a file can
  // change its mode and reopen it for writing, which must not happen to `< /etc/passwd` or a disk.
  bool may_be_given_away(long fd, const FileFacts& facts) {
    uint16_t type = facts.mode & kTypeMask;
    if (type == kFifoType || type == kSocketType) return true;
    constexpr uint64_t kGetFlags = 3, kGetWindow = 0x5413;
    constexpr long kAccessMode = 3;
    long flags = this->call(__NR_fcntl, descriptor(fd), kGetFlags);
    if (flags < 0 || (flags & kAccessMode) == 0) return false;
    struct {  // struct winsize
      uint16_t numbers[4];
    } window;
    if (type == kCharacterType) return this->call(__NR_ioctl, descriptor(fd), kGetWindow, address(&window)) >= 0;
    return type == kRegularType;
  }

  bool entered_directory_ = false;
};

}  // namespace minirun
