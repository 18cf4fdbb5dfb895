// SPDX-License-Identifier: Apache-2.0
// The program that a process executes: its environment, its search path, and the exec itself.
#include <algorithm>
#include <set>
#include <string_view>

#include "runtime/compile/home.h"
#include "runtime/compile/notify_paths.h"
#include "runtime/compile/parts.h"
#include "runtime/text/json.h"

namespace minirun {
namespace {

std::string command_text(const oci::Strings& args) {
  std::string text;
  constexpr size_t kMaxBytes = 200;
  for (const std::string& arg : args) {
    bool plain = !arg.empty() && arg.find_first_of(" \t\n\r\"'\\$;&|<>()*?`") == std::string::npos;
    text += (text.empty() ? "" : " ") + (plain ? arg : quoted(arg));
    if (text.size() > kMaxBytes) return text.substr(0, kMaxBytes) + "...";
  }
  return text;
}

// Keeps the last entry of each name, in its place: getenv(3) returns the first, and engines append replacements.
void keep_last_of_each(oci::Strings* env) {
  std::set<std::string_view> seen;
  oci::Strings kept;
  for (auto entry = env->rbegin(); entry != env->rend(); ++entry)
    if (seen.insert(std::string_view(*entry).substr(0, entry->find('='))).second) kept.push_back(*entry);
  std::reverse(kept.begin(), kept.end());
  *env = std::move(kept);
}

// The variables of sd_listen_fds(3). Under an init only the workload knows its own pid.
void add_listen_fds(const ListenFds& listen, oci::Strings* env) {
  std::erase_if(*env, [](const std::string& entry) {
    return entry.starts_with("LISTEN_PID=") || entry.starts_with("LISTEN_FDS=") || entry.starts_with("LISTEN_FDNAMES=");
  });
  if (listen.names) env->push_back("LISTEN_FDNAMES=" + *listen.names);
  env->push_back("LISTEN_FDS=" + std::to_string(listen.count));
  env->push_back("LISTEN_PID=0000000000");  // room for any
}

}  // namespace

PointerTable emit_environment(Compilation& c) {
  oci::Strings env = c.process->env;
  keep_last_of_each(&env);
  bool hook = !c.program.empty();
  if (c.options.notify && !hook) {  // the host's socket does not exist there, whatever the config copied
    std::erase_if(env, [](const auto& entry) { return entry.starts_with("NOTIFY_SOCKET="); });
    env.push_back(fmt::format("NOTIFY_SOCKET={}", kNotifyPath));
  }
  if ((!hook || c.inherits_env) && !has_home(env)) env.push_back("HOME=" + c.paths.home);
  const ListenFds& listen = c.options.listen_fds;
  if (listen.count > 0) add_listen_fds(listen, &env);
  PointerTable table = c.plan.pointer_table(env);
  if (listen.count == 0) return table;
  steps::OwnPid own_pid{table, static_cast<uint32_t>(env.size() - 1), c.text("LISTEN_PID")};
  if (c.enters)
    c.own_pid = own_pid;
  else
    c.add(own_pid);
  return table;
}

void emit_execute(Compilation& c, PointerTable environment) {
  const oci::Process& process = *c.process;
  bool hook = !c.program.empty();
  c.out.search_path = search_path_of(process.env);
  std::vector<std::string> candidates = {c.program};
  if (!hook) candidates = program_candidates(process.args[0], c.out.search_path);
  steps::Execute execute{};
  execute.candidates = c.plan.list(candidates);
  execute.command = c.text(hook ? c.program : command_text(process.args));
  execute.arguments = c.plan.pointer_table(process.args);
  execute.environment = environment;
  c.add(execute, hook ? c.program_origin : "/process/args");
}

std::string search_path_of(const oci::Strings& env) {
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& entry : env)
    if (entry.compare(0, 5, "PATH=") == 0) path = entry.substr(5);
  return path;
}

std::vector<std::string> program_candidates(const std::string& program, const std::string& search_path) {
  if (program.empty() || program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  for (size_t start = 0; start <= search_path.size();) {
    size_t end = std::min(search_path.find(':', start), search_path.size());
    std::string directory = search_path.substr(start, end - start);
    if (directory.empty()) directory = ".";  // the working directory (environ(7))
    candidates.push_back((directory == "/" ? "" : directory) + "/" + program);
    start = end + 1;
  }
  return candidates;
}

}  // namespace minirun
