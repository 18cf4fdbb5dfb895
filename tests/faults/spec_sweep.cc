// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/spec_sweep.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <regex>
#include <set>

#include "sys/file.h"
#include "tests/faults/calls.h"
#include "tests/faults/tracer.h"

namespace minirun::testing {
namespace {

constexpr const char* kSpecFolder = "/run/tests/specs";
const std::string kSpecFile = std::string(kSpecFolder) + "/config.json";
const std::string kLeft = std::string(kSpecFolder) + "/.config.json.minirun";

bool is_there(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

// "" for no file.
std::string file_text(const std::string& path) {
  auto text = read_file(AT_FDCWD, path);
  return text.ok() ? *text : "";
}

struct SpecAttempt {
  Traced traced;
  std::string err;
  std::string text;  // of config.json afterwards
};

// `spec` and `spec --edit`, each from the same start.
class SpecScene {
 public:
  explicit SpecScene(bool edits) : edits_(edits) {
    before_ = edits ? perform_as(false, {}).text : "";
    after_ = perform({}).text;
  }
  bool works() const { return !after_.empty() && after_ != before_; }

  SpecAttempt perform(const Fault& fault) const { return perform_as(edits_, fault); }

  // What is not as it must be; "" if nothing is.
  std::string judge(const Fault& fault, const SpecAttempt& attempt) const {
    const bool done = attempt.text == after_;
    if (!done && attempt.text != before_) return "config.json is neither the old nor the new one";
    if (attempt.traced.code == kTimedOut) return "hangs";
    if (fault.kind == Fault::Kind::kill) return repeat();
    if (attempt.traced.code == 0 && !done) return "success without the change";
    if (fault.kind == Fault::Kind::ask) return is_there(kLeft) ? kLeft + " is left" : "";
    // The call that failed may be the one that writes the message.
    const std::string& where = attempt.traced.where;
    if (attempt.traced.code != 0 && attempt.err.empty() && !where.starts_with("write")) return "no message";
    // The one call that takes it away is the one that failed.
    bool removal = where.starts_with("unlinkat");
    if (edits_ && attempt.traced.code != 0 && done && !removal && !attempt.err.empty()) return "an error of a change";
    return is_there(kLeft) && !removal ? kLeft + " is left" : "";
  }

 private:
  // After a kill the same command does what it did not do, and takes away what the killed one left.
  std::string repeat() const {
    if (!edits_ && file_text(kSpecFile) == after_) return "";
    SpecAttempt again = run(edits_, {});
    if (again.traced.code != 0 || again.text != after_) return "the next one fails: " + again.err;
    bool again_changes = !edits_ || before_ != after_;
    return again_changes && edits_ && is_there(kLeft) && !left_by_success() ? kLeft + " is left" : "";
  }
  // A minirun that was killed between the exchange and the removal leaves the old text; the next one has nothing to do.
  bool left_by_success() const { return file_text(kLeft) == before_; }

  SpecAttempt perform_as(bool edits, const Fault& fault) const {
    remove_tree(kSpecFolder);
    make_folders(kSpecFolder);
    if (edits) write_new_file(kSpecFile, before_, 0640);
    return run(edits, fault);
  }

  static SpecAttempt run(bool edits, const Fault& fault) {
    UniqueFd out(memfd_create("out", MFD_CLOEXEC)), err(memfd_create("err", MFD_CLOEXEC));
    std::vector<std::string> argv = {program("MINIRUN", "minirun"), "spec",   "--hostname",
                                     edits ? "edited" : "new",      "--bind", "here:/there"};
    if (edits)
      argv.insert(argv.end(), {"--edit", kSpecFile});
    else
      argv.insert(argv.end(), {"--bundle", kSpecFolder});
    SpecAttempt attempt{run_traced({argv, out.get(), err.get()}, fault), "", file_text(kSpecFile)};
    char text[4096];
    ssize_t n = pread(err.get(), text, sizeof text, 0);
    attempt.err.assign(text, n < 0 ? 0 : static_cast<size_t>(n));
    return attempt;
  }

  bool edits_;
  std::string before_;
  std::string after_;
};

std::vector<Fault> faults_of(Fault::Kind kind, const std::vector<long>& calls) {
  std::vector<Fault> faults;
  if (kind == Fault::Kind::missing) {
    for (long number : std::set<long>(calls.begin(), calls.end()))
      if (call_of(number).may_be_missing)
        faults.push_back({kind, static_cast<uint64_t>(number), Victim::command, 0, number});
    return faults;
  }
  for (uint64_t at = 1; at <= calls.size(); ++at) {
    size_t errors = kind == Fault::Kind::fail ? call_of(calls[at - 1]).errors.size() : 1;
    for (size_t error = 0; error < errors; ++error) faults.push_back({kind, at, Victim::command, error, -1});
  }
  return faults;
}

}  // namespace

bool sweep_spec(const SweepOptions& options) {
  const std::pair<Fault::Kind, const char*> kinds[] = {
      {Fault::Kind::kill, "kill -9 of minirun at every system call of "},
      {Fault::Kind::ask, "SIGTERM to minirun at every system call of "},
      {Fault::Kind::fail, "one failing call at every system call of "},
      {Fault::Kind::missing, "one kind of call missing (ENOSYS) in "}};
  bool good = true;
  for (bool edits : {false, true}) {
    SpecScene scene(edits);
    const std::vector<long> calls = scene.perform({}).traced.calls;
    if (!scene.works()) (void)printf("FAIL spec%s does not work without a fault\n", edits ? " --edit" : "");
    good = good && scene.works();
    for (const auto& [kind, words] : kinds) {
      const std::string name = words + std::string(edits ? "spec --edit" : "spec");
      if (!std::regex_search(name, std::regex(options.only))) continue;
      int tried = 0, passed = 0;
      std::string problems;
      for (const Fault& fault : faults_of(kind, calls)) {
        if (options.at && fault.at != *options.at) continue;
        SpecAttempt attempt = scene.perform(fault);
        if (!attempt.traced.faulted) continue;
        ++tried;
        std::string problem = scene.judge(fault, attempt);
        passed += problem.empty();
        if (!problem.empty())
          problems += "   at " + std::to_string(fault.at) + ", " + attempt.traced.where + "; status " +
                      std::to_string(attempt.traced.code) + ", \"" + attempt.err + "\": " + problem + "\n";
      }
      bool whole = tried > 0 && tried == passed;
      good = good && (whole || options.at);
      (void)printf("%s %s: %d of %d\n%s", whole ? "PASS" : "FAIL", name.c_str(), passed, tried, problems.c_str());
    }
  }
  remove_tree(kSpecFolder);
  return good;
}

}  // namespace minirun::testing
