// SPDX-License-Identifier: Apache-2.0
// The parent's side of a plan: building it and describing it.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "namespaces/id_map.h"
#include "namespaces/plan.h"

namespace minirun {

// What the parent opens before clone and passes to the child in a descriptor slot. Compiling a plan opens nothing:
// namespaces/sources.h does, in the order of the slots.
enum class SourceKind {
  tree,              // open_tree(2) clone of `path`: a bind mount, still detached
  rootfs_tree,       // the same of the rootfs, which the caller has opened and checked
  rootfs_directory,  // HostDescriptors::rootfs itself
  rootfs_overlay,    // a mount whose changes are elsewhere: namespaces/overlay.h
  rootfs_namespace,  // a mount namespace made from the rootfs alone (OPEN_TREE_NAMESPACE, Linux 7.0)
  namespace_file,    // `path`, checked to be a namespace of the type in `detail` (CLONE_NEW*)
  null_device,       // a read-only detached clone of the host's /dev/null, checked to be 1:3
  cgroup_tree,       // detached clone of the container's cgroup directory
  filesystem,        // a new mount of a filesystem that uses a device, a path or the network of the host
  device,            // the same of a device node, checked to be of the number in `detail` (dev_t)
  proc_context,      // HostDescriptors::proc[detail]: see namespaces/proc_loan.h
  given,             // the caller's: HostDescriptors::given[detail], named by `path`
};

// For fsconfig(2): a flag has value "", a string "=value".
using Parameters = std::vector<std::pair<std::string, std::string>>;

// How a mount maps the ids of its files, from the filesystem's (container ids) to the host's. Nothing, two lists, or
// the mappings of an existing user namespace.
struct MountIdMap {
  IdMaps uids{};
  IdMaps gids{};
  std::string user_namespace{};  // path of a namespace file
  bool recursive = false;        // of the mounts below too

  bool any() const { return !uids.empty() || !user_namespace.empty(); }
  bool same_ids(const MountIdMap& other) const {
    return uids == other.uids && gids == other.gids && user_namespace == other.user_namespace;
  }
};

// What happens to the peer groups of a clone's mounts before the container gets it: namespaces/peers.h.
enum class Peers : uint8_t {
  stay,        // the step that places it changes them all
  slaves,      // they receive the host's mounts, and the host none of theirs
  rejoin_top,  // all but the first become slaves, and that one a peer again at the setup gate
  rejoin_all,  // they become peers again at the setup gate
};

struct Source {
  SourceKind kind;
  std::string path;  // on the host, absolute
  bool recursive = false;
  uint64_t detail = 0;
  std::string origin;  // JSON pointer, for errors

  std::string type{};       // filesystem: as in /proc/filesystems
  Parameters parameters{};  // filesystem, rootfs_overlay

  MountIdMap id_map{};           // tree, filesystem
  bool no_follow = false;        // tree: a symbolic link itself, not what it points to
  std::string like_directory{};  // filesystem: its root has the mode of this directory of the rootfs, if any...
  bool copy_up = false;          // ...and its owner and content (namespaces/copy_up.h)
  Peers peers = Peers::stay;     // tree, cgroup_tree
  uint32_t turn = 0;             // opened when steps::TakeSources asks for this one; 0: before the clone
};

// Which steps the child stamps with their times (PlanHeader::stamps).
enum class Stamping : uint8_t {
  off,
  until_filter,  // of the workload, which may kill for reading a clock
  all,           // that filter allows it, or the plan has none
};

struct Plan {
  uint64_t clone_flags = 0;       // namespaces that the process is born into: CLONE_NEW* without CLONE_NEWTIME
  std::optional<uint32_t> birth;  // the step by which the process begins: the steps before it are the outer one's
  std::vector<IdMap> uid_map;     // with CLONE_NEWUSER; the child waits until both are written
  std::vector<IdMap> gid_map;
  std::optional<int> oom_score_adj;  // written by the parent, where the child may not
  uint32_t first_kept_fd = 3;        // workload descriptors from here on are closed at exec
  bool own_text = false;             // PlanHeader::own_text
  Slot end_page{};                   // PlanHeader::end_page
  std::vector<Step> steps;
  std::vector<std::string> origins;    // of each step: the JSON pointer it came from, or ""
  uint32_t first_with_text = kNoStep;  // steps from here on carry their text (PlanHeader::texts); kNoStep: none does
  std::vector<Source> slots;
  std::string data;  // strings and tables, at kDataOffset of the image
};

constexpr uint64_t kDataOffset = sizeof(PlanHeader);
static_assert(kDataOffset % 8 == 0, "tables in the data area are aligned");

template <class Fields>
Step make_step(const Fields& fields) {
  static_assert(sizeof fields <= Step::kBytes && alignof(Fields) <= alignof(Step));
  static_assert(std::is_empty_v<Fields> || std::has_unique_object_representations_v<Fields>,
                "what lies between two fields would be minirun's memory");
  Step step{};
  step.op = op_of<Fields>;
  if constexpr (!std::is_empty_v<Fields>) std::memcpy(step.fields, &fields, sizeof fields);
  return step;
}

class PlanBuilder {
 public:
  // Each puts the value into the data area, and returns a step's field that refers to it.
  Text text(std::string_view value);
  Path path(std::string_view value) { return {text(value).at}; }
  ProcPath proc_path(std::string_view value) { return {text(value).at}; }
  Texts list(const std::vector<std::string>& values);
  ParameterList list(const Parameters& parameters);
  Bytes bytes(const void* data, size_t size);  // 8-aligned
  PointerTable pointer_table(const std::vector<std::string>& values);
  Slot slot(Source source);
  // Returns the new step's index. fields: a struct of namespaces/steps.h. origin: the JSON pointer that asked for it.
  template <class Fields>
  uint32_t add(const Fields& fields, std::string_view origin = "") {
    return add_step(make_step(fields), origin);
  }
  // The fields of a step that was added as this type.
  template <class Fields>
  Fields& fields(uint32_t step) {
    return const_cast<Fields&>(*get_if<Fields>(plan_.steps.at(step)));
  }

  uint32_t size() const { return static_cast<uint32_t>(plan_.steps.size()); }
  Plan& plan() { return plan_; }
  const Plan& plan() const { return plan_; }
  Plan finish(uint32_t first_with_text = kNoStep);

 private:
  uint32_t add_step(const Step& step, std::string_view origin);

  Plan plan_;
};

// The image: header, data, slots, steps, texts of steps. `descriptors`: one for each slot; any value for slots that
// wait for their turn. `control`: the child's end of the socket.
std::string serialize(const Plan& plan, const std::vector<int>& descriptors, int control,
                      Stamping stamping = Stamping::off);

// What a step does: "mount tmpfs on /dev/shm (nosuid,noexec,nodev,size=65536k)".
std::string describe(const Plan& plan, uint32_t step);
std::string describe(const Source& source);
// The path that the step is about, in the container or in /proc; "" for none.
std::string path_of(const Plan& plan, uint32_t step);
// The type of the filesystem that the step mounts anew, or "".
std::string filesystem_of(const Plan& plan, uint32_t step);
// The step with its origin: "/mounts/3: mount tmpfs on ...".
std::string step_with_origin(const Plan& plan, uint32_t step);
std::string_view op_name(Op op);
// Whether the step needs a mount that an earlier step placed, whose descriptor stays open for it.
bool asks_for_mount(const Step& step);

// "network" from a CLONE_NEW* bit (several: joined by commas).
std::string namespace_names(uint64_t flags);

// The name of a system call that steps make, for error messages ("openat2"); "syscall 999" if unknown.
std::string call_name(uint32_t number);

}  // namespace minirun
