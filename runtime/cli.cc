#include "runtime/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/seccomp.h"

namespace minirun {
namespace {

struct Positionals {  // [BUNDLE] [ID], see assign_positionals
  std::vector<std::string> values;
  bool bundle_given = false;
};

void add_run(CLI::App& app, RunCommand* run, Positionals* positionals) {
  CLI::App* command = app.add_subcommand("run", "create and start a container, wait for it, return its exit status");
  command->add_option("-b,--bundle", run->bundle, "the bundle's directory (default: the current one)");
  command->add_option("--pid-file", run->pid_file, "write the pid of the container's first process to this file");
  command->add_option("--console-socket", run->console_socket, "send the terminal's descriptor to this AF_UNIX socket");
  command->add_option("--preserve-fds", run->preserve_fds, "pass this many descriptors after stdio on");
  command->add_flag("-d,--detach", run->detach, "return when the container runs");
  command->add_flag("--keep", run->keep, "keep the container's state after it has ended");
  command->add_flag("--no-init", run->no_init, "run the workload as PID 1 itself, without minirun's init");
  command->add_flag("--no-pivot", run->no_pivot, "change the root without pivot_root (host root is an initramfs)");
  command->add_option("ARGUMENTS", positionals->values, "[BUNDLE] [ID]")->expected(0, 2);
}

void add_plan(CLI::App& app, PlanCommand* plan) {
  CLI::App* command = app.add_subcommand("plan", "print what run would do, step by step, without doing it");
  command->add_option("BUNDLE", plan->bundle, "the bundle's directory (default: the current one)");
  command->add_option("-f,--format", plan->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--no-init", plan->no_init, "plan for run --no-init");
}

void add_delete(CLI::App& app, DeleteCommand* remove) {
  CLI::App* command = app.add_subcommand("delete", "remove an ended container, or with --force any");
  command->add_flag("-f,--force", remove->force, "kill what still runs; no error if there is no such container");
  command->add_option("ID", remove->id, "the container")->required();
}

void add_kill(CLI::App& app, KillCommand* kill) {
  CLI::App* command = app.add_subcommand("kill", "send a signal to the container's first process");
  command->add_option("ID", kill->id, "the container")->required();
  command->add_option("SIGNAL", kill->signal, "number or name, TERM when not given");
}

void add_state(CLI::App& app, StateCommand* state) {
  CLI::App* command = app.add_subcommand("state", "print a container's state as JSON");
  command->add_option("ID", state->id, "the container")->required();
}

void add_list(CLI::App& app, ListCommand* list) {
  CLI::App* command = app.add_subcommand("list", "list the containers");
  command->add_flag("-q,--quiet", list->quiet, "ids only");
  command->add_option("-f,--format", list->format, "table or json")->check(CLI::IsMember({"table", "json"}));
}

// One argument alone is a bundle if it looks like one, as in `minirun run bundle/`; else it is an id, as runc has it.
void assign_positionals(const Positionals& given, RunCommand* run) {
  if (given.bundle_given) {
    if (!given.values.empty()) run->id = given.values.back();
    return;
  }
  if (given.values.empty()) return;
  const std::string& first = given.values[0];
  bool is_bundle = given.values.size() == 2 || first.find('/') != std::string::npos || first == "." || first == ".." ||
                   access((first + "/config.json").c_str(), F_OK) == 0;
  if (is_bundle)
    run->bundle = first;
  else
    run->id = first;
  if (given.values.size() == 2) run->id = given.values[1];
}

std::string version_text() {
  return fmt::format("minirun version {}\nspec: 1.3.0\nlibseccomp: {}\n", MINIRUN_VERSION, libseccomp_version());
}

struct Commands {
  RunCommand run;
  PlanCommand plan;
  DeleteCommand remove;
  KillCommand kill;
  StateCommand state;
  ListCommand list;
  Positionals positionals;
};

// Describing a command to CLI11 costs more than reading a config.json: only those whose names are on the command line
// are described, or all, for help and for the error.
void add_commands(CLI::App& app, const std::vector<std::string_view>& arguments, Commands* commands) {
  app.require_subcommand(1);
  const std::pair<std::string_view, std::function<void()>> known[] = {
      {"run", [&] { add_run(app, &commands->run, &commands->positionals); }},
      {"plan", [&] { add_plan(app, &commands->plan); }},
      {"state", [&] { add_state(app, &commands->state); }},
      {"kill", [&] { add_kill(app, &commands->kill); }},
      {"delete", [&] { add_delete(app, &commands->remove); }},
      {"list", [&] { add_list(app, &commands->list); }},
  };
  auto named = [&](std::string_view name) {
    return std::find(arguments.begin(), arguments.end(), name) != arguments.end();
  };
  bool any = std::any_of(std::begin(known), std::end(known), [&](const auto& command) { return named(command.first); });
  for (const auto& [name, add] : known)
    if (!any || named(name)) add();
}

void add_globals(CLI::App& app, GlobalOptions* global) {
  app.add_option("--root", global->root, "directory for the state of containers")->capture_default_str();
  app.add_option("--log", global->log, "file for errors and, with --debug, what minirun does");
  app.add_option("--log-format", global->log_format, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--debug", global->debug, "log what minirun does");
}

// What CLI11 calls "a subcommand is required".
std::string no_command(int argc, char** argv) {
  constexpr const char* kKnown = "run, plan, state, list, kill, delete (minirun --help)";
  if (argc < 2) return fmt::format("which command? One of {}", kKnown);
  if (argv[1][0] == '-') return "";  // an option that is wrong: CLI11 says how
  return fmt::format("unknown command \"{}\": one of {}", argv[1], kKnown);
}

}  // namespace

Invocation parse_command_line(int argc, char** argv) {
  Invocation invocation;
  Commands commands;
  CLI::App app("minirun: an OCI container runtime", "minirun");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_version_flag("-v,--version", version_text, "print the version");
  add_globals(app, &invocation.global);
  add_commands(app, {argv + 1, argv + argc}, &commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    CLI::App* chosen = app.get_subcommands().empty() ? &app : app.get_subcommands()[0];
    invocation.command = PrintAndExit{chosen->help(), "", 0};
    return invocation;
  } catch (const CLI::CallForVersion& version) {
    invocation.command = PrintAndExit{version.what(), "", 0};
    return invocation;
  } catch (const CLI::ParseError& error) {
    std::string text = app.get_subcommands().empty() ? no_command(argc, argv) : "";
    invocation.command = PrintAndExit{"", text.empty() ? error.what() : text, 1};
    return invocation;
  }
  CLI::App* chosen = app.get_subcommands()[0];
  const std::string& name = chosen->get_name();
  if (name == "run") {
    commands.positionals.bundle_given = chosen->count("--bundle") > 0;
    assign_positionals(commands.positionals, &commands.run);
    invocation.command = commands.run;
  }
  if (name == "plan") invocation.command = commands.plan;
  if (name == "delete") invocation.command = commands.remove;
  if (name == "kill") invocation.command = commands.kill;
  if (name == "state") invocation.command = commands.state;
  if (name == "list") invocation.command = commands.list;
  return invocation;
}

}  // namespace minirun
