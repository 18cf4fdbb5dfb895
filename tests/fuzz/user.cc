// SPDX-License-Identifier: Apache-2.0
// The ids on the command line of `exec`: --user and --additional-gids give exactly the ids that were written, or are
// refused. Nothing wraps around, nothing is looked up, nothing is root by accident.
#include <algorithm>
#include <optional>

#include "runtime/commands/exec_process.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

// Decimal digits that fit and do not mean "unchanged" to the kernel.
std::optional<uint32_t> id_of(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
  if (text.size() > 10) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) value = value * 10 + static_cast<uint64_t>(c - '0');
  return value < 0xffffffff ? std::optional(static_cast<uint32_t>(value)) : std::nullopt;
}

oci::Spec container() {
  oci::Spec spec;
  spec.process = oci::Process{};
  spec.process->cwd = "/";
  spec.process->args = {"/bin/true"};
  spec.process->user.uid = 77;
  spec.process->user.gid = 88;
  return spec;
}

void check_user(const oci::User& user, const std::string& text) {
  if (text.empty()) {
    HOLDS(user.uid == 77 && user.gid == 88, text);
    return;
  }
  size_t colon = text.find(':');
  auto uid = id_of(std::string_view(text).substr(0, colon));
  HOLDS(uid && user.uid == *uid, text);
  auto gid = colon == std::string::npos ? std::optional<uint32_t>(88) : id_of(std::string_view(text).substr(colon + 1));
  HOLDS(gid && user.gid == *gid, text);
}

// Only what is sound is refused for nothing.
bool is_sound(const ProcessOptions& command) {
  size_t colon = command.user.find(':');
  bool user = command.user.empty() || (id_of(std::string_view(command.user).substr(0, colon)) &&
                                       (colon == std::string::npos || id_of(command.user.substr(colon + 1))));
  return user && std::all_of(command.additional_gids.begin(), command.additional_gids.end(),
                             [](const std::string& gid) { return id_of(gid).has_value(); });
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  ProcessOptions command;
  command.arguments = {"/bin/id"};
  command.user = input.part('\n');
  while (!input.empty() && command.additional_gids.size() < 20) command.additional_gids.emplace_back(input.part('\n'));
  auto spec = exec_spec(command, container());
  HOLDS(spec.ok() == is_sound(command), command.user);
  if (!spec.ok()) return;
  const oci::User& user = spec->process->user;
  check_user(user, command.user);
  HOLDS(user.additional_gids.size() == command.additional_gids.size(), command.user);
  for (size_t i = 0; i < command.additional_gids.size(); ++i)
    HOLDS(user.additional_gids[i] == id_of(command.additional_gids[i]), command.additional_gids[i]);
}
