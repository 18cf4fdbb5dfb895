// SPDX-License-Identifier: Apache-2.0
// Bind mounts whose source is in the rootfs, below an earlier mount of the list: on the host it is something else, or
// is not there. runtime-spec config.md, "Mounts": in the listed order.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

enum class Launch { plain, user_namespace, no_pivot, pid_of_others };

class OwnSources : public ::testing::WithParamInterface<Launch>, public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    make_folders(volume("/data/deep"));
    write_new_file(volume("/data/note"), "of the volume\n", 0644);
    write_new_file(volume("/data/deep/note"), "deep\n", 0644);
    bundle_.add_mount("/vol", "bind", volume(), {"bind"});
  }
  std::string volume(const std::string& path = "") const { return bundle_.path() + "/volume" + path; }
  // The path in the container as one of the host.
  std::string inside(const std::string& path) const { return bundle_.rootfs() + path; }

  Outcome run_as_asked() {
    if (GetParam() == Launch::no_pivot) return run(bundle_, {"--no-pivot"});
    if (GetParam() == Launch::pid_of_others) bundle_.join_namespace("pid", "/proc/self/ns/pid");
    if (GetParam() == Launch::user_namespace) bundle_.add_user_namespace();
    return run(bundle_);
  }
  void expect_output(const std::string& text) {
    Outcome outcome = run_as_asked();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, text);
  }
  size_t count() const { return bundle_.config["mounts"].size(); }

  Bundle bundle_;
};

INSTANTIATE_TEST_SUITE_P(Ways, OwnSources,
                         ::testing::Values(Launch::plain, Launch::user_namespace, Launch::no_pivot,
                                           Launch::pid_of_others),
                         [](const auto& way) {
                           return way.param == Launch::plain            ? "Plain"
                                  : way.param == Launch::user_namespace ? "UserNamespace"
                                  : way.param == Launch::no_pivot       ? "NoPivot"
                                                                        : "PidOfOthers";
                         });

TEST_P(OwnSources, AFolderAndAFileOfAnEarlierMountAreBound) {
  bundle_.add_mount("/data", "bind", inside("/vol/data"), {"rbind"});
  bundle_.add_mount("/note", "bind", inside("/vol/data/deep/note"), {"bind"});
  bundle_.payload({"files", "/data/note", "/note"});
  expect_output("of the volume\ndeep\n");
}

TEST_P(OwnSources, AMountItselfIsBoundAndOneOfThoseAgain) {
  bundle_.add_mount("/first", "tmpfs", "tmpfs");
  bundle_.add_mount("/second", "bind", inside("/first"), {"bind"});
  bundle_.add_mount("/third", "bind", inside("/second"), {"rbind"});
  bundle_.payload({"opens", "c:/first/x", "w:/third/x"});
  expect_output("/first/x 0\n/third/x 0\n");
}

TEST_P(OwnSources, TheLastMountThatIsThereCounts) {
  bundle_.add_mount("/vol/data", "tmpfs", "tmpfs", {"mode=0755"});
  bundle_.add_mount("/empty", "bind", inside("/vol/data"), {"bind"});
  bundle_.add_mount("/vol", "bind", volume("/data"), {"bind"});
  bundle_.add_mount("/deep", "bind", inside("/vol/deep"), {"bind"});
  bundle_.payload({"opens", "r:/empty/note", "r:/deep/note"});
  expect_output("/empty/note 2\n/deep/note 0\n");
}

TEST_P(OwnSources, OptionsAndALaterRemountCount) {
  bundle_.add_mount("/once", "bind", inside("/vol/data"), {"bind", "ro"});
  bundle_.add_mount("/later", "bind", inside("/vol/data"), {"bind"});
  bundle_.add_mount("/later", "", "", {"remount", "bind", "ro"});
  bundle_.payload({"opens", "c:/once/x", "c:/later/x"});
  expect_output("/once/x 30\n/later/x 30\n");
}

// A process that writes to the volume could show what is masked.
TEST_P(OwnSources, NoLinkBelowAnEarlierMountIsFollowed) {
  ASSERT_EQ(symlink("data", volume("/link").c_str()), 0);
  ASSERT_EQ(symlink("/", volume("/root").c_str()), 0);
  for (const char* path : {"/vol/link", "/vol/link/note", "/vol/root/etc"}) {
    bundle_.add_mount("/data", "bind", inside(path), {"bind"});
    bundle_.payload({"true"});
    expect_refused(run_as_asked(), {"/mounts/" + std::to_string(count() - 1), path, "symbolic link"});
    bundle_.config["mounts"].erase(count() - 1);
    if (GetParam() == Launch::user_namespace) bundle_.config["linux"]["namespaces"].erase(6);
  }
}

TEST_P(OwnSources, WhatIsMissingIsNamed) {
  bundle_.add_mount("/data", "bind", inside("/vol/none"), {"bind"});
  bundle_.payload({"true"});
  expect_refused(run_as_asked(), {"/mounts/" + std::to_string(count() - 1), "/vol/none", "no such file or directory"});
}

// A mount that comes later is not there yet, and what is on the host is the host's.
TEST_P(OwnSources, OnlyWhatIsThereByThenCounts) {
  bundle_.add_folder("/plain");
  bundle_.add_file("/plain/note", "of the image\n");
  bundle_.add_mount("/before", "bind", inside("/plain"), {"bind"});
  bundle_.add_mount("/plain", "tmpfs", "tmpfs", {"mode=0755"});
  bundle_.add_mount("/after", "bind", inside("/plain"), {"bind"});
  bundle_.payload({"opens", "r:/before/note", "r:/after/note"});
  expect_output("/before/note 0\n/after/note 2\n");
}

}  // namespace
}  // namespace minirun::testing
