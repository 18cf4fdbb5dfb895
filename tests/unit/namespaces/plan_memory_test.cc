// The plan's memory as `start` is sent it: by an init that somebody may trace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "namespaces/spawn.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

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
  Result<PlanMemory> map() const { return PlanMemory::map(file(F_SEAL_SHRINK | F_SEAL_GROW)); }

  std::string image;
  PlanHeader* header;
};

TEST_F(SentPlan, TellsItsSteps) {
  auto memory = map();
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  EXPECT_EQ(memory->step_count(), compiled.plan.steps.size());
  auto told = memory->told(memory->step_count() - 1);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->first, Op::execute);
  EXPECT_FALSE(memory->told(memory->step_count()).has_value());
}

TEST_F(SentPlan, ThatCouldBecomeShorterIsRefused) {
  EXPECT_EQ(PlanMemory::map(file(0)).error().code, EPROTO);
  EXPECT_EQ(PlanMemory::map(UniqueFd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC))).error().code, EPROTO);
}

TEST_F(SentPlan, ThatSpeaksOfMoreThanItHasIsRefused) {
  header->step_count = 0xffffffff;
  EXPECT_EQ(map().error().code, EPROTO);
  header->step_count = 1;
  header->steps = static_cast<uint32_t>(image.size()) - 8;
  EXPECT_EQ(map().error().code, EPROTO);
  header->steps = sizeof(PlanHeader) + 4;  // not where a Step can be
  EXPECT_EQ(map().error().code, EPROTO);
}

TEST_F(SentPlan, ChangedLaterLeadsNowhere) {
  UniqueFd fd = file(F_SEAL_SHRINK | F_SEAL_GROW);
  UniqueFd theirs(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  auto memory = PlanMemory::map(std::move(fd));
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  uint32_t steps = memory->step_count();
  header->steps = 0x7ffffff8;
  header->step_count = 0xffffffff;
  for (Step* step = reinterpret_cast<Step*>(image.data() + image.size() - steps * sizeof(Step));
       reinterpret_cast<char*>(step) < image.data() + image.size(); ++step)
    step->told = 0xfffffff0;
  ASSERT_EQ(pwrite(theirs.get(), image.data(), image.size(), 0), static_cast<ssize_t>(image.size()));
  EXPECT_EQ(memory->step_count(), steps);
  for (uint32_t i = 0; i <= steps; ++i)
    EXPECT_FALSE(memory->told(i).has_value() && memory->told(i)->second.size() > 4096);
}

TEST_F(SentPlan, OfMinirunItselfIsSealed) {
  auto made = PlanMemory::create(image);
  ASSERT_TRUE(made.ok()) << made.error().text();
  EXPECT_EQ(ftruncate(made->fd(), 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_TRUE(PlanMemory::map(UniqueFd(fcntl(made->fd(), F_DUPFD_CLOEXEC, 0))).ok());
}

}  // namespace
}  // namespace minirun
