// SPDX-License-Identifier: Apache-2.0
// The container's terminal. Child side of clone: see executor.h for the rules.
#pragma once

#include "namespaces/mount_steps.h"

namespace minirun {

template <class Kernel>
class TerminalSteps : public MountSteps<Kernel> {
 public:
  using Base = MountSteps<Kernel>;
  using Base::Base;

  // Opens a pty of the container's own devpts. TIOCGPTPEER opens the other side without a path (CVE-2025-52565).
  long terminal(const steps::Terminal& step) {
    constexpr uint64_t kUnlock = 0x40045431, kPeer = 0x5441, kSetWindow = 0x5414;
    long master = open_master(this->text(step.devpts));
    if (master < 0) return master;
    int locked = 0;
    long rc = this->call(__NR_ioctl, descriptor(master), kUnlock, address(&locked));
    if (rc >= 0) {
      rc = terminal_ =
          this->call(__NR_ioctl, descriptor(master), kPeer, abi::kOpenReadWrite | abi::kOpenNoctty | abi::kCloexec);
    }
    // Unix98 pty peers have eight major numbers (admin-guide/devices.txt).
    if (rc >= 0) rc = expect_of_devpts(terminal_, 136, 143);
    constexpr uint64_t kKeepGroup = 0xffffffff;  // the gid= of the devpts
    if (rc >= 0 && step.uid != 0) rc = this->call(__NR_fchown, descriptor(terminal_), step.uid, kKeepGroup);
    struct {  // struct winsize
      uint16_t rows, columns, width, height;
    } window = {static_cast<uint16_t>(step.rows), static_cast<uint16_t>(step.columns), 0, 0};
    if (rc >= 0 && (step.rows != 0 || step.columns != 0))
      rc = this->call(__NR_ioctl, descriptor(master), kSetWindow, address(&window));
    if (rc >= 0) rc = this->send(Message::terminal, 0, master);
    this->close(master);
    return rc;
  }

  // Without ONLCR: what the workload writes arrives as it is, with no \r before each \n.
  long keep_line_ends() {
    constexpr uint64_t kGet = 0x5401, kSet = 0x5402;  // TCGETS, TCSETS
    constexpr uint32_t kOnlcr = 04;
    struct {  // struct termios of the kernel
      uint32_t input, output, control, local;
      uint8_t discipline, keys[19];
    } settings;
    long rc = this->call(__NR_ioctl, descriptor(terminal_), kGet, address(&settings));
    if (rc < 0) return rc;
    settings.output &= ~kOnlcr;
    return this->call(__NR_ioctl, descriptor(terminal_), kSet, address(&settings));
  }

  long bind_console(const steps::BindConsole& step) {
    long tree = this->clone_tree(terminal_, 0);
    return tree < 0 ? tree : this->attach_tree(tree, this->text(step.path), {}, kNotProcfs);
  }

  long take_terminal() {
    long rc = 0;
    for (long fd = 0; rc >= 0 && fd < 3; fd++) rc = this->call(__NR_dup3, descriptor(terminal_), descriptor(fd), 0);
    return rc < 0 ? rc : 0;
  }

 protected:
  long terminal_ = -1;

 private:
  // The container chooses what is at /dev/pts, and a FUSE filesystem answers every ioctl: with its own file as the
  // terminal, and any number as its peer's descriptor. So this first checks that it is the kernel's own devpts, and
  // enters no other mount below its root.
  long open_master(const char* devpts) {
    long directory = this->resolve(devpts, abi::kOpenDirectory);
    if (directory < 0) return directory;
    long rc = expect_devpts(directory);
    if (rc >= 0) {
      rc = this->openat2(directory, "ptmx", abi::kOpenReadWrite | abi::kOpenNoctty,
                         abi::kResolveBeneath | abi::kResolveNoSymlinks | abi::kResolveNoXdev);
    }
    this->close(directory);
    if (rc < 0) return rc;
    long master = rc;
    constexpr uint32_t kTtyAux = 5;
    rc = expect_of_devpts(master, kTtyAux, kTtyAux);
    if (rc >= 0) return master;
    this->close(master);
    return rc;
  }

  long expect_devpts(long fd) {
    constexpr long kDevpts = 0x1cd1;
    long type = this->filesystem_of(fd);
    if (type == kDevpts || type < 0) return type < 0 ? type : 0;
    this->say("not a devpts");
    return this->failed(__NR_fstatfs, -ENODEV);
  }

  long expect_of_devpts(long fd, uint32_t first_major, uint32_t last_major) {
    long rc = expect_devpts(fd);
    FileFacts facts{};
    if (rc >= 0) rc = this->stat(fd, &facts);
    if (rc < 0) return rc;
    bool terminal = (facts.mode & kTypeMask) == kCharacterType && facts.device_major >= first_major &&
                    facts.device_major <= last_major;
    if (terminal) return 0;
    this->say("not a terminal of a devpts");
    return this->failed(__NR_statx, -ENODEV);
  }
};

}  // namespace minirun
