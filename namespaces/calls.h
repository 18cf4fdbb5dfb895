// SPDX-License-Identifier: Apache-2.0
// Typed system calls over a Kernel, for the child side of clone: no libc, no allocation, no static state.
//
// Every function returns what the kernel returns (a value or -errno) and remembers the number of the call that failed
// last, for the report.
#pragma once

#include <asm/errno.h>
#include <asm/unistd.h>

#include "namespaces/plan.h"
#include "sys/kernel_abi.h"

namespace minirun {

inline uint64_t address(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}
inline uint64_t descriptor(long fd) {
  return static_cast<uint64_t>(fd);
}

inline unsigned text_length(const char* text) {
  unsigned n = 0;
  while (text[n] != '\0') n++;
  return n;
}

// The few fields of statx(2) that steps look at.
struct FileFacts {
  uint16_t mode;
  uint32_t device_major, device_minor;  // of a device node
  uint64_t mount_id;                    // of the mount that it is in
};

template <class Kernel>
class Calls {
 public:
  explicit Calls(Kernel& kernel) : kernel_(kernel) {}

  long call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0,
            uint64_t f = 0) {
    long result = kernel_.call(number, a, b, c, d, e, f);
    return result < 0 ? failed(number, result) : result;
  }

  long failed(long number, long result) {
    failed_call_ = static_cast<uint32_t>(number);
    return result;
  }

  void close(long fd) {
    if (fd >= 0) (void)kernel_.call(__NR_close, descriptor(fd));  // the number is free whatever close(2) says
  }

  long openat2(long directory, const char* path, uint64_t flags, uint64_t resolve) {
    abi::OpenHow how{flags | abi::kCloexec, 0, resolve};
    long fd = -EAGAIN;
    // EAGAIN: a rename elsewhere on the system raced with a ".." or a symbolic link under RESOLVE_IN_ROOT (openat2(2)).
    for (int i = 0; i < 128 && fd == -EAGAIN; i++)
      fd = call(__NR_openat2, descriptor(directory), address(path), address(&how), sizeof how);
    return fd;
  }

  long stat(long fd, FileFacts* facts) {
    struct {  // struct statx: 256 bytes, of which these are read
      uint32_t head[7];
      uint16_t mode;
      uint16_t pad0;
      uint64_t middle[12];
      uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
      uint64_t mount_id;
      uint64_t tail[13];
    } buffer;
    static_assert(sizeof buffer == 256);
    constexpr unsigned kStatxBasic = 0x7ff, kStatxMountId = 0x1000;  // the latter: Linux 5.8
    long result =
        call(__NR_statx, descriptor(fd), address(""), abi::kAtEmptyPath, kStatxBasic | kStatxMountId, address(&buffer));
    if (result < 0) return result;
    *facts = {buffer.mode, buffer.rdev_major, buffer.rdev_minor, buffer.mount_id};
    return 0;
  }

  // The magic number of the filesystem (statfs(2)), or -errno.
  long filesystem_of(long fd) {
    uint64_t buffer[15] = {};  // struct statfs: 120 bytes, f_type first
    long result = call(__NR_fstatfs, descriptor(fd), address(buffer));
    return result < 0 ? result : static_cast<long>(buffer[0]);
  }

  long clone_tree(long fd, unsigned flags) {
    return call(__NR_open_tree, descriptor(fd), address(""),
                abi::kOpenTreeClone | abi::kCloexec | abi::kAtEmptyPath | flags);
  }

  long place(long tree, long target) {
    return call(__NR_move_mount, descriptor(tree), address(""), descriptor(target), address(""),
                abi::kMoveMountFromEmptyPath | abi::kMoveMountToEmptyPath);
  }

  long set_mount(long fd, unsigned recursive, uint64_t set, uint64_t clear, uint64_t propagation) {
    abi::MountAttributes attributes{set, clear, propagation, 0};
    return call(__NR_mount_setattr, descriptor(fd), address(""), abi::kAtEmptyPath | recursive, address(&attributes),
                sizeof attributes);
  }

  // Sets the parameters of a filesystem's context, pairs of strings: "key" and "=value", or "" for a flag.
  long configure(long context, const char* parameters, uint64_t count, unsigned command) {
    for (uint64_t i = 0; i < count; i++) {
      const char* key = parameters;
      const char* value = key + text_length(key) + 1;
      parameters = value + text_length(value) + 1;
      bool flag = value[0] == '\0';
      long rc = call(__NR_fsconfig, descriptor(context), flag ? abi::kFsconfigSetFlag : abi::kFsconfigSetString,
                     address(key), flag ? 0 : address(value + 1), 0);
      if (rc < 0) return rc;
    }
    return call(__NR_fsconfig, descriptor(context), command, 0, 0, 0);
  }

  long prctl(uint64_t option, uint64_t a = 0, uint64_t b = 0) { return call(__NR_prctl, option, a, b); }

  uint32_t failed_call() const { return failed_call_; }

 protected:
  Kernel& kernel_;

 private:
  uint32_t failed_call_ = 0;
};

constexpr long kProcfs = 0x9fa0, kSysfs = 0x62656572;  // statfs(2)

constexpr uint16_t kTypeMask = 0170000;
constexpr uint16_t kDirectoryType = 0040000;
constexpr uint16_t kCharacterType = 0020000;
constexpr uint16_t kLinkType = 0120000;
constexpr uint16_t kRegularType = 0100000;
constexpr uint16_t kFifoType = 0010000;
constexpr uint16_t kSocketType = 0140000;

}  // namespace minirun
