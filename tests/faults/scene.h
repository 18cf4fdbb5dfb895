// SPDX-License-Identifier: Apache-2.0
// One container's stage for the sweeps: what a command finds, the command with a fault in it, and what must be true
// afterwards. Everything happens in the private world of the integration tests.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/faults/dump.h"
#include "tests/faults/tracer.h"
#include "tests/support/bundle.h"
#include "tests/support/fault_bundles.h"
#include "tests/support/fault_console.h"
#include "tests/support/fixture.h"

namespace minirun::testing {

enum class Command : uint8_t {
  create,
  start,
  run,
  run_detached,
  run_kept,
  run_explained,
  exec,
  kill,
  remove,
  pause,
  update,
  resume,
  stop,
  stats,
  top,
  doctor,
  check,
  wait
};
constexpr int kCommands = 18;
// As users know it: "run --detach".
const char* name_of(Command command);
bool makes_container(Command command);

// The container's id.
constexpr const char* kSceneId = "faulty";

struct Verdict {
  bool tried = false;   // the fault took place
  std::string problem;  // empty: all that must be true was true
};

class Scene {
 public:
  // Makes the bundle and learns what commands do without a fault. Ends the program when they do not work.
  explicit Scene(Kind kind);

  // The numbers of the system calls of the command without a fault.
  std::vector<long> calls(Command command);

  // The size of a container's record, in bytes.
  size_t record_bytes();

  // One command with the fault. After a kill: delete --force says 0 and nothing is left. After SIGTERM: the command has
  // ended by it or as it would have, and nothing of what it made is left, without any delete. After a failing or
  // missing call: a clean refusal, or a success that is no different from one without the fault.
  Verdict attempt(Command command, const Fault& fault);

 private:
  struct Attempt {
    Command command;
    Traced traced;
    std::string out, err;
    std::string events;    // of --status-fd
    std::string timing{};  // of --timing-json, which is not in `err`
  };

  [[noreturn]] static void give_up(const std::string& why);
  static StartOptions output_to(UniqueFd& fd);
  Outcome call(const std::vector<std::string>& args) const;
  void learn();
  Traces traces() const;
  bool is_good(Command command, int code) const;
  std::string said();
  bool watches(Command command) const;
  bool times(Command command) const;
  std::vector<std::string> overlay_flags() const;
  std::vector<std::string> plain_arguments_of(Command command) const;
  std::vector<std::string> arguments_of(Command command) const;
  std::vector<std::string> arguments(Command command) const;  // the whole command line
  std::string prepare(Command command);
  Verdict attempt_damaged(const Fault& fault);
  Attempt perform(Command command, const Fault& fault);

  // What is not as it must be, for people; "" when nothing is.
  std::string check_outcome(const Attempt& attempt);
  static std::string check_events(const Attempt& attempt);
  std::string check_timing(const Attempt& attempt) const;
  std::string check_asked(const Attempt& attempt);
  std::string check_refusal(const Attempt& attempt);
  std::string check_success(const Attempt& attempt);
  std::string check_inside(Command command, const std::string& text) const;
  std::string check_container(Command command);
  std::string check_kept() const;
  std::string check_unchanged() const;
  static std::string check_look(const Attempt& attempt);
  static std::string check_verdict(const Attempt& attempt);
  std::string start_and_check();
  std::string remove_and_check();
  std::string check_changes(bool unfinished) const;
  std::string check_clean(int milliseconds) const;
  void clear();
  std::string status() const;
  std::string cgroup() const;
  std::string report_file() const { return bundle_.path() + "/report.json"; }
  bool reports(Command command) const;
  std::string check_report(const Attempt& attempt) const;

  std::string minirun_ = program("MINIRUN", "minirun");
  Kind kind_;
  std::optional<Console> console_;  // of the attached kind
  Bundle bundle_;
  Traces before_;
  UniqueFd container_out_;              // stdout of the container
  std::array<Dump, kCommands> inside_;  // of a clean container that the command makes
  Dump exec_inside_;                    // of a clean process of exec
  Dump limits_;                         // of a clean container
  Dump updated_limits_;                 // after update
  std::string stats_;                   // of a clean container
};

}  // namespace minirun::testing
