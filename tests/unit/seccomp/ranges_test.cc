// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/ranges.h"

#include <gtest/gtest.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <random>

#include "runtime/seccomp/answer.h"
#include "runtime/seccomp/code.h"

namespace minirun {
namespace {

constexpr uint32_t kArch = 7;
constexpr uint32_t kOther = 1000;  // the answer to other architectures

sock_filter answer(uint32_t value) {
  return statement(BPF_RET | BPF_K, value);
}

// As libseccomp's: one comparison and one answer for each number, the default behind them.
BpfCode one_by_one(const std::vector<std::pair<uint32_t, uint32_t>>& answers, uint32_t otherwise) {
  BpfCode code = {load(offsetof(seccomp_data, arch)), jump(BPF_JEQ, kArch, 1, 0), answer(kOther),
                  load(offsetof(seccomp_data, nr))};
  for (const auto& [number, value] : answers) {
    code.push_back(jump(BPF_JEQ, number, 0, 1));
    code.push_back(answer(value));
  }
  code.push_back(answer(otherwise));
  return code;
}

std::optional<uint32_t> run(const BpfCode& code, uint32_t number, uint64_t argument = 0, uint32_t arch = kArch) {
  seccomp_data data = {};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  data.args[0] = argument;
  return seccomp_answer(code, data);
}

void expect_same(const BpfCode& code, const BpfCode& searched, const std::vector<uint32_t>& numbers) {
  for (const uint32_t number : numbers) {
    for (uint64_t argument = 0; argument < 4; ++argument) {
      const auto expected = run(code, number, argument);
      ASSERT_TRUE(expected.has_value());
      ASSERT_EQ(run(searched, number, argument), expected) << "number " << number << " argument " << argument;
    }
    ASSERT_EQ(run(searched, number, 0, kArch + 1), kOther);
  }
}

std::vector<uint32_t> numbers_up_to(uint32_t last) {
  std::vector<uint32_t> numbers = {0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, UINT32_MAX - 1, UINT32_MAX};
  for (uint32_t number = 0; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

TEST(SearchByRanges, NeighboursWithOneAnswerAreOneComparison) {
  std::vector<std::pair<uint32_t, uint32_t>> answers;
  for (uint32_t number = 10; number < 310; ++number)
    if (number != 200) answers.emplace_back(number, 1);
  const BpfCode code = one_by_one(answers, 2);
  const BpfCode searched = search_by_ranges(code, kArch);
  EXPECT_EQ(searched.size(), 4u + 4 + 5);  // the architecture; comparisons and answers of five ranges
  expect_same(code, searched, numbers_up_to(400));
}

TEST(SearchByRanges, AnswersAreTheSameForRandomTables) {
  std::mt19937 engine(20240607);
  auto below = [&](uint32_t most) { return static_cast<uint32_t>(engine() % most); };
  for (int round = 0; round < 60; ++round) {
    const uint32_t last = 20 + below(700);
    const uint32_t kinds = 1 + below(5);
    const uint32_t share = 1 + below(9);
    std::vector<std::pair<uint32_t, uint32_t>> answers;
    for (uint32_t number = 0; number <= last; ++number)
      if (below(10) < share) answers.emplace_back(number, below(kinds));
    if (round % 3 == 0) answers.emplace_back(UINT32_MAX, 3);
    const BpfCode code = one_by_one(answers, 0);
    expect_same(code, search_by_ranges(code, kArch), numbers_up_to(last + 20));
  }
}

// More ranges than a jump of one byte reaches over.
TEST(SearchByRanges, FarAnswersAreReached) {
  std::vector<std::pair<uint32_t, uint32_t>> answers;
  for (uint32_t number = 0; number < 1500; ++number) {
    answers.emplace_back(2 * number, number % 7);
    answers.emplace_back(2 * number + 1, number % 7);
  }
  const BpfCode code = one_by_one(answers, 9);
  const BpfCode searched = search_by_ranges(code, kArch);
  EXPECT_LT(searched.size(), 3200u);
  expect_same(code, searched, numbers_up_to(3100));
}

// What looks at arguments stays, with its jumps, and without what lies between.
TEST(SearchByRanges, ArgumentsAreLookedAtAsBefore) {
  BpfCode code = {load(offsetof(seccomp_data, arch)), jump(BPF_JEQ, kArch, 1, 0), answer(kOther),
                  load(offsetof(seccomp_data, nr))};
  auto add_call = [&](uint32_t number, const BpfCode& block) {
    code.push_back(jump(BPF_JEQ, number, 0, block.size()));
    code.insert(code.end(), block.begin(), block.end());
  };
  const sock_filter argument = load(offsetof(seccomp_data, args));
  for (uint32_t number = 0; number < 100; ++number) add_call(number, {answer(1)});
  add_call(100, {argument, jump(BPF_JEQ, 1, 1, 0), answer(2), answer(3)});
  for (uint32_t number = 101; number < 160; ++number) add_call(number, {answer(1)});
  add_call(160, {argument, jump(BPF_JGT, 1, 0, 2), jump(BPF_JEQ, 2, 2, 0), jump_always(2), jump_always(2), answer(4),
                 answer(5), answer(6)});
  code.push_back(answer(7));
  const BpfCode searched = search_by_ranges(code, kArch);
  EXPECT_LT(searched.size(), 40u);
  expect_same(code, searched, numbers_up_to(200));
}

TEST(SearchByRanges, WhatItDoesNotUnderstandStaysAsItIs) {
  auto is_unchanged = [](const BpfCode& code) {
    const BpfCode searched = search_by_ranges(code, kArch);
    return std::equal(searched.begin(), searched.end(), code.begin(), code.end(), [](const auto& a, const auto& b) {
      return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
    });
  };
  std::vector<std::pair<uint32_t, uint32_t>> row;
  for (uint32_t number = 0; number < 50; ++number) row.emplace_back(number, 1);
  const BpfCode good = one_by_one(row, 0);
  EXPECT_FALSE(is_unchanged(good));
  const sock_filter odd[] = {
      jump(BPF_JSET, 1, 0, 1), statement(BPF_ALU | BPF_AND | BPF_K, 1), statement(BPF_LD | BPF_IMM, 3),
      statement(BPF_ST, 0),    {BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0},    statement(BPF_RET | BPF_A, 0)};
  for (const sock_filter& instruction : odd) {
    BpfCode code = good;
    code[4] = instruction;
    EXPECT_TRUE(is_unchanged(code)) << instruction.code;
  }
  BpfCode code = good;
  code.pop_back();
  code.push_back(load(0));
  EXPECT_TRUE(is_unchanged(code)) << "no end";
  code = good;
  code[code.size() - 3] = jump(BPF_JEQ, 3, 2, 0);
  EXPECT_TRUE(is_unchanged(code)) << "a jump that leads out";
  code = good;
  code[1] = load(offsetof(seccomp_data, nr));
  EXPECT_TRUE(is_unchanged(code)) << "other architectures are distinguished by the number";
  EXPECT_TRUE(is_unchanged({}));
  EXPECT_TRUE(is_unchanged({answer(1)})) << "nothing to gain";
}

}  // namespace
}  // namespace minirun
