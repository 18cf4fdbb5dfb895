// SPDX-License-Identifier: Apache-2.0
// Containers outlive the minirun that made them: docs/upgrades.md.
#include "tests/upgrades/upgrade.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/support/json_schema.h"

namespace minirun::testing {
namespace {

constexpr const char* kAllHooksRan = "prestart createRuntime createContainer startContainer poststart poststop";

// The test's body for each kind, with an init and without one.
class EachKind : public Upgrade {
 protected:
  void for_each(const std::function<void(const Kind& kind, bool init)>& body) {
    for (const Kind& kind : all_kinds()) {
      for (bool init : {true, false}) {
        SCOPED_TRACE(kind.name + (init ? "" : ", no init"));
        body(kind, init);
        if (HasFatalFailure()) return;
      }
    }
  }
  void end_by_delete(const std::string& manager) const {
    Outcome outcome = call_by(manager, {"delete", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
  void expect_hooks(const Kind& kind, const std::string& which) {
    EXPECT_EQ(hooks_that_ran(), kind.hooks ? which : "");
  }
  void running_ones_are_managed(const std::string& maker, const std::string& manager) {
    for_each([&](const Kind& kind, bool init) {
      ASSERT_TRUE(make(maker, "run", kind, init));
      manage(manager);
      end_by_kill(manager);
      expect_hooks(kind, kAllHooksRan);
      ASSERT_TRUE(make(maker, "run", kind, init));
      end_by_stop(manager);
      ASSERT_TRUE(make(maker, "run", kind, init));
      end_by_force(manager);
      expect_hooks(kind, kAllHooksRan);
    });
  }
  void created_ones_are_removed(const std::string& maker, const std::string& manager) {
    for_each([&](const Kind& kind, bool init) {
      for (const std::string end : {"delete", "force", "kill", "stop"}) {
        ASSERT_TRUE(make(maker, "create", kind, init));
        EXPECT_EQ(status_by(manager), "created");
        EXPECT_EQ(call_by(manager, {"kill", id(), "0"}).code, 0);
        if (end == "kill") end_by_kill(manager);
        if (end == "stop") end_by_stop(manager);
        if (end == "force") end_by_force(manager);
        if (end == "delete") end_by_delete(manager);
      }
    });
  }
};

TEST_F(EachKind, OldOnesThatRunAreManagedByThisMinirun) {
  running_ones_are_managed(old_, now_);
}

TEST_F(EachKind, OldOnesThatWaitAreStartedAndManagedByThisMinirun) {
  for_each([&](const Kind& kind, bool init) {
    ASSERT_TRUE(make(old_, "create", kind, init));
    EXPECT_EQ(status_by(now_), "created");
    EXPECT_EQ(call_by(now_, {"pause", id()}).code, 0);
    EXPECT_EQ(status_by(now_), "paused");
    EXPECT_EQ(call_by(now_, {"resume", id()}).code, 0);
    start_by(now_, kind);
    manage(now_);
    end_by_kill(now_);
    expect_hooks(kind, kAllHooksRan);
  });
}

TEST_F(EachKind, OldOnesThatWaitAreRemovedByThisMinirun) {
  created_ones_are_removed(old_, now_);
}

// 65916da cannot be changed. It finds and manages what runs, and refuses to start what waits in a way that it does not
// know, which waits on.
TEST_F(EachKind, NewOnesThatRunAreManagedByTheOldMinirun) {
  running_ones_are_managed(now_, old_);
}

TEST_F(EachKind, NewOnesThatWaitAreRefusedByTheOldMinirunAndUnharmed) {
  for_each([&](const Kind& kind, bool init) {
    ASSERT_TRUE(make(now_, "create", kind, init));
    for (int i = 0; i < 2; i++) {
      expect_refused(call_by(old_, {"start", id()}), {"start " + id(), "the container's init sends no plan"});
      EXPECT_EQ(status_by(old_), "created");
    }
    start_by(now_, kind);
    manage(old_);
    end_by_force(old_);
    expect_hooks(kind, kAllHooksRan);
  });
}

TEST_F(EachKind, NewOnesThatWaitAreRemovedByTheOldMinirun) {
  created_ones_are_removed(now_, old_);
}

Kind kind_named(const std::string& name) {
  for (const Kind& kind : all_kinds())
    if (kind.name == name) return kind;
  abort();
}

// What the failed step of an old plan was is read from its memory.
TEST_F(Upgrade, AnOldOneThatCannotBeExecutedIsExplained) {
  for (bool init : {true, false}) {
    ASSERT_TRUE(make(old_, "create", kind_named("default"), init));
    ASSERT_EQ(unlink((bundle().rootfs() + "/bin/payload").c_str()), 0);
    Outcome outcome = call_by(now_, {"start", id()});
    EXPECT_EQ(outcome.code, 127) << describe(outcome);
    EXPECT_NE(outcome.err.find("start " + id() + ": exec /bin/payload: no such file or directory"), std::string::npos)
        << outcome.err;
    EXPECT_TRUE(eventually([&] { return status_by(now_) == "stopped"; }));
    EXPECT_EQ(call_by(now_, {"delete", id()}).code, 0);
  }
}

// Its record has nothing for reports: what is known is reported.
TEST_F(Upgrade, AnOldOneIsReportedWithWhatIsKnown) {
  constexpr const char* kFile = "/run/tests/report.json";
  for (bool init : {true, false}) {
    ASSERT_TRUE(make(old_, "run", kind_named("default"), init));
    ASSERT_EQ(call_by(now_, {"stop", id()}).code & ~137, 0);
    for (const char* command : {"wait", "delete"}) {
      bool waits = command == std::string("wait");
      Outcome outcome = waits ? call_by(now_, {"wait", "--format", "json", id()})
                              : call_by(now_, {"delete", "--report", kFile, id()});
      auto report = nlohmann::json::parse(waits ? outcome.out : content(kFile), nullptr, false);
      EXPECT_EQ(schema_problem(report_schema(), report), "") << describe(outcome) << report;
      EXPECT_EQ(report.value("cause", ""), "stopped") << report;
    }
    EXPECT_EQ(unlink(kFile), 0);
  }
}

// Each minirun compiles the filters that the other one has left in a file of its own format again.
TEST_F(Upgrade, FiltersInTheCacheOfAnotherAreNoHindrance) {
  const Kind kind = kind_named("seccomp");
  for (const std::string& minirun : {old_, now_, old_, now_}) {
    ASSERT_TRUE(make(minirun, "run", kind, true));
    Outcome outcome = call_by(minirun, {"exec", id(), "/bin/payload", "syscall", "258", "0", "0", "0"});
    EXPECT_EQ(outcome.out, "-1 1\n") << describe(outcome);
    end_by_force(minirun);
  }
}

}  // namespace
}  // namespace minirun::testing
