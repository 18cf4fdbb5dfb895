// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/helper/bus.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "cgroups/systemd/helper/message.h"

namespace minirun::systemd {
namespace {

using std::chrono::steady_clock;

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kInterface = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnit = "org.freedesktop.systemd1.Unit";
constexpr const char* kScopeInterface = "org.freedesktop.systemd1.Scope";
constexpr std::chrono::seconds kJobTime{20};
constexpr uint64_t kCallTime = 20'000'000;  // microseconds

// A connection to the manager's own socket, not a bus.
sd_bus* open_private(const std::string& socket) {
  sd_bus* bus = nullptr;
  if (access(socket.c_str(), F_OK) != 0 || sd_bus_new(&bus) < 0) return nullptr;
  std::string address = "unix:path=" + socket;
  if (sd_bus_set_address(bus, address.c_str()) >= 0 && sd_bus_start(bus) >= 0) return bus;
  sd_bus_unref(bus);
  return nullptr;
}

// The socket may refuse every caller: the first call performs the handshake.
bool answers(sd_bus* bus) {
  sd_bus_error error = SD_BUS_ERROR_NULL;
  int n = sd_bus_call_method(bus, kService, kPath, "org.freedesktop.DBus.Peer", "Ping", &error, nullptr, "");
  sd_bus_error_free(&error);
  return n >= 0;
}

}  // namespace

Result<Manager> Manager::connect(bool user) {
  const char* runtime = getenv("XDG_RUNTIME_DIR");
  std::string socket =
      user ? std::string(runtime == nullptr ? "" : runtime) + "/systemd/private" : "/run/systemd/private";
  sd_bus* bus = !user || runtime != nullptr ? open_private(socket) : nullptr;
  if (bus != nullptr) {
    (void)sd_bus_set_method_call_timeout(bus, kCallTime);
    if (answers(bus)) return Manager(bus);
    sd_bus_unref(bus);
    bus = nullptr;
  }
  int n = user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
  if (n < 0) {
    return fail(-n, "connect to systemd's {} manager (neither {} nor the {} answers)", user ? "user" : "system", socket,
                user ? "user's D-Bus" : "system D-Bus");
  }
  (void)sd_bus_set_method_call_timeout(bus, kCallTime);
  return Manager(bus);
}

Result<uint32_t> Manager::version() {
  BusError error;
  char* text = nullptr;
  int n = sd_bus_get_property_string(bus_.get(), kService, kPath, kInterface, "Version", error.get(), &text);
  if (n < 0) return error.result(n, "ask systemd for its version");
  std::string version(text);
  free(text);
  uint32_t number = 0;
  const char* start = version.c_str() + std::min(version.find_first_of("0123456789"), version.size());
  (void)std::from_chars(start, version.c_str() + version.size(), number);  // 0: an odd build, taken for an old one
  return number;
}

Result<std::string> Manager::cgroup() {
  BusError error;
  char* text = nullptr;
  int n = sd_bus_get_property_string(bus_.get(), kService, kPath, kInterface, "ControlGroup", error.get(), &text);
  if (n < 0) return error.result(n, "ask systemd for its cgroup");
  std::string cgroup(text);
  free(text);
  // In a container without a cgroup namespace it returns its own place.
  constexpr std::string_view kInit = "/init.scope";
  if (cgroup.ends_with(kInit)) cgroup.resize(cgroup.size() - kInit.size());
  return cgroup == "/" ? std::string() : cgroup;
}

// systemd names its objects after their units: letters and digits unchanged, all else as _xx.
Result<std::string> Manager::unit_path(const std::string& unit) {
  char* path = nullptr;
  int n = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.c_str(), &path);
  if (n < 0) return fail(-n, "{}: not the name of a unit", unit);
  std::string text(path);
  free(path);
  return text;
}

Result<UnitFacts> Manager::look(const std::string& unit) {
  std::string path = TRY(unit_path(unit));
  UnitFacts facts;
  for (auto [name, value] : {std::pair{"LoadState", &facts.load_state}, std::pair{"ActiveState", &facts.active_state},
                             std::pair{"Description", &facts.description}}) {
    BusError error;
    char* text = nullptr;
    int n = sd_bus_get_property_string(bus_.get(), kService, path.c_str(), kUnit, name, error.get(), &text);
    if (n < 0) return error.result(n, fmt::format("ask systemd for the {} of {}", name, unit));
    *value = static_cast<const char*>(text);
    free(text);
  }
  return facts;
}

Result<std::string> Manager::scope_cgroup(const std::string& unit) {
  std::string path = TRY(unit_path(unit));
  BusError error;
  char* text = nullptr;
  int n = sd_bus_get_property_string(bus_.get(), kService, path.c_str(), kScopeInterface, "ControlGroup", error.get(),
                                     &text);
  if (n < 0) return error.result(n, "ask systemd for the cgroup of " + unit);
  std::string cgroup(text);
  free(text);
  return cgroup;
}

namespace {

struct Job {
  std::string path;
  std::string result;  // "done", "failed" ...; empty: not yet
};

// Handles JobRemoved(u id, o job, s unit, s result).
int note_removed(sd_bus_message* message, void* data, sd_bus_error*) {
  auto* jobs = static_cast<std::vector<Job>*>(data);
  uint32_t id = 0;
  const char *job = nullptr, *unit = nullptr, *result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0) jobs->push_back({job, result});
  return 0;
}

}  // namespace

// Signals that came before the job's path was known are in the list, too.
static Result<std::string> wait_for(sd_bus* bus, const std::vector<Job>& jobs, const std::string& path) {
  auto deadline = steady_clock::now() + kJobTime;
  for (;;) {
    for (const Job& job : jobs)
      if (job.path == path) return job.result;
    int n = sd_bus_process(bus, nullptr);
    if (n < 0) return fail(-n, "the connection to systemd is lost");
    if (n > 0) continue;
    auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return fail(ETIMEDOUT, "systemd does not finish its job in {} s", kJobTime.count());
    n = sd_bus_wait(bus, static_cast<uint64_t>(left));
    if (n < 0 && n != -EINTR) return fail(-n, "wait for systemd");
  }
}

Result<void> Manager::start_scope(const std::string& unit, const Properties& properties) {
  std::vector<Job> jobs;
  sd_bus_slot* slot = nullptr;
  int n = sd_bus_match_signal(bus_.get(), &slot, kService, kPath, kInterface, "JobRemoved", note_removed, &jobs);
  if (n < 0) return fail(-n, "listen to systemd");
  struct Unref {
    sd_bus_slot* slot;
    ~Unref() { sd_bus_slot_unref(slot); }
  } unref{slot};
  BusError error;
  n = sd_bus_call_method(bus_.get(), kService, kPath, kInterface, "Subscribe", error.get(), nullptr, "");
  if (n < 0) return error.result(n, "subscribe to systemd's signals");

  Message call, reply;
  n = sd_bus_message_new_method_call(bus_.get(), call.out(), kService, kPath, kInterface, "StartTransientUnit");
  if (n >= 0) n = sd_bus_message_append(call.get(), "ss", unit.c_str(), "fail");
  if (n < 0) return fail(-n, "make a message to systemd");
  TRY(append(call.get(), properties));
  n = sd_bus_message_append(call.get(), "a(sa(sv))", 0);
  if (n < 0) return fail(-n, "make a message to systemd");
  BusError refused;
  n = sd_bus_call(bus_.get(), call.get(), 0, refused.get(), reply.out());
  if (n < 0) return refused.result(n, "start " + unit);
  const char* job = nullptr;
  n = sd_bus_message_read(reply.get(), "o", &job);
  if (n < 0) return fail(-n, "read systemd's answer");
  std::string result = TRY(wait_for(bus_.get(), jobs, job));
  if (result != "done") return fail(ErrorKind::host, "systemd's job to start {} ended as \"{}\"", unit, result);
  return {};
}

Result<void> Manager::set(const std::string& unit, const Properties& properties) {
  if (properties.empty()) return {};
  Message call;
  int n = sd_bus_message_new_method_call(bus_.get(), call.out(), kService, kPath, kInterface, "SetUnitProperties");
  constexpr int kRuntime = 1;  // not kept over a reboot, as the unit is not
  if (n >= 0) n = sd_bus_message_append(call.get(), "sb", unit.c_str(), kRuntime);
  if (n < 0) return fail(-n, "make a message to systemd");
  TRY(append(call.get(), properties));
  BusError error;
  n = sd_bus_call(bus_.get(), call.get(), 0, error.get(), nullptr);
  if (n < 0) return error.result(n, "change " + unit);
  return {};
}

namespace {

bool is_gone(const UnitFacts& facts) {
  return facts.load_state == "not-found" && facts.active_state == "inactive";
}

}  // namespace

Result<void> Manager::stop(const std::string& unit) {
  if (is_gone(TRY(look(unit)))) return {};
  // Kills at once: systemd would wait for processes that ignore SIGTERM, and none may be left by now.
  (void)sd_bus_call_method(bus_.get(), kService, kPath, kInterface, "KillUnit", nullptr, nullptr, "ssi", unit.c_str(),
                           "all", SIGKILL);  // no process inside, or no unit any more: the wait finds out
  BusError error;
  int n = sd_bus_call_method(bus_.get(), kService, kPath, kInterface, "StopUnit", error.get(), nullptr, "ss",
                             unit.c_str(), "replace");
  if (n < 0 && !error.is("org.freedesktop.systemd1.NoSuchUnit")) return error.result(n, "stop " + unit);
  return wait_until_gone(unit);
}

Result<void> Manager::wait_until_gone(const std::string& unit) {
  auto deadline = steady_clock::now() + kJobTime;
  for (std::chrono::milliseconds pause{1};; pause = std::min(pause * 2, std::chrono::milliseconds(50))) {
    UnitFacts facts = TRY(look(unit));
    if (is_gone(facts)) return {};
    // Only what has failed needs it; harmless otherwise.
    if (facts.active_state == "failed")
      (void)sd_bus_call_method(bus_.get(), kService, kPath, kInterface, "ResetFailedUnit", nullptr, nullptr, "s",
                               unit.c_str());
    if (steady_clock::now() >= deadline)
      return fail(ETIMEDOUT, "systemd does not stop {} in {} s: it is {}", unit, kJobTime.count(), facts.active_state);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace minirun::systemd
