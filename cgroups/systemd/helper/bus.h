// SPDX-License-Identifier: Apache-2.0
// The calls to systemd's manager that minirun needs, over libsystemd's sd-bus. org.freedesktop.systemd1(5).
#pragma once

#include <systemd/sd-bus.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "cgroups/systemd/property.h"
#include "sys/result.h"

namespace minirun::systemd {

struct CloseBus {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};

// What systemd knows about a unit. A unit that is not loaded has the state "not-found".
struct UnitFacts {
  std::string load_state;
  std::string active_state;
  std::string description;
};

// Errors have systemd's own words.
class Manager {
 public:
  // user: the manager of the calling user. Tries the manager's own socket first, which needs no bus daemon, then the
  // bus. ENOENT, ECONNREFUSED: no systemd.
  static Result<Manager> connect(bool user);

  Result<uint32_t> version();    // 252
  Result<std::string> cgroup();  // its own in the tree: "" for the system's
  Result<UnitFacts> look(const std::string& unit);
  Result<std::string> scope_cgroup(const std::string& unit);

  // Waits until the unit exists, or the job has failed. EEXIST: the name is taken.
  Result<void> start_scope(const std::string& unit, const Properties& properties);
  Result<void> set(const std::string& unit, const Properties& properties);
  // Ends its processes and removes it; a missing unit is no error.
  Result<void> stop(const std::string& unit);

 private:
  explicit Manager(sd_bus* bus) : bus_(bus) {}
  Result<std::string> unit_path(const std::string& unit);
  Result<void> wait_until_gone(const std::string& unit);

  std::unique_ptr<sd_bus, CloseBus> bus_;
};

}  // namespace minirun::systemd
