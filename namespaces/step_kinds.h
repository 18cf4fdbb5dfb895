// SPDX-License-Identifier: Apache-2.0
// The kinds of a step's fields: a kind says how the child finds the value, and how plan_text.cc prints it.
//
// A kind consists of 32-bit words, so a step has no padding: that would carry bytes of minirun's memory, and a
// container can reach the plan's memory. Shared with the freestanding init program: integers and nothing else.
#pragma once

#include <stdint.h>

namespace minirun {

constexpr uint32_t kNoText = 0;  // offset 0 is the header: "no string"
constexpr uint32_t kNoSlot = 0xffffffff;

// at: an offset in the plan's image.
struct Slot {  // a descriptor: its place in the table of slots
  uint32_t index = kNoSlot;
};
struct Text {  // ends with NUL
  uint32_t at = kNoText;
};
struct Path {  // a text: a path of the container
  uint32_t at = kNoText;
};
struct ProcPath {  // a text: a path below /proc
  uint32_t at = kNoText;
};
struct Texts {  // one after another
  uint32_t at = kNoText, count = 0;
};
struct ParameterList {  // of a filesystem, in pairs of texts: "key" and "=value" or "" (a flag)
  uint32_t at = kNoText, count = 0;
};
struct PointerTable {  // for execve(2): offsets of texts, 64 bits each, ended by 0
  uint32_t at = kNoText;
};
struct Bytes {  // what a system call reads
  uint32_t at = kNoText, size = 0;
};

// A number that is not printed in decimal. Some of the kernel's types are wider.
template <class Kind>
struct Word {
  constexpr Word(uint64_t number = 0)  // NOLINT(google-explicit-constructor)
      : value(static_cast<uint32_t>(number)) {}
  uint32_t value;
};
using Namespaces = Word<struct NamespaceKind>;     // CLONE_NEW*
using Attributes = Word<struct AttributesKind>;    // MOUNT_ATTR_*
using Propagation = Word<struct PropagationKind>;  // MS_*, with MS_REC to reach the mounts below
using Mode = Word<struct ModeKind>;                // of a file, maybe with its type
using NodeNumber = Word<struct DeviceKind>;        // the kernel's encoding (new_encode_dev)
using Personality = Word<struct PersonalityKind>;  // personality(2)
using YesNo = uint32_t;                            // a bool

template <class Kind>
struct Wide {
  constexpr Wide(uint64_t number = 0)  // NOLINT(google-explicit-constructor)
      : low(static_cast<uint32_t>(number)), high(static_cast<uint32_t>(number >> 32)) {}
  constexpr uint64_t value() const { return uint64_t{high} << 32 | low; }
  uint32_t low, high;
};
using Limit = Wide<struct LimitKind>;                  // all ones: unlimited
using CapabilitySet = Wide<struct CapabilitySetKind>;  // a bit for each

enum StepFlag : uint32_t {
  kNoFlags = 0,
  kTolerateMissing = 1,  // ENOENT and ENOTDIR: a path that the image or this kernel does not have
  kOnlyIfTarget = 2,     // symlink: only if what it points to exists (runtime-linux.md, dev symbolic links)
  kReplace = 4,          // symlink: replaces what exists
  kRealDirectory = 8,    // no symbolic link on the way to the target (CVE-2019-19921: /proc, /sys)
  kTolerateDenied = 16,  // EACCES and EPERM, to be tried again as the container's user
  kModeOfTarget = 32,    // a tmpfs takes on the mode of the directory that it is put on
  kTargetItself = 64,    // a target that is a symbolic link is covered itself
  kNotProcfs = 128,      // a mount point: a link of the image must not lead it into /proc (CVE-2019-16884)
  kMakeMissing = 256,    // made if missing, with its parents
  kOwnMount = 512,       // only the container has it; missing parts behind a link into it may be made
  kKeep = 1024,          // a later step asks for this mount (PlacedBy::keeping)
  kLast = 2048,          // no later step asks for its slot, which is closed
  kWithBelow = 4096,     // with the mounts below the source
};
constexpr StepFlag operator|(StepFlag a, StepFlag b) {
  return static_cast<StepFlag>(uint32_t{a} | uint32_t{b});
}

// A change to a mount. set, clear: for the mount itself; the others: for it and all below it.
struct MountChange {
  Attributes set{}, clear{}, set_below{}, clear_below{};
  Propagation propagation{};
  constexpr bool any() const {
    return (set.value | clear.value | set_below.value | clear_below.value | propagation.value) != 0;
  }
};

// A mount that is made in the container.
struct NewMount {
  Path target;
  Attributes attributes{};
  ParameterList parameters{};
  Propagation propagation{};
  StepFlag flags{};
};

// A mount that an earlier step has placed.
enum class PlacedBy : uint32_t {
  none,     // whatever is at the path then
  slot,     // the `attach` of this slot
  keeping,  // the step that was the n-th to have kKeep
};
struct PlacedMount {
  PlacedBy by{};
  uint32_t number = 0;
};

// The procfs that open_proc opens.
enum class Procfs : uint32_t {
  own,         // a new one of our own
  hosts,       // at /proc of the tree that minirun is in
  containers,  // at /proc of the container's root
  processes,   // a new one with the processes alone: proc(5), "subset=pid", Linux 5.8
};

// A process that joins namespaces is born outside them and executes the init program there: its memory then belongs to
// the outer user namespace, and no tracer of an inner one can reach it (__ptrace_may_access() in the kernel). This
// outer process joins the namespaces and clones the container's process as minirun's child (CLONE_PARENT). When it does
// so depends on who else can be in the pid namespace:
enum class BirthWay : uint32_t {
  early,  // right after the joins; the child does everything else
  last,   // as the very last act: the child holds nothing of minirun's and executes the program. The outer process ends
          // when it has (CLONE_VFORK, without CLONE_VM)
  held,   // the same for a container's process: it waits until the state records its pid (Birth::word)
  alone,  // the same for one that then waits for start: the outer process ends at once (no CLONE_VFORK)
};

// What close_descriptors leaves open.
enum class LeftOpen : uint32_t {
  nothing,  // not even minirun's socket
  wait,     // what the wait for start needs
  init,     // the init's own, whose table this is not
};

// What an init waits for before its workload may execute its program.
enum class InitWait : uint32_t { nothing, start, hooks };

}  // namespace minirun
