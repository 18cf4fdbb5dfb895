// SPDX-License-Identifier: Apache-2.0
// The plan's memory as `start` receives it: from an init that others may trace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "namespaces/sources.h"
#include "namespaces/spawn.h"
#include "sys/file.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

class SentPlan : public CompileTest {
 protected:
  SentPlan() {
    options.create = true;
    lines();
    image = serialize(compiled.plan, std::vector<int>(compiled.plan.slots.size(), 3), 4);
    header = reinterpret_cast<PlanHeader*>(image.data());
  }
  UniqueFd file(int seals) const {
    UniqueFd fd(memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(write(fd.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    return fd;
  }
  Result<PlanMemory> map() const { return PlanMemory::map(file(kSeals)); }

  std::string image;
  PlanHeader* header;
};

TEST_F(SentPlan, TellsItsSteps) {
  auto memory = map();
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  EXPECT_EQ(memory->step_count(), compiled.plan.steps.size());
  auto text = memory->step_text(memory->step_count() - 1);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text, step_with_origin(compiled.plan, memory->step_count() - 1));
  EXPECT_TRUE(memory->executes(memory->step_count() - 1));
  EXPECT_FALSE(memory->executes(0));
  EXPECT_FALSE(memory->step_text(memory->step_count()).has_value());
  EXPECT_FALSE(memory->step_text(0).has_value()) << "a step before the wait";
}

// Of a step before the wait only its maker knows more than the number.
TEST_F(SentPlan, AFailedStepSaysWhatAndWhere) {
  auto last = static_cast<uint32_t>(compiled.plan.steps.size() - 1);
  header->report = {kFailed, last, ENOENT, SYS_execve, "/bin/none"};
  auto memory = map();
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  for (const Error& error : {step_error(*memory), step_error(compiled.plan, memory->report())}) {
    EXPECT_EQ(error.kind, ErrorKind::setup);
    EXPECT_EQ(error.code, ENOENT);
    EXPECT_EQ(error.details().step, last + 1);
    EXPECT_EQ(error.details().steps, last + 1);
    EXPECT_EQ(error.details().pointer, "/process/args");
    EXPECT_EQ(error.details().call, "exec");
    EXPECT_EQ(error.text(), fmt::format("{}: /bin/none: no such file or directory [step {} of {}]",
                                        step_with_origin(compiled.plan, last), last + 1, last + 1));
  }
  Error before = step_error(compiled.plan, Report{kFailed, kNoStep, EIO, SYS_read, ""});
  EXPECT_EQ(before.text(), "start the init program: read: input/output error");
  EXPECT_EQ(before.details().step, 0U);
}

TEST(StepPath, IsTheContainersOrBelowProc) {
  PlanBuilder builder;
  Slot slot = builder.slot({SourceKind::tree, "/host", false, 0, "/mounts/0"});
  builder.add(steps::Attach{slot, builder.path("/data")}, "/mounts/0");
  builder.add(steps::Mask{builder.path("/proc/keys"), {}});
  builder.add(steps::WriteProc{builder.proc_path("sys/kernel/msgmax"), builder.text("1")});
  builder.add(steps::Loopback{});
  Plan plan = builder.finish();
  const char* paths[] = {"/data", "/proc/keys", "/proc/sys/kernel/msgmax", ""};
  for (uint32_t i = 0; i < 4; i++) EXPECT_EQ(path_of(plan, i), paths[i]);
}

TEST(OpenSources, AMissingOneSaysWhatAndWhere) {
  PlanBuilder builder;
  builder.slot({SourceKind::namespace_file, "/not/there", false, 0, "/linux/namespaces/2"});
  auto opened = open_sources(builder.finish(), {});
  ASSERT_FALSE(opened.ok());
  const Error& error = opened.error();
  EXPECT_EQ(error.text(), "/linux/namespaces/2: open /not/there: no such file or directory");
  EXPECT_EQ(error.kind, ErrorKind::host);
  EXPECT_EQ(error.code, ENOENT);
  EXPECT_EQ(error.details().pointer, "/linux/namespaces/2");
  EXPECT_EQ(error.details().call, "open");
  EXPECT_EQ(error.details().path, "/not/there");
}

TEST_F(SentPlan, ThatCouldBecomeShorterIsRefused) {
  EXPECT_EQ(PlanMemory::map(file(0)).error().code, EPROTO);
  EXPECT_EQ(PlanMemory::map(UniqueFd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC))).error().code, EPROTO);
}

TEST_F(SentPlan, ThatSpeaksOfMoreThanItHasIsRefused) {
  header->step_count = 0xffffffff;
  EXPECT_EQ(map().error().code, EPROTO);
  header->step_count = 1;
  header->texts = static_cast<uint32_t>(image.size()) - 2;
  EXPECT_EQ(map().error().code, EPROTO);
  header->texts = sizeof(PlanHeader) + 2;  // not where a number can be
  EXPECT_EQ(map().error().code, EPROTO);
  image.resize(sizeof(PlanHeader) - 1);
  EXPECT_EQ(map().error().code, EPROTO);
}

TEST_F(SentPlan, ChangedLaterLeadsNowhere) {
  UniqueFd fd = file(kSeals);
  UniqueFd theirs(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  auto memory = PlanMemory::map(std::move(fd));
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  uint32_t steps = memory->step_count();
  auto* text = reinterpret_cast<uint32_t*>(image.data() + header->texts);
  std::fill(text, text + steps, 0xfffffff0);
  header->texts = 0x7ffffff8;
  header->step_count = 0xffffffff;
  ASSERT_EQ(pwrite(theirs.get(), image.data(), image.size(), 0), static_cast<ssize_t>(image.size()));
  EXPECT_EQ(memory->step_count(), steps);
  for (uint32_t i = 0; i <= steps; ++i)
    EXPECT_FALSE(memory->step_text(i).has_value() && memory->step_text(i)->size() > 4096);
}

TEST_F(SentPlan, OfMinirunItselfIsSealed) {
  auto made = PlanMemory::create(image);
  ASSERT_TRUE(made.ok()) << made.error().text();
  EXPECT_EQ(ftruncate(made->fd(), 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_TRUE(PlanMemory::map(UniqueFd(fcntl(made->fd(), F_DUPFD_CLOEXEC, 0))).ok());
}

TEST_F(SentPlan, OfAnotherFormatIsRefused) {
  for (uint32_t format : {0U, 1U, 3U, kPlanFormat - 1, kPlanFormat + 1, 0xffffffffU}) {
    header->format = format;
    EXPECT_EQ(map().error().code, EPROTO) << "it says " << format;
    if (format == kPlanFormat - 1) continue;  // is read
    EXPECT_EQ(PlanMemory::map(file(kSeals), format).error().code, EPROTO) << "both say " << format;
  }
  header->format = kPlanFormat;
  EXPECT_TRUE(map().ok());
  EXPECT_EQ(PlanMemory::map(file(kSeals), kUnnumberedPlanFormat).error().code, EPROTO);
  header->magic++;
  EXPECT_EQ(map().error().code, EPROTO);
}

// What containers wait with that were created by a release, byte by byte: tests/unit/data/formats/README.md.
class OldPlan : public ::testing::Test {
 protected:
  static std::string sample(const char* name) {
    auto text = read_file(AT_FDCWD, std::string(MINIRUN_SOURCE_DIR "/tests/unit/data/formats/") + name);
    EXPECT_TRUE(text.ok()) << name;
    return text.ok() ? *text : "";
  }
  static Result<PlanMemory> map(const std::string& image, uint32_t format) {
    UniqueFd fd(memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(write(fd.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, kSeals), 0);
    return PlanMemory::map(std::move(fd), format);
  }
  // The report of a failed exec, at the place that this format has for it.
  static void expect_exec_failure(std::string image, uint32_t format, uint32_t report_at, uint32_t listener_at,
                                  uint32_t step) {
    Report report{kFailed, step, ENOENT, 59, "/bin/nowhere"};
    memcpy(image.data() + report_at, &report, sizeof report);
    uint32_t offered = kListenerOffered + 7;
    memcpy(image.data() + listener_at, &offered, sizeof offered);
    auto memory = map(image, format);
    ASSERT_TRUE(memory.ok()) << memory.error().text();
    EXPECT_TRUE(memory->executes(step));
    EXPECT_FALSE(memory->executes(step - 1));
    std::string words = fmt::format(
        "/process/args: execute /bin/payload pause: /bin/nowhere: no such file or directory [step {} of {}]", step + 1,
        memory->step_count());
    EXPECT_EQ(step_error(*memory).text(), words);
    EXPECT_EQ(memory->offered_listener(), 7);
    memory->answer_listener(kListenerTaken);
    EXPECT_FALSE(memory->offered_listener().has_value());
  }
};

TEST_F(OldPlan, OfFormatTwoIsRead) {
  expect_exec_failure(sample("plan.2"), kUnnumberedPlanFormat, 72, 40, 54);
}

TEST_F(OldPlan, OfFormatFourIsRead) {
  expect_exec_failure(sample("plan.4"), 4, 32, 28, 55);
}

TEST_F(OldPlan, OfFormatFiveIsRead) {
  expect_exec_failure(sample("plan.5"), 5, 32, 28, 58);
}

TEST_F(OldPlan, CutOrChangedIsRefusedOrLeadsNowhere) {
  for (auto [name, format] : {std::pair("plan.2", 2U), std::pair("plan.4", 4U), std::pair("plan.5", 5U)}) {
    const std::string whole = sample(name);
    for (size_t size : std::vector<size_t>{0, 1, 7, 8, 40, 335, 336, 400})
      EXPECT_FALSE(map(whole.substr(0, size), format).ok()) << name << " cut to " << size;
    for (size_t at = 0; at < 64; at += 4) {
      std::string changed = whole;
      memset(changed.data() + at, 0xff, 4);
      auto memory = map(changed, format);
      if (!memory.ok()) continue;
      for (uint32_t step = 0; step <= memory->step_count(); ++step) (void)memory->step_text(step);
      EXPECT_FALSE(step_error(*memory).text().empty());
    }
  }
}

}  // namespace
}  // namespace minirun
