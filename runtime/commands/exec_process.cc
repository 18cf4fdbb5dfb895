// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/exec_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>

#include "runtime/compile/capabilities.h"
#include "runtime/oci/parse.h"
#include "runtime/oci/validate.h"
#include "runtime/text/json.h"
#include "runtime/text/log.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr size_t kMaxProcessBytes = 4 << 20;

constexpr std::string_view kProcess = "/process";

// The option that asked for a property of the process; "" for none.
std::string_view option_of(std::string_view below, const ProcessOptions& options) {
  const std::pair<std::string_view, std::string_view> given[] = {
      {options.apparmor.empty() ? "" : "/apparmorProfile", "--apparmor"},
      {options.process_label.empty() ? "" : "/selinuxLabel", "--process-label"},
      {options.cwd.empty() ? "" : "/cwd", "--cwd"},
      {options.env.empty() ? "" : "/env", "--env"},
      {options.additional_gids.empty() ? "" : "/user/additionalGids", "--additional-gids"},
      {options.user.empty() ? "" : "/user", "--user"},
      {options.tty.value_or(false) ? "/terminal" : "", "--tty"},
      {options.process.empty() ? "/args" : "", "the command"},
  };
  for (const auto& [pointer, option] : given)
    if (!pointer.empty() && below.starts_with(pointer)) return option;
  return "";
}

// The file is a process object, so pointers into it lack /process.
std::string in_file(const std::string& file, std::string_view pointer) {
  if (pointer.starts_with(kProcess)) pointer.remove_prefix(kProcess.size());
  return pointer.empty() ? file : fmt::format("{}: {}", file, pointer);
}

// Names a property by the option or the file that asked for it.
std::string given_as(std::string_view pointer, const ProcessOptions& options) {
  if (!pointer.starts_with(kProcess)) return std::string(pointer);
  std::string_view option = option_of(pointer.substr(kProcess.size()), options);
  if (!option.empty()) return std::string(option);
  return options.process.empty() ? std::string(pointer) : in_file(options.process, pointer);
}

Error as_error(const Problems& problems, const std::function<std::string(std::string_view pointer)>& name) {
  std::string text;
  for (const Problem& problem : problems)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", name(problem.pointer), problem.message);
  Error error{0, std::move(text), ErrorKind::config};
  error.change_details().problems = problems;
  return error;
}

// Applies the container's rules to the new process.
Problems problems_of(const oci::Spec& spec) {
  Problems problems = validate(spec).problems;
  std::erase_if(problems, [](const Problem& problem) { return !problem.pointer.starts_with(kProcess); });
  return problems;
}

Result<void> read_process_file(const std::string& file, oci::Spec* spec) {
  UniqueFd fd = TRY(open_at(AT_FDCWD, file, O_RDONLY | O_NOCTTY));
  std::string json = TRY(read_all(fd.get(), kMaxProcessBytes, file));
  auto document = JsonDocument::parse(json);
  if (!document.ok()) return fail(ErrorKind::config, "{}:{}", file, document.error().message);
  auto name = [&](std::string_view pointer) { return in_file(file, pointer); };
  ParseOutcome parsed = parse_process(**document);
  for (const UnknownProperty& property : parsed.unknown)
    log_debug("{}: {}: unknown property, ignored", file, property.pointer);
  if (!parsed.problems.empty()) return as_error(parsed.problems, name);
  if (!parsed.spec.process) return fail(ErrorKind::config, "{}: must be a process object", file);
  spec->process = std::move(parsed.spec.process);
  Problems problems = problems_of(*spec);
  if (!problems.empty()) return as_error(problems, name);
  return {};
}

Result<uint32_t> parse_id(const char* option, std::string_view text) {
  constexpr uint32_t kNoId = 0xffffffff;  // to the kernel it means "leave it as it is" (setresuid(2))
  uint32_t id = kNoId;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (id == kNoId || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return fail(ErrorKind::usage, "{}: \"{}\" is not the number of a user or group (names are not looked up)", option,
                text);
  return id;
}

Result<void> take_user(const std::string& text, oci::User* user) {
  if (text.empty()) return {};
  size_t colon = text.find(':');
  user->uid = TRY(parse_id("--user", std::string_view(text).substr(0, colon)));
  if (colon != std::string::npos) user->gid = TRY(parse_id("--user", std::string_view(text).substr(colon + 1)));
  return {};
}

void add_missing(oci::Strings* set, const std::string& name) {
  if (std::find(set->begin(), set->end(), name) == set->end()) set->push_back(name);
}

bool is_known(const std::string& capability) {
  oci::Capabilities asked;
  asked.bounding = {capability};
  return resolve_capabilities(&asked, ~uint64_t{0}).sets.bounding != 0;
}

// As in runc. Not added to the inheritable set: a program with inheritable file capabilities would get more than the
// container's own process (CVE-2022-29162). Another user's exec drops a capability that is not ambient.
void add_capability(const std::string& name, oci::Process* process) {
  if (!is_known(name)) {
    report_line(fmt::format("minirun: warning: --cap {}: is not a capability that this build knows", quoted(name)));
    return;
  }
  if (!process->capabilities) process->capabilities.emplace();
  oci::Capabilities& sets = *process->capabilities;
  add_missing(&sets.bounding, name);
  add_missing(&sets.permitted, name);
  add_missing(&sets.effective, name);
  const oci::Strings& inheritable = sets.inheritable;
  if (std::find(inheritable.begin(), inheritable.end(), name) != inheritable.end())
    add_missing(&sets.ambient, name);
  else if (process->user.uid != 0)
    report_line(
        fmt::format("minirun: warning: --cap {}: is not in the inheritable set, so only programs with file "
                    "capabilities have it as uid {}",
                    name, process->user.uid));
}

Result<void> take_options(const ProcessOptions& options, oci::Process* process) {
  if (!options.cwd.empty()) process->cwd = options.cwd;
  TRY(take_user(options.user, &process->user));
  for (const std::string& gid : options.additional_gids)
    process->user.additional_gids.push_back(TRY(parse_id("--additional-gids", gid)));
  process->env.insert(process->env.end(), options.env.begin(), options.env.end());
  for (const std::string& name : options.capabilities) add_capability(name, process);
  if (!options.apparmor.empty()) process->apparmor_profile = options.apparmor;
  if (!options.process_label.empty()) process->selinux_label = options.process_label;
  if (options.no_new_privs) process->no_new_privileges = *options.no_new_privs;
  if (options.tty) process->terminal = *options.tty;
  return {};
}

// The container's own process with the command line's program, and without its terminal.
oci::Process process_like(const oci::Spec& container, const std::vector<std::string>& arguments) {
  oci::Process process = container.process.value_or(oci::Process{});
  if (process.cwd.empty()) process.cwd = "/";
  process.args = arguments;
  process.terminal = false;
  return process;
}

}  // namespace

void describe(Options& options, ProcessOptions& process) {
  options.value("-p,--process", "FILE", process.process, "take a process object of config.json from this file");
  options.value("--cwd", "DIR", process.cwd, "working directory, in the container");
  options.values("-e,--env", "NAME=VALUE", process.env, "set one more variable (may be repeated)");
  options.value("-u,--user", "UID[:GID]", process.user, "run as this user, in numbers");
  options.values("-g,--additional-gids", "GID", process.additional_gids, "add a group (may be repeated)");
  options.values("-c,--cap", "CAPABILITY", process.capabilities, "add a capability (may be repeated)");
  options.flag("--no-new-privs", process.no_new_privs, "set no_new_privs");
  options.value("--apparmor", "PROFILE", process.apparmor, "use this AppArmor profile");
  options.value("--process-label", "LABEL", process.process_label, "use this SELinux label");
}

Error name_as_given_to_exec(Error error, const ProcessOptions& options) {
  const std::string pointer = error.details().pointer, given = given_as(pointer, options);
  if (given == pointer) return error;
  // An error that names its place begins with it.
  for (const std::string& place : {pointer, "config.json: " + pointer})
    if (error.message.starts_with(place + ": ")) error.message.replace(0, place.size(), given);
  return error;
}

Result<oci::Spec> exec_spec(const ProcessOptions& options, const oci::Spec& container) {
  const std::string& file = options.process;
  if (file.empty() && options.arguments.empty())
    return fail(ErrorKind::usage, "no command given: name one after the id, or use --process FILE");
  if (!file.empty() && !options.arguments.empty())
    report_line(fmt::format("minirun: warning: command {} is ignored: --process {} has the one that runs",
                            quoted(options.arguments[0]), file));
  oci::Spec spec = container;
  if (file.empty())
    spec.process = process_like(container, options.arguments);
  else
    TRY(read_process_file(file, &spec));
  TRY(take_options(options, &*spec.process));
  Problems problems = problems_of(spec);
  if (!problems.empty())
    return as_error(problems, [&](std::string_view pointer) { return given_as(pointer, options); });
  return spec;
}

}  // namespace minirun
