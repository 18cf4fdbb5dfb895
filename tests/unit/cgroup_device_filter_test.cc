#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "cgroups/device_filter.h"

namespace minirun {
namespace {

struct Access {
  DeviceType type;
  uint32_t major;
  uint32_t minor;
  uint8_t bits;
};

// What the rules mean, as plainly as it can be said.
bool expected(const std::vector<DeviceRule>& rules, const Access& access) {
  for (uint8_t bit : {kDeviceMknod, kDeviceRead, kDeviceWrite}) {
    if ((access.bits & bit) == 0) continue;
    bool allow = false;
    for (const DeviceRule& rule : rules) {
      bool matches = (rule.type == DeviceType::any || rule.type == access.type) &&
                     rule.major.value_or(access.major) == access.major &&
                     rule.minor.value_or(access.minor) == access.minor && (rule.access & bit) != 0;
      if (matches) allow = rule.allow;
    }
    if (!allow) return false;
  }
  return true;
}

// A machine for the few instructions of a device filter, as strict as the kernel's verifier where that matters here.
class Machine {
 public:
  explicit Machine(const std::vector<bpf_insn>& program) : program_(program) {}

  bool run(const Access& access) {
    uint32_t type = access.type == DeviceType::block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    bpf_cgroup_dev_ctx context{static_cast<uint32_t>(access.bits << 16) | type, access.major, access.minor};
    std::optional<uint32_t> registers[11];
    for (size_t pc = 0;; ++pc) {
      EXPECT_LT(pc, program_.size());
      if (pc >= program_.size()) return false;
      reached_.insert(pc);
      const bpf_insn& insn = program_[pc];
      uint32_t value = static_cast<uint32_t>(insn.imm);
      auto& target = registers[insn.dst_reg];
      if (insn.code != (BPF_LDX | BPF_MEM | BPF_H) && insn.code != (BPF_LDX | BPF_MEM | BPF_W) &&
          insn.code != (BPF_ALU | BPF_MOV | BPF_K)) {
        EXPECT_TRUE(target.has_value() || insn.code == (BPF_JMP | BPF_EXIT)) << "unset register at " << pc;
      }
      switch (insn.code) {
        case BPF_LDX | BPF_MEM | BPF_H:
        case BPF_LDX | BPF_MEM | BPF_W: {
          size_t size = (insn.code & 0x18) == BPF_H ? 2 : 4;
          target = 0;
          memcpy(&*target, reinterpret_cast<char*>(&context) + insn.off, size);
          break;
        }
        case BPF_ALU | BPF_MOV | BPF_K:
          target = value;
          break;
        case BPF_ALU | BPF_AND | BPF_K:
          target = *target & value;
          break;
        case BPF_JMP32 | BPF_JEQ | BPF_K:
          if (*target == value) pc += jump(insn);
          break;
        case BPF_JMP32 | BPF_JNE | BPF_K:
          if (*target != value) pc += jump(insn);
          break;
        case BPF_JMP32 | BPF_JSET | BPF_K:
          if ((*target & value) != 0) pc += jump(insn);
          break;
        case BPF_JMP | BPF_EXIT:
          return registers[BPF_REG_0].value() == 1;
        default:
          ADD_FAILURE() << "unknown instruction " << int{insn.code};
          return false;
      }
    }
  }

  bool reached_all() const { return reached_.size() == program_.size(); }

 private:
  static size_t jump(const bpf_insn& insn) {
    EXPECT_GE(insn.off, 0);
    return static_cast<size_t>(insn.off);
  }

  const std::vector<bpf_insn>& program_;
  std::set<size_t> reached_;
};

// Numbers that appear in rules, and one that does not.
constexpr uint32_t kMajors[] = {1, 5, 0xffffffff, 77};
constexpr uint32_t kMinors[] = {0, 3, 0x80000000, 77};

// Compares program and meaning for every kind of access. Returns the program's size.
size_t check(const std::vector<DeviceRule>& rules) {
  auto program = compile_device_filter(rules);
  EXPECT_TRUE(program.ok());
  Machine machine(*program);
  for (DeviceType type : {DeviceType::block, DeviceType::character})
    for (uint32_t major : kMajors)
      for (uint32_t minor : kMinors)
        for (uint8_t bits = 1; bits <= kDeviceAll; ++bits) {
          Access access{type, major, minor, bits};
          bool verdict = program->empty() || machine.run(access);
          EXPECT_EQ(verdict, expected(rules, access))
              << "type " << int(type) << " " << major << ":" << minor << " bits " << int{bits};
        }
  return program->size();
}

// A small generator of its own: the same rules in every run, on every machine.
class Dice {
 public:
  uint32_t roll(uint32_t sides) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(state_ >> 33) % sides;
  }

 private:
  uint64_t state_ = 1;
};

DeviceRule random_rule(Dice& dice) {
  DeviceRule rule;
  rule.allow = dice.roll(2) == 1;
  rule.type = static_cast<DeviceType>(dice.roll(3));
  if (dice.roll(2) == 1) rule.major = kMajors[dice.roll(3)];
  if (dice.roll(2) == 1) rule.minor = kMinors[dice.roll(3)];
  rule.access = static_cast<uint8_t>(dice.roll(3) == 0 ? uint32_t{kDeviceAll} : dice.roll(8));
  return rule;
}

}  // namespace

TEST(DeviceFilter, MeansWhatEachSingleRuleSays) {
  for (bool allow : {false, true})
    for (DeviceType type : {DeviceType::any, DeviceType::block, DeviceType::character})
      for (bool major : {false, true})
        for (bool minor : {false, true})
          for (uint8_t bits = 0; bits <= kDeviceAll; ++bits) {
            DeviceRule rule{allow, type, {}, {}, bits};
            if (major) rule.major = 5;
            if (minor) rule.minor = 3;
            check({rule});
            check({{true, DeviceType::any, {}, {}, kDeviceAll}, rule});
            check(with_default_devices({rule}, true));
          }
}

TEST(DeviceFilter, MeansWhatTheLastMatchingRuleSays) {
  Dice dice;
  for (int round = 0; round < 4000 && !::testing::Test::HasFailure(); ++round) {
    std::vector<DeviceRule> rules(dice.roll(9));
    for (DeviceRule& rule : rules) rule = random_rule(dice);
    check(rules);
  }
}

TEST(DeviceFilter, MixedAccessIsDecidedBitByBit) {
  std::vector<DeviceRule> rules = {{true, DeviceType::character, 1, 3, kDeviceRead | kDeviceWrite},
                                   {false, DeviceType::character, 1, 3, kDeviceWrite}};
  auto program = compile_device_filter(rules);
  Machine machine(*program);
  EXPECT_TRUE(machine.run({DeviceType::character, 1, 3, kDeviceRead}));
  EXPECT_FALSE(machine.run({DeviceType::character, 1, 3, kDeviceWrite}));
  EXPECT_FALSE(machine.run({DeviceType::character, 1, 3, kDeviceRead | kDeviceWrite}));
}

TEST(DeviceFilter, NoRulesDenyEverything) {
  EXPECT_EQ(check({}), 2U);
}

TEST(DeviceFilter, AllowingEverythingNeedsNoProgram) {
  EXPECT_EQ(check(with_default_devices({{true, DeviceType::any, {}, {}, kDeviceAll}}, false)), 0U);
  EXPECT_EQ(check({{false, DeviceType::character, 1, 3, kDeviceAll}, {true, DeviceType::any, {}, {}, kDeviceAll}}), 0U);
}

// What engines send: deny all, then allow one by one what the defaults allow too.
static std::vector<DeviceRule> engine_rules() {
  std::vector<DeviceRule> rules = {{false, DeviceType::any, {}, {}, kDeviceAll}};
  for (uint32_t minor : {5U, 3U, 9U, 8U}) rules.push_back({true, DeviceType::character, 1, minor, kDeviceAll});
  for (uint32_t minor : {0U, 1U}) rules.push_back({true, DeviceType::character, 5, minor, kDeviceAll});
  rules.push_back({false, DeviceType::character, 10, 229, kDeviceAll});
  return rules;
}

TEST(DeviceFilter, DuplicatesAndDeniedDefaultsCostNothing) {
  size_t with_console = check(with_default_devices({}, true));
  EXPECT_EQ(check(with_default_devices(engine_rules(), false)), with_console);
  EXPECT_EQ(check(with_default_devices({}, false)), with_console - 1);
  EXPECT_LE(with_console, 22U);
}

TEST(DeviceFilter, DenialOfWhatNobodyAllowsCostsNothing) {
  DeviceRule allow{true, DeviceType::character, 1, 3, kDeviceRead};
  size_t alone = check({allow});
  EXPECT_EQ(check({allow, {false, DeviceType::character, 1, 3, kDeviceWrite}}), alone);
  EXPECT_EQ(check({allow, {false, DeviceType::character, 1, 5, kDeviceAll}}), alone);
  EXPECT_GT(check({allow, {false, DeviceType::character, 1, 3, kDeviceRead}}), 0U);
}

TEST(DeviceFilter, EveryInstructionCanBeReached) {
  auto program = compile_device_filter(with_default_devices(engine_rules(), true));
  Machine machine(*program);
  for (DeviceType type : {DeviceType::block, DeviceType::character})
    for (uint32_t major : {1U, 5U, 136U, 7U})
      for (uint32_t minor = 0; minor < 11; ++minor)
        for (uint8_t bits = 1; bits <= kDeviceAll; ++bits) machine.run({type, major, minor, bits});
  EXPECT_TRUE(machine.reached_all());
}

TEST(DeviceFilter, AskingForNothingIsAllowedByTheDefaults) {
  auto program = compile_device_filter(with_default_devices({}, false));
  EXPECT_TRUE(Machine(*program).run({DeviceType::block, 8, 0, 0}));  // access(2) with F_OK
}

TEST(DeviceFilter, TooManyRulesAreRefusedNotCutOff) {
  std::vector<DeviceRule> rules;
  for (uint32_t i = 0; i < 12000; ++i) rules.push_back({true, DeviceType::character, i, i, kDeviceRead});
  auto program = compile_device_filter(rules);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, E2BIG);
}

}  // namespace minirun
