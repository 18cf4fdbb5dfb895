// SPDX-License-Identifier: Apache-2.0
// Rules for network devices, classes of service, memory nodes and labels, which the host provides.
#include <linux/sched.h>

#include <set>

#include "runtime/oci/checker.h"
#include "runtime/oci/memory_policy.h"
#include "runtime/oci/net_device_name.h"
#include "runtime/text/json.h"

namespace minirun {

// config-linux.md, "Network Devices".
static void check_net_devices(Checker& checker) {
  const auto& devices = checker.spec.linux_.net_devices;
  if (!devices.empty() && !checker.has_namespace(CLONE_NEWNET))
    checker.problem("/linux/netDevices",
                    "needs a network namespace in /linux/namespaces: the device has nowhere to go");
  std::set<std::string> names;
  for (const auto& [key, device] : devices) {
    std::string pointer = "/linux/netDevices/" + pointer_token(key);
    if (!is_net_device_name(key, false))
      checker.problem(pointer, "must be the name of a network device, at most 15 bytes without space, / : and %");
    if (!device.name.empty() && !is_net_device_name(device.name, true))
      checker.problem(
          pointer + "/name",
          "must be the name of a network device, at most 15 bytes without space, / and :, and with %d at most "
          "once: found {}",
          quoted(device.name));
    const std::string& name = device.name.empty() ? key : device.name;
    bool is_template = name.find('%') != std::string::npos;  // each gets a number of its own
    if (!is_template && !names.insert(name).second)
      checker.problem(pointer + "/name", "must be unique: another device is named {} too", quoted(name));
  }
}

// config-linux.md, "IntelRdt".
static void check_intel_rdt(Checker& checker) {
  const auto& rdt = checker.spec.linux_.intel_rdt;
  if (!rdt) return;
  const std::string& id = rdt->clos_id;
  if (id == "." || id == ".." || (id != "/" && id.find_first_of("/\n") != std::string::npos))
    checker.problem("/linux/intelRdt/closID", "must be the name of a directory, or / for the default class: found {}",
                    quoted(id));
  const std::string& bandwidth = rdt->mem_bw_schema;
  if (!bandwidth.empty() && (!bandwidth.starts_with("MB:") || bandwidth.find('\n') != std::string::npos))
    checker.problem("/linux/intelRdt/memBwSchema", "must be one line that begins with MB: found {}", quoted(bandwidth));
}

// proc_pid_attr(5): the kernel accepts less than a page.
static void check_label(Checker& checker, const char* pointer, const std::string& label) {
  constexpr size_t kMost = 4096 - 16;
  if (label.size() > kMost) checker.problem(pointer, "must be at most {} bytes: found {}", kMost, label.size());
  if (label.find('\n') != std::string::npos) checker.problem(pointer, "must be one line: found {}", quoted(label));
}

void check_host_side(Checker& checker) {
  check_net_devices(checker);
  check_intel_rdt(checker);
  if (checker.spec.linux_.memory_policy) {
    auto problem = check_memory_policy(*checker.spec.linux_.memory_policy);
    if (problem) checker.problem("/linux/memoryPolicy/" + problem->member, "{}", problem->message);
  }
  if (!checker.spec.process) return;
  check_label(checker, "/process/apparmorProfile", checker.spec.process->apparmor_profile);
  check_label(checker, "/process/selinuxLabel", checker.spec.process->selinux_label);
}

}  // namespace minirun
