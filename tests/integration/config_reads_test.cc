// SPDX-License-Identifier: Apache-2.0
// Every command reads config.json once: what is validated is what the container is made from, and an ordinary user's
// launch does not pay for it twice.
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/support/checkpoint_fixture.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

// Counts how often a file is opened. The kernel takes two equal events in a row for one (inotify(7)): the end of each
// reading comes between those of a program that reads one time after another.
class OpenCount {
 public:
  explicit OpenCount(const std::string& path) : events_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(events_.get(), path.c_str(), IN_OPEN | IN_CLOSE_NOWRITE), 0) << path;
  }

  // Since the last question.
  int take() {
    alignas(inotify_event) char buffer[4096];
    int count = 0;
    for (ssize_t n = 0; (n = read(events_.get(), buffer, sizeof buffer)) > 0;) {
      for (ssize_t at = 0; at < n;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        if ((event->mask & IN_OPEN) != 0) count++;
        at += static_cast<ssize_t>(sizeof *event + event->len);
      }
    }
    return count;
  }

 private:
  UniqueFd events_;
};

std::string config_of(const Bundle& bundle) {
  bundle.write();
  return bundle.path() + "/config.json";
}

class ConfigReads : public CheckpointTest {
 protected:
  std::string recorded() const { return std::string(kState) + "/" + id() + "/config.json"; }
};

TEST_F(ConfigReads, OfARunAndAPlan) {
  Bundle bundle;
  OpenCount config(config_of(bundle));
  ASSERT_EQ(call({"run", "--bundle", bundle.path(), id()}).code, 0);
  EXPECT_EQ(config.take(), 1) << "run";
  ASSERT_EQ(call({"plan", bundle.path()}).code, 0);
  EXPECT_EQ(config.take(), 1) << "plan";
}

TEST_F(ConfigReads, OfARunInAScopeOfSystemd) {
  Bundle bundle;
  OpenCount config(config_of(bundle));
  // No systemd here: it is asked for the scope when all of config.json is known.
  EXPECT_NE(call({"--systemd-cgroup", "run", "--bundle", bundle.path(), id()}).code, 0);
  EXPECT_EQ(config.take(), 1);
}

TEST_F(ConfigReads, OfACreatedContainer) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "0"});
  OpenCount config(config_of(bundle));
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  ASSERT_EQ(call({"create", "--bundle", bundle.path(), id()}, options).code, 0);
  EXPECT_EQ(config.take(), 1) << "create";
  OpenCount copy(recorded());
  ASSERT_EQ(call({"start", id()}).code, 0);
  EXPECT_EQ(copy.take(), 1) << "start";
  ASSERT_EQ(call({"exec", id(), "/bin/payload", "true"}).code, 0);
  EXPECT_EQ(copy.take(), 1) << "exec";
  ASSERT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(copy.take(), 1) << "delete";
  EXPECT_EQ(config.take(), 0) << "the bundle's is the caller's to change by now";
}

TEST_F(ConfigReads, OfARestore) {
  make_folders(images_);
  fake("exit 1\n");
  Bundle bundle;
  OpenCount config(config_of(bundle));
  EXPECT_NE(call_fake({"restore", "--bundle", bundle.path(), "--image-path", images_, id()}).code, 0);
  EXPECT_EQ(config.take(), 1);
}

class ConfigReadsOfAUser : public RootlessTest {};

TEST_F(ConfigReadsOfAUser, OfARun) {
  Bundle bundle;
  make_rootless(bundle, {"true"});
  OpenCount config(config_of(bundle));
  Outcome outcome = user_minirun({"run", "--bundle", bundle.path(), "mine"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(config.take(), 1);
}

}  // namespace
}  // namespace minirun::testing
