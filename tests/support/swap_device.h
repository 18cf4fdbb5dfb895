// SPDX-License-Identifier: Apache-2.0
// Swap space on a disk in memory (brd, Linux's module), for as long as a test lasts. It is the whole machine's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "sys/fd.h"

namespace minirun::testing {

class SwapDevice {
 public:
  SwapDevice() {
    UniqueFd disk(open(kDisk, O_RDWR | O_CLOEXEC));
    if (!disk) {
      problem_ = errno == ENOENT ? "no disk in memory (module brd)" : std::strerror(errno);
      return;
    }
    // As mkswap(8): the first page has the version, the number of the last page, and at its end the signature.
    uint64_t bytes = 0;
    EXPECT_EQ(ioctl(disk.get(), BLKGETSIZE64, &bytes), 0) << errno;
    struct {
      char boot[1024];
      uint32_t version, last_page, bad_pages;
      char rest[4096 - 1024 - 12 - 10];
      char signature[10];
    } header{};
    static_assert(sizeof header == 4096);
    header.version = 1;
    header.last_page = static_cast<uint32_t>(bytes / sizeof header - 1);
    memcpy(header.signature, "SWAPSPACE2", sizeof header.signature);
    EXPECT_EQ(pwrite(disk.get(), &header, sizeof header, 0), ssize_t{sizeof header}) << errno;
    EXPECT_EQ(fsync(disk.get()), 0) << errno;
    on_ = swapon(kDisk, 0) == 0;
    EXPECT_TRUE(on_) << "swapon: " << std::strerror(errno);
  }
  SwapDevice(const SwapDevice&) = delete;
  SwapDevice& operator=(const SwapDevice&) = delete;
  ~SwapDevice() {
    if (!on_) return;
    EXPECT_EQ(swapoff(kDisk), 0) << std::strerror(errno);
  }

  const std::string& problem() const { return problem_; }

 private:
  static constexpr const char* kDisk = "/dev/ram0";
  std::string problem_;
  bool on_ = false;
};

}  // namespace minirun::testing
