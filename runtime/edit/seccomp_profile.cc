// SPDX-License-Identifier: Apache-2.0
#include "runtime/edit/seccomp_profile.h"

#include <linux/sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "runtime/edit/seccomp_calls.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

bool has_any(const std::vector<std::string>& bounding, std::string_view wanted) {
  auto words = words_in(wanted);
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return std::find(bounding.begin(), bounding.end(), word) != bounding.end();
  });
}

struct Condition {
  std::string_view op;     // SCMP_CMP_*
  uint64_t value;          // masked: the mask
  uint64_t value_two = 0;  // masked: what must be left
};

void write_condition(JsonWriter& json, const Condition& condition) {
  json.begin_object().key("index").number(0).key("value").unsigned_number(condition.value);
  if (condition.op == "SCMP_CMP_MASKED_EQ") json.key("valueTwo").unsigned_number(condition.value_two);
  json.key("op").string(condition.op).end_object();
}

// A rule for one call that allows it, where a condition is given only if its first argument meets that.
void write_rule(JsonWriter& json, std::string_view name, const Condition* condition) {
  json.begin_object().key("names").begin_array().string(name).end_array();
  json.key("action").string("SCMP_ACT_ALLOW");
  if (condition != nullptr) {
    json.key("args").begin_array();
    write_condition(json, *condition);
    json.end_array();
  }
  json.end_object();
}

// As if the kernel did not have the call.
void write_enosys(JsonWriter& json, std::string_view name) {
  json.begin_object().key("names").begin_array().string(name).end_array();
  json.key("action").string("SCMP_ACT_ERRNO").key("errnoRet").number(ENOSYS).end_object();
}

void write_names(JsonWriter& json, const std::vector<std::string_view>& names) {
  json.begin_object().key("names").begin_array();
  for (std::string_view name : names) json.string(name);
  json.end_array().key("action").string("SCMP_ACT_ALLOW").end_object();
}

// clone(2) has its flags in a register. Those of clone3(2) are in memory, where no filter can see them: with ENOSYS the
// C libraries fall back to clone(2). CLONE_NEWTIME is none of clone's flags.
void write_clone(JsonWriter& json, bool all) {
  constexpr uint64_t kNamespaces =
      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  const Condition none{"SCMP_CMP_MASKED_EQ", kNamespaces, 0};
  write_rule(json, "clone", all ? nullptr : &none);
  if (all) return write_rule(json, "clone3", nullptr);
  write_enosys(json, "clone3");
}

// personality(2): the ordinary one and that of 32-bit programs, each with or without the release "2.6"; and the
// question for the present one.
void write_personality(JsonWriter& json) {
  // PER_LINUX, PER_LINUX32, UNAME26
  constexpr uint64_t kOrdinary = 0, kLinux32 = 0x0008, kUname26 = 0x0020000, kAsk = 0xffffffff;
  for (uint64_t persona : {kOrdinary, kLinux32, kUname26, kUname26 | kLinux32, kAsk}) {
    const Condition is{"SCMP_CMP_MASKED_EQ", 0xffffffff, persona};  // the kernel takes 32 bits
    write_rule(json, "personality", &is);
  }
}

// The kernel takes the domain as an int, so a comparison of all 64 bits could be got around. A domain is not AF_VSOCK
// where one of its low six bits differs (several conditions on one argument are alternatives); all domains are
// below 64.
void write_socket(JsonWriter& json) {
  json.begin_object().key("names").begin_array().string("socket").end_array();
  json.key("action").string("SCMP_ACT_ALLOW").key("args").begin_array();
  for (uint64_t bit = 1; bit < 64; bit <<= 1)
    write_condition(json, {"SCMP_CMP_MASKED_EQ", bit, ~uint64_t{AF_VSOCK} & bit});
  json.end_array().end_object();
  // With socketcall(2), 32-bit programs make sockets too, and the domain is in memory. libseccomp would let SYS_SOCKET
  // pass where any socket may be made. A rule without conditions overrides that. The C libraries make the direct call.
  write_enosys(json, "socketcall");
}

}  // namespace

std::string default_seccomp(const std::vector<std::string>& bounding) {
  JsonWriter json;
  json.begin_object().key("defaultAction").string("SCMP_ACT_ERRNO").key("defaultErrnoRet").number(EPERM);
  json.key("architectures").begin_array();
#if defined(__x86_64__)
  json.string("SCMP_ARCH_X86_64").string("SCMP_ARCH_X86").string("SCMP_ARCH_X32");
#elif defined(__aarch64__)
  json.string("SCMP_ARCH_AARCH64").string("SCMP_ARCH_ARM");
#endif
  json.end_array().key("syscalls").begin_array();
  std::vector<std::string_view> names;
  for (const SeccompGroup& group : seccomp_groups()) {
    bool allowed = group.decision == SeccompDecision::allowed ||
                   (group.decision == SeccompDecision::with_capability && has_any(bounding, group.capabilities));
    if (!allowed) continue;
    auto words = words_in(group.calls);
    names.insert(names.end(), words.begin(), words.end());
  }
  std::sort(names.begin(), names.end());
  write_names(json, names);
  write_clone(json, has_any(bounding, "CAP_SYS_ADMIN"));
  write_personality(json);
  write_socket(json);
  json.end_array().end_object();
  return json.take();
}

}  // namespace minirun
