// SPDX-License-Identifier: Apache-2.0
#include "cgroups/device_filter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/unit/cgroups/device_machine.h"

namespace minirun {
namespace {

// Numbers that appear in rules, and one that does not.
constexpr uint32_t kMajors[] = {1, 5, 0xffffffff, 77};
constexpr uint32_t kMinors[] = {0, 3, 0x80000000, 77};

// Compares program and meaning for every kind of access. Returns the program's size.
size_t check(const std::vector<DeviceRule>& rules) {
  auto program = compile_device_filter(rules);
  EXPECT_TRUE(program.ok());
  DeviceMachine machine(*program);
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
  DeviceMachine machine(*program);
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
  DeviceMachine machine(*program);
  for (DeviceType type : {DeviceType::block, DeviceType::character})
    for (uint32_t major : {1U, 5U, 136U, 7U})
      for (uint32_t minor = 0; minor < 11; ++minor)
        for (uint8_t bits = 1; bits <= kDeviceAll; ++bits) machine.run({type, major, minor, bits});
  EXPECT_TRUE(machine.reached_all());
}

TEST(DeviceFilter, AskingForNothingIsAllowedByTheDefaults) {
  auto program = compile_device_filter(with_default_devices({}, false));
  EXPECT_TRUE(DeviceMachine(*program).run({DeviceType::block, 8, 0, 0}));  // access(2) with F_OK
}

TEST(DeviceFilter, TooManyRulesAreRefusedNotCutOff) {
  std::vector<DeviceRule> rules;
  for (uint32_t i = 0; i < 12000; ++i) rules.push_back({true, DeviceType::character, i, i, kDeviceRead});
  auto program = compile_device_filter(rules);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, E2BIG);
}

}  // namespace minirun
