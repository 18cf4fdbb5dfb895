// SPDX-License-Identifier: Apache-2.0
// Ring 2: what the steps of the file tree ask of the kernel, in which order.
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <algorithm>

#include "namespaces/executor.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

class ExecutorMounts : public ::testing::Test {
 protected:
  ExecutorMounts() {
    kernel.answer = [this](const FakeKernel::Call& call, long*) {
      if (call.number == __NR_mount_setattr) {
        abi::MountAttributes attributes{};
        memcpy(&attributes, reinterpret_cast<const void*>(call.argument[3]), sizeof attributes);
        bool recursive = (call.argument[2] & abi::kAtRecursive) != 0;
        changes.push_back({recursive, attributes.set, attributes.clear, attributes.propagation});
      }
      if (call.number == __NR_fsconfig && call.argument[1] == abi::kFsconfigSetString) {
        parameters += std::string(reinterpret_cast<const char*>(call.argument[2])) + "=" +
                      reinterpret_cast<const char*>(call.argument[3]) + " ";
      }
      return false;
    };
  }
  std::string image;  // of the plan that ran last: the calls point into it

  int run(PlanBuilder& builder) {
    Plan plan = builder.finish();
    image = serialize(plan, std::vector<int>(plan.slots.size(), 5), 9);
    return Executor<FakeKernel>(kernel, reinterpret_cast<PlanHeader*>(image.data())).run();
  }
  static uint32_t bind(PlanBuilder& b, const char* target, const MountChange& change = {}, StepFlag flags = kNoFlags) {
    Slot slot = b.slot({SourceKind::tree, "/data", true, 0, ""});
    return b.add(steps::Attach{slot, b.path(target), change, flags});
  }
  void attach(const MountChange& change) {
    PlanBuilder b;
    bind(b, "/srv", change);
    EXPECT_EQ(run(b), 0);
  }

  struct Change {
    bool recursive;
    uint64_t set, clear, propagation;
    bool operator==(const Change&) const = default;
    friend void PrintTo(const Change& change, std::ostream* out) {
      *out << (change.recursive ? "recursive " : "") << change.set << ' ' << change.clear << ' ' << change.propagation;
    }
  };
  using Changes = std::vector<Change>;

  FakeKernel kernel;
  Changes changes;
  std::string parameters;
};

TEST_F(ExecutorMounts, WhatGoesDownComesBeforeWhatIsTheMountsOwn) {
  attach({.set = abi::kMountAttrNosuid,
          .clear = abi::kMountAttrReadonly,
          .set_below = abi::kMountAttrReadonly,
          .propagation = abi::kMsSlave | abi::kMsRecursive});
  EXPECT_EQ(changes, (Changes{{true, abi::kMountAttrReadonly, 0, abi::kMsSlave},
                              {false, abi::kMountAttrNosuid, abi::kMountAttrReadonly, 0}}));
}

// Answers recvmsg(2) as minirun does.
bool bring_sources(const FakeKernel::Call& call, const std::vector<int>& descriptors) {
  auto* header = reinterpret_cast<msghdr*>(call.argument[1]);
  Envelope envelope{Message::sources, 0};
  memcpy(header->msg_iov[0].iov_base, &envelope, sizeof envelope);
  cmsghdr* first = CMSG_FIRSTHDR(header);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size() * sizeof(int));
  return true;
}

// The plan of two sources of the second turn, between two of the first; they are closed once they are placed.
PlanBuilder two_turns() {
  PlanBuilder b;
  for (uint32_t turn : {0u, 1u, 0u, 1u}) {
    Source source{SourceKind::tree, "/data", true, 0, ""};
    source.turn = turn;
    b.slot(source);
  }
  b.add(steps::TakeSources{1, 2});
  b.add(steps::Attach{{1}, b.path("/a"), {}, kLast});
  b.add(steps::Attach{{3}, b.path("/b")});
  return b;
}

TEST_F(ExecutorMounts, ATurnsSourcesComeIntoTheirSlots) {
  std::vector<uint64_t> placed, closed;
  kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_move_mount) placed.push_back(call.argument[0]);
    if (call.number == __NR_close) closed.push_back(call.argument[0]);
    if (call.number != __NR_recvmsg) return false;
    *result = sizeof(Envelope);
    return bring_sources(call, {41, 42});
  };
  PlanBuilder b = two_turns();
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(placed, (std::vector<uint64_t>{41, 42}));
  EXPECT_EQ(std::count(closed.begin(), closed.end(), 41u), 1);
  EXPECT_EQ(std::count(closed.begin(), closed.end(), 42u), 0);
}

TEST_F(ExecutorMounts, FewerSourcesThanAskedForAreAFailure) {
  kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number != __NR_recvmsg) return false;
    *result = sizeof(Envelope);
    return bring_sources(call, {41});
  };
  PlanBuilder b = two_turns();
  EXPECT_EQ(run(b), 127);
  EXPECT_EQ(kernel.count(__NR_move_mount), 0u);
}

// What keeps a mount namespace in the tree is for minirun to leave out; once.
TEST_F(ExecutorMounts, ATreeThatCannotBePlacedIsAskedForAgain) {
  std::vector<uint64_t> placed;
  bool second = true;
  kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_move_mount) {
      placed.push_back(call.argument[0]);
      *result = placed.size() == 1 || !second ? -ELOOP : 0;
      return true;
    }
    if (call.number != __NR_recvmsg) return false;
    *result = sizeof(Envelope);
    return bring_sources(call, {41});
  };
  attach({});
  EXPECT_EQ(placed, (std::vector<uint64_t>{5, 41}));
  placed.clear();
  second = false;
  PlanBuilder b;
  bind(b, "/srv");
  EXPECT_EQ(run(b), 127);
  EXPECT_EQ(placed.size(), 2u);
}

TEST_F(ExecutorMounts, OneCallWhereOneIsEnough) {
  attach({.set = abi::kMountAttrReadonly, .propagation = abi::kMsPrivate});
  EXPECT_EQ(changes, (Changes{{false, abi::kMountAttrReadonly, 0, abi::kMsPrivate}}));
  changes.clear();
  attach({.propagation = abi::kMsPrivate | abi::kMsRecursive});
  EXPECT_EQ(changes, (Changes{{true, 0, 0, abi::kMsPrivate}}));
  changes.clear();
  attach({});
  EXPECT_EQ(changes, Changes{});
}

TEST_F(ExecutorMounts, AttributesAreThereBeforeTheMountIs) {
  attach({.set = abi::kMountAttrReadonly});
  EXPECT_EQ(kernel.names(), "mount_setattr statx openat2 move_mount");
}

TEST_F(ExecutorMounts, EveryWayIntoTheRootMakesItASlaveOfTheHost) {
  const auto place = [](PlanBuilder& b) {
    Slot slot = b.slot({SourceKind::rootfs_tree, "/r", true, 0, ""});
    b.add(steps::PlaceRoot{slot, b.path("/"), abi::kMsSlave});
  };
  PlanBuilder pivots, changes_root, enters;
  place(pivots);
  pivots.add(steps::Pivot{});
  place(changes_root);
  changes_root.add(steps::ChangeRoot{});
  enters.add(steps::Enter{enters.slot({SourceKind::rootfs_namespace, "/r", true, 0, ""})});
  const struct {
    PlanBuilder* plan;
    const char* calls;
  } kWays[] = {{&pivots, "mount mount_setattr move_mount fchdir statx fchdir pivot_root umount open chdir"},
               {&changes_root, "mount mount_setattr move_mount fchdir statx fchdir chroot open chdir"},
               {&enters, "setns open chdir statx mount_setattr"}};
  for (const auto& way : kWays) {
    changes.clear();
    kernel.calls.clear();
    EXPECT_EQ(run(*way.plan), 0);
    EXPECT_EQ(kernel.names(), way.calls);
    EXPECT_EQ(changes, (Changes{{true, 0, 0, abi::kMsSlave}}));
  }
}

TEST_F(ExecutorMounts, ARootThatStandsElsewhereIsMovedOnTopBeforeItIsChangedInto) {
  PlanBuilder b;
  b.add(steps::PlaceRoot{b.slot({SourceKind::rootfs_tree, "/r", true, 0, ""}), b.path("/r"), abi::kMsSlave});
  b.add(steps::CoverRoot{});
  b.add(steps::ChangeRoot{});
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(kernel.names(), "mount mount_setattr move_mount fchdir statx move_mount fchdir chroot open chdir");
  EXPECT_STREQ(reinterpret_cast<const char*>(kernel.calls[5].argument[3]), "/");
}

TEST_F(ExecutorMounts, OnlyTheKernelsOwnFilesystemsAreHidden) {
  for (long type : {kProcfs, kSysfs, 0xef53L}) {
    kernel.calls.clear();
    kernel.answer = [type](const FakeKernel::Call& call, long* result) {
      if (call.number != __NR_fstatfs) return false;
      *reinterpret_cast<long*>(call.argument[1]) = type;
      *result = 0;
      return true;
    };
    PlanBuilder b;
    b.add(steps::Hide{b.path("/proc")}, "/root/path");
    bool hidden = type != 0xef53;
    EXPECT_EQ(run(b), hidden ? 0 : 127);
    EXPECT_EQ(kernel.count(__NR_move_mount), hidden ? 1u : 0u);
  }
}

TEST_F(ExecutorMounts, TheRootIsPlacedWhereThePlanSaysAndTheOldTreeIsNoPeer) {
  PlanBuilder b;
  b.add(steps::PlaceRoot{b.slot({SourceKind::rootfs_tree, "/r", true, 0, ""}), b.path("/r"), abi::kMsSlave});
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(kernel.calls[0].argument[3], abi::kMsSlave);
  EXPECT_STREQ(reinterpret_cast<const char*>(kernel.calls[2].argument[3]), "/r");
}

TEST_F(ExecutorMounts, ATmpfsKeepsTheModeOfItsTarget) {
  kernel.file_mode = 0040750;
  PlanBuilder b;
  NewMount mount{.target = b.path("/run"), .parameters = b.list(Parameters{{"size", "=1k"}}), .flags = kModeOfTarget};
  b.add(steps::MountNew{b.text("tmpfs"), mount});
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(parameters, "mode=0750 size=1k ");
}

TEST_F(ExecutorMounts, ATargetThatIsNotThereHasNoModeToKeep) {
  kernel.answer = [first = true](const FakeKernel::Call& call, long* result) mutable {
    if (call.number != __NR_openat2 || !first) return false;
    first = false;
    *result = -ENOENT;
    return true;
  };
  PlanBuilder b;
  NewMount mount{.target = b.path("/run"), .flags = kModeOfTarget};
  b.add(steps::MountNew{b.text("tmpfs"), mount});
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(parameters.find("mode="), std::string::npos);
}

TEST_F(ExecutorMounts, ATerminalIsGivenToTheUser) {
  for (uint32_t uid : {0U, 1000U}) {
    kernel.calls.clear();
    PlanBuilder b;
    b.add(steps::Terminal{b.text("/dev/pts"), 24, 80, uid});
    EXPECT_EQ(run(b), 0);
    EXPECT_EQ(kernel.count(__NR_fchown), uid == 0 ? 0u : 1u);
  }
}

TEST_F(ExecutorMounts, LineEndsAreKeptWithoutOnlcr) {
  uint32_t set = 0;
  kernel.answer = [&](const FakeKernel::Call& call, long*) {
    if (call.number != __NR_ioctl) return false;
    auto* settings = reinterpret_cast<termios*>(call.argument[2]);
    if (call.argument[1] == TCGETS) settings->c_oflag = OPOST | ONLCR;
    if (call.argument[1] == TCSETS) set = settings->c_oflag;
    return false;
  };
  PlanBuilder b;
  b.add(steps::Terminal{b.text("/dev/pts"), 24, 80});
  b.add(steps::KeepLineEnds{});
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(set, static_cast<uint32_t>(OPOST));
}

TEST_F(ExecutorMounts, ATerminalIsOfADevptsOnBothSidesOrIsRefused) {
  // What the fake kernel says of /dev/pts, of ptmx and of its peer, of which one is another thing in turn.
  for (int false_one = 0; false_one < 5; ++false_one) {
    kernel = FakeKernel{};
    int seen = 0, facts = 0;
    kernel.answer = [&](const FakeKernel::Call& call, long*) {
      if (call.number == __NR_fstatfs) return seen++ == false_one;  // which leaves the type 0
      if (call.number == __NR_statx) return 3 + facts++ == false_one;
      return false;
    };
    PlanBuilder b;
    b.add(steps::Terminal{b.text("/dev/pts"), 24, 80});
    EXPECT_EQ(run(b), 127) << false_one;
    const auto* header = reinterpret_cast<const PlanHeader*>(image.data());
    EXPECT_EQ(header->report.error, ENODEV);
    EXPECT_EQ(kernel.count(__NR_sendmsg), 1u) << "the failure, and no terminal";
    bool asked = false_one == 2 || false_one == 4;
    EXPECT_EQ(kernel.count(__NR_ioctl), asked ? 2u : 0u) << "nothing is asked of what is none";
  }
}

TEST_F(ExecutorMounts, TargetInProcfsIsRefusedWhereItIsNotMeant) {
  for (uint64_t magic : {uint64_t{0x9fa0}, uint64_t{0x01021994}})  // PROC_SUPER_MAGIC, TMPFS_MAGIC
    for (bool meant : {true, false}) {
      kernel = FakeKernel{};
      kernel.answer = [&](const FakeKernel::Call& call, long*) {
        if (call.number == __NR_fstatfs) memcpy(reinterpret_cast<void*>(call.argument[1]), &magic, sizeof magic);
        return false;
      };
      PlanBuilder b;
      StepFlag flags = meant ? kNoFlags : kNotProcfs;
      bind(b, "/plink", {}, flags);
      NewMount mount{.target = b.path("/plink"), .flags = flags};
      b.add(steps::MountNew{b.text("tmpfs"), mount});
      bool refused = run(b) != 0;
      EXPECT_EQ(refused, magic == 0x9fa0 && !meant);
      EXPECT_EQ(kernel.count(__NR_move_mount), refused ? 0U : 2U);
      const auto* header = reinterpret_cast<const PlanHeader*>(image.data());
      if (refused) {
        EXPECT_EQ(std::string(header->report.detail), "a symbolic link of the image leads it into /proc");
      }
    }
}

TEST_F(ExecutorMounts, MasksShareOneEmptyDirectory) {
  PlanBuilder b;
  Slot null = b.slot({SourceKind::null_device, "", false, 0, ""});
  for (const char* path : {"/proc/acpi", "/proc/scsi", "/sys/firmware"})
    b.add(steps::Mask{b.path(path), null, kTolerateMissing});
  EXPECT_EQ(run(b), 0);
  EXPECT_EQ(kernel.count(__NR_fsopen), 1u);
  EXPECT_EQ(kernel.count(__NR_open_tree), 2u) << "the first use places the mount itself";
  EXPECT_EQ(kernel.count(__NR_move_mount), 3u);
}

TEST_F(ExecutorMounts, AFileIsNotBoundOntoADirectoryAndThatIsSaid) {
  PlanBuilder b;
  bind(b, "/d");
  int looks = 0;
  kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_statx) kernel.file_mode = looks++ == 0 ? 0100644 : 0040755;
    *result = -EINVAL;
    return call.number == __NR_move_mount;
  };
  EXPECT_EQ(run(b), 127);
  const Report& report = reinterpret_cast<const PlanHeader*>(image.data())->report;
  EXPECT_EQ(report.error, EISDIR);
  EXPECT_EQ(report.syscall, static_cast<uint32_t>(__NR_move_mount));
}

}  // namespace
}  // namespace minirun
