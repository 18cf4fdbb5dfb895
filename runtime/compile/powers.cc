// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/powers.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>

#include "runtime/compile/capabilities.h"
#include "runtime/oci/spec_facts.h"

namespace minirun {
namespace {

constexpr Power kPowers[] = {
    {CAP_DAC_READ_SEARCH, Barrier::none,
     "opens any file of a mounted file system by its handle, below the rootfs or not"},
    {CAP_NET_ADMIN, Barrier::network_namespace, "configures the host's network"},
    {CAP_NET_RAW, Barrier::network_namespace, "reads and forges packets of the host's network"},
    {CAP_SYS_MODULE, Barrier::none, "loads modules into the host's kernel"},
    {CAP_SYS_RAWIO, Barrier::none, "reaches the host's I/O ports"},
    {CAP_SYS_PTRACE, Barrier::pid_namespace, "traces processes that are not the container's"},
    {CAP_SYS_ADMIN, Barrier::none,
     "mounts anything, a procfs without masks included, and writes the host's kernel parameters"},
    {CAP_SYS_BOOT, Barrier::none, "loads the kernel that the host starts at its next kexec"},
    {CAP_SYS_TIME, Barrier::none, "sets the host's clock"},
    {CAP_MKNOD, Barrier::device_filter, "makes nodes of the host's devices and opens them"},
    {CAP_AUDIT_CONTROL, Barrier::none, "turns the host's audit off"},
    {CAP_MAC_OVERRIDE, Barrier::none, "overrides the host's LSM policy (Smack)"},
    {CAP_MAC_ADMIN, Barrier::none, "changes the host's LSM policy"},
    {CAP_SYSLOG, Barrier::none, "reads and clears the host's kernel log"},
    {CAP_AUDIT_READ, Barrier::none, "reads the host's audit log"},
    {CAP_PERFMON, Barrier::none, "samples all processes of the host"},
    {CAP_BPF, Barrier::none, "loads programs into the host's kernel"},
};

}  // namespace

std::span<const Power> powers() {
  return kPowers;
}

std::vector<std::string> powers_over_host(const oci::Spec& spec, const HostFacts& host, bool device_filter) {
  std::vector<std::string> lines;
  if (!spec.process || !spec.process->capabilities || host.in_user_namespace) return lines;
  if (oci::find_namespace(spec, CLONE_NEWUSER) != nullptr) return lines;
  const CapabilitySets sets = resolve_capabilities(&*spec.process->capabilities, host.capabilities).sets;
  // Capabilities in only the bounding set are gained by executing a file with capabilities, or as root.
  const uint64_t held = sets.bounding | sets.permitted;
  const bool own_processes = oci::makes_namespace(spec, CLONE_NEWPID);
  for (const Power& power : kPowers) {
    const bool barred =
        (power.barrier == Barrier::pid_namespace && own_processes) ||
        (power.barrier == Barrier::network_namespace && oci::find_namespace(spec, CLONE_NEWNET) != nullptr) ||
        (power.barrier == Barrier::device_filter && device_filter);
    if ((held >> power.capability & 1) == 0 || barred) continue;
    lines.push_back(fmt::format("/process/capabilities: {} without a user namespace: {}",
                                capability_names(uint64_t{1} << power.capability), power.gives));
  }
  return lines;
}

}  // namespace minirun
