// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/ranges.h"

#include <linux/seccomp.h>

#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "runtime/seccomp/code.h"

namespace minirun {
namespace {

constexpr unsigned kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr unsigned kReturn = BPF_RET | BPF_K;
constexpr unsigned kJump = BPF_JMP | BPF_JA;
// With more ranges on the left, a one-byte jump might not reach the right half: two instructions each.
constexpr size_t kNear = 64;

// Where the code ends for one number: at an answer, or at an instruction that loads an argument.
struct End {
  bool is_answer = false;
  uint32_t value = 0;  // SECCOMP_RET_*, or the instruction's index
  bool operator==(const End& other) const { return is_answer == other.is_answer && value == other.value; }
};

struct Range {
  uint32_t first = 0;
  End end;
};

struct Call {
  uint32_t arch = 0;
  std::optional<uint32_t> number;  // absent: the code must not load it
};

std::optional<bool> is_true(const sock_filter& instruction, uint32_t accumulator) {
  switch (instruction.code) {
    case BPF_JMP | BPF_JEQ | BPF_K:
      return accumulator == instruction.k;
    case BPF_JMP | BPF_JGT | BPF_K:
      return accumulator > instruction.k;
    case BPF_JMP | BPF_JGE | BPF_K:
      return accumulator >= instruction.k;
    default:
      return std::nullopt;
  }
}

// Whether it ends with an answer and no jump leads out, as seccomp(2) requires.
bool is_whole(const BpfCode& code) {
  for (size_t at = 0; at < code.size(); ++at) {
    const sock_filter& instruction = code[at];
    const size_t left = code.size() - at - 1;
    if (BPF_CLASS(instruction.code) != BPF_JMP) continue;
    if (instruction.code == kJump ? instruction.k >= left : instruction.jt >= left || instruction.jf >= left)
      return false;
  }
  return !code.empty() && BPF_CLASS(code.back().code) == BPF_RET;
}

// Nothing for an unknown instruction.
std::optional<End> follow(const BpfCode& code, const Call& call) {
  std::optional<uint32_t> accumulator;
  for (size_t at = 0; at < code.size(); ++at) {  // jumps lead forwards only
    const sock_filter& instruction = code[at];
    if (instruction.code == kReturn) return End{true, instruction.k};
    if (instruction.code == kLoadWord) {
      if (instruction.k >= offsetof(seccomp_data, args)) return End{false, static_cast<uint32_t>(at)};
      if (instruction.k == offsetof(seccomp_data, arch))
        accumulator = call.arch;
      else if (instruction.k == offsetof(seccomp_data, nr) && call.number)
        accumulator = call.number;
      else
        return std::nullopt;
    } else if (instruction.code == kJump) {
      at += instruction.k;
    } else {
      if (!accumulator) return std::nullopt;
      const auto truth = is_true(instruction, *accumulator);
      if (!truth) return std::nullopt;
      at += *truth ? instruction.jt : instruction.jf;
    }
  }
  return std::nullopt;
}

// Merges consecutive numbers with the same end into a range. The code compares only with constants, so nothing changes
// between two neighbouring constants.
std::optional<std::vector<Range>> ranges_of(const BpfCode& code, uint32_t audit_arch) {
  std::set<uint32_t> starts = {0};
  for (const sock_filter& instruction : code) {
    if (BPF_CLASS(instruction.code) != BPF_JMP || instruction.code == kJump) continue;
    starts.insert(instruction.k);
    if (instruction.k < UINT32_MAX) starts.insert(instruction.k + 1);
  }
  std::vector<Range> ranges;
  for (const uint32_t start : starts) {
    const auto end = follow(code, {audit_arch, start});
    if (!end) return std::nullopt;
    if (ranges.empty() || !(ranges.back().end == *end)) ranges.push_back({start, *end});
  }
  return ranges;
}

// The code for numbers whose arguments matter, without unreachable instructions.
class Remainder {
 public:
  Remainder(const BpfCode& code, const std::vector<Range>& ranges) : reached_(code.size()), places_(code.size()) {
    for (const Range& range : ranges)
      if (!range.end.is_answer) reached_[range.end.value] = true;
    for (size_t at = 0; at < code.size(); ++at)
      if (reached_[at]) keep(code, at);
    for (size_t i = 0; i < kept_.size(); ++i) relocate(code, i);
  }

  const BpfCode& code() const { return kept_; }
  size_t place_of(size_t instruction) const { return places_[instruction]; }

 private:
  void keep(const BpfCode& code, size_t at) {
    places_[at] = kept_.size();
    kept_.push_back(code[at]);
    old_.push_back(at);
    if (BPF_CLASS(code[at].code) == BPF_RET) return;
    if (code[at].code == kJump) {
      reached_[at + 1 + code[at].k] = true;
    } else if (BPF_CLASS(code[at].code) == BPF_JMP) {
      reached_[at + 1 + code[at].jt] = reached_[at + 1 + code[at].jf] = true;
    } else {
      reached_[at + 1] = true;
    }
  }

  void relocate(const BpfCode& code, size_t i) {
    const sock_filter& was = code[old_[i]];
    if (BPF_CLASS(was.code) != BPF_JMP) return;
    auto distance = [&](size_t old_distance) { return places_[old_[i] + 1 + old_distance] - i - 1; };  // never longer
    if (was.code == kJump)
      kept_[i].k = static_cast<uint32_t>(distance(was.k));
    else
      kept_[i] = jump(was.code & ~unsigned{BPF_JMP}, was.k, distance(was.jt), distance(was.jf));
  }

  std::vector<bool> reached_;
  std::vector<size_t> places_;  // of an old instruction
  BpfCode kept_;
  std::vector<size_t> old_;  // of a kept one
};

class Search {
 public:
  Search(const std::vector<Range>& ranges, const Remainder& remainder) : ranges_(ranges), remainder_(remainder) {
    add(0, ranges.size());
    for (const auto& [at, place] : open_) code_[at].k = static_cast<uint32_t>(code_.size() + place - at - 1);
  }
  BpfCode take() && { return std::move(code_); }

 private:
  void add(size_t first, size_t behind) {
    if (behind - first == 1) return add_end(ranges_[first].end);
    const size_t middle = first + (behind - first) / 2;
    const bool is_near = middle - first <= kNear;
    const size_t at = code_.size();
    code_.push_back(jump(BPF_JGE, ranges_[middle].first, 0, is_near ? 0 : 1));
    if (!is_near) code_.push_back(jump_always(0));
    const size_t left = code_.size();
    add(first, middle);
    if (is_near)
      code_[at].jt = static_cast<uint8_t>(code_.size() - left);
    else
      code_[at + 1].k = static_cast<uint32_t>(code_.size() - left);
    add(middle, behind);
  }

  void add_end(const End& end) {
    if (end.is_answer) return code_.push_back(statement(kReturn, end.value));
    open_.emplace_back(code_.size(), remainder_.place_of(end.value));
    code_.push_back(jump_always(0));
  }

  const std::vector<Range>& ranges_;
  const Remainder& remainder_;
  std::vector<std::pair<size_t, size_t>> open_;  // a jump, and the place in the remainder that it leads to
  BpfCode code_;
};

}  // namespace

std::vector<sock_filter> search_by_ranges(const std::vector<sock_filter>& code, uint32_t audit_arch) {
  if (!is_whole(code)) return code;
  const auto others = follow(code, {~audit_arch, std::nullopt});
  if (!others || !others->is_answer) return code;
  const auto ranges = ranges_of(code, audit_arch);
  if (!ranges) return code;
  const Remainder remainder(code, *ranges);
  const BpfCode search = Search(*ranges, remainder).take();
  BpfCode out = {load(offsetof(seccomp_data, arch)), jump(BPF_JEQ, audit_arch, 1, 0), statement(kReturn, others->value),
                 load(offsetof(seccomp_data, nr))};
  out.insert(out.end(), search.begin(), search.end());
  out.insert(out.end(), remainder.code().begin(), remainder.code().end());
  return out.size() < code.size() ? out : code;
}

}  // namespace minirun
