// SPDX-License-Identifier: Apache-2.0
// The commands that faults happen in: their names and arguments.
#include <cstdlib>

#include "tests/faults/scene.h"

namespace minirun::testing {

bool makes_container(Command command) {
  return command == Command::create || command == Command::run || command == Command::run_detached ||
         command == Command::run_kept || command == Command::run_explained;
}

const char* name_of(Command command) {
  switch (command) {
    case Command::create:
      return "create";
    case Command::start:
      return "start";
    case Command::run:
      return "run";
    case Command::run_detached:
      return "run --detach";
    case Command::run_kept:
      return "run --detach --timeout";
    case Command::run_explained:
      return "run --explain-seccomp";
    case Command::exec:
      return "exec";
    case Command::kill:
      return "kill";
    case Command::remove:
      return "delete --force";
    case Command::wait:
      return "wait --format json";
    case Command::pause:
      return "pause";
    case Command::update:
      return "update";
    case Command::resume:
      return "resume";
    case Command::stop:
      return "stop";
    case Command::stats:
      return "events --stats";
    case Command::top:
      return "top --once";
    case Command::doctor:
      return "doctor";
    case Command::check:
      return "check";
  }
  abort();
}

// Some sweeps are those of minirun as engines call it, without events.
bool Scene::watches(Command command) const {
  bool launches = makes_container(command) || command == Command::start || command == Command::exec;
  return launches && (kind_ == Kind::user || kind_ == Kind::joined);
}

// Each command that launches, in one of its sweeps: the times are two more calls before and after each step.
bool Scene::times(Command command) const {
  return watches(command) && (kind_ == Kind::joined || command == Command::exec);
}

bool Scene::reports(Command command) const {
  return kind_ == Kind::user && (command == Command::run || command == Command::exec || command == Command::remove);
}

// The flags of the kinds with an overlay.
std::vector<std::string> Scene::overlay_flags() const {
  if (kind_ == Kind::overlay) return {"--overlay=8m"};
  if (kind_ == Kind::kept) return {"--keep-changes", bundle_.path() + "/kept"};
  return {};
}

std::vector<std::string> Scene::arguments_of(Command command) const {
  std::vector<std::string> arguments = plain_arguments_of(command);
  std::vector<std::string> flags = overlay_flags();
  if (makes_container(command)) arguments.insert(arguments.begin() + 1, flags.begin(), flags.end());
  return arguments;
}

std::vector<std::string> Scene::plain_arguments_of(Command command) const {
  switch (command) {
    case Command::create:
      if (console_)
        return {"create", "--no-pivot", "--console-socket", Console::kPath, "--bundle", bundle_.path(), kSceneId};
      return {"create", "--bundle", bundle_.path(), kSceneId};
    case Command::start:
      return {"start", kSceneId};
    case Command::run:
      if (kind_ == Kind::user)
        return {"run",       "--report", report_file(),
                "--timeout", "1h",       "--cpu-time",
                "1h",        "--bundle", bundle_.path() + "/ends",
                kSceneId};
      return {"run", "--bundle", bundle_.path() + "/ends", kSceneId};
    case Command::run_explained:
      return {"run", "--explain-seccomp", "--bundle", bundle_.path() + "/ends", kSceneId};
    case Command::run_detached:
      if (console_)
        return {"run", "--detach", "--console-socket", Console::kPath, "--bundle", bundle_.path(), kSceneId};
      return {"run", "--detach", "--bundle", bundle_.path(), kSceneId};
    case Command::run_kept:
      return {"run", "--detach", "--timeout", "1h", "--cpu-time", "1h", "--bundle", bundle_.path(), kSceneId};
    case Command::exec:
      if (console_)
        return {"exec",         "--detach", "--tty",        "--console-socket",
                Console::kPath, kSceneId,   "/bin/payload", "surroundings"};
      if (kind_ == Kind::user)
        return {"exec", "--report", report_file(), "--timeout", "1h", kSceneId, "/bin/payload", "surroundings"};
      return {"exec", kSceneId, "/bin/payload", "surroundings"};
    case Command::kill:
      return {"kill", kSceneId, "TERM"};
    case Command::remove:
      if (kind_ == Kind::user) return {"delete", "--force", "--report", report_file(), kSceneId};
      return {"delete", "--force", kSceneId};
    case Command::wait:
      return {"wait", "--format", "json", kSceneId};
    case Command::pause:
      return {"pause", kSceneId};
    case Command::update:
      return {"update", "--resources", bundle_.path() + "/update.json", kSceneId};
    case Command::resume:
      return {"resume", kSceneId};
    case Command::stop:
      return {"stop", kSceneId};
    case Command::stats:
      return {"events", "--stats", kSceneId};
    case Command::top:
      return {"top", "--once", "--delay", "10ms", "--format", "json", kSceneId};
    case Command::doctor:
      return {"doctor", "--interval", "10ms", "--format", "json", kSceneId};
    case Command::check:
      return {"check", "--format", "json", bundle_.path() + "/ends"};
  }
  abort();
}

}  // namespace minirun::testing
