// SPDX-License-Identifier: Apache-2.0
// The directory of --keep-changes: what a container changes stays in it, after the container's end. While the container
// exists, the kernel's overlay needs a work directory on the same mount. It stands beside it:
//
//   DIR                              the upper directory of the overlay, which the container sees merged into its root
//   .minirun-work-HASH/              named after DIR, so that a second container with this DIR finds it in its way
//   .minirun-work-HASH/MARK/         empty, named after the launch
//   .minirun-work-HASH/work          the kernel's
//   .minirun-work-HASH/lower         a mount point: namespaces/overlay.h
//   .minirun-work-HASH-MARK/         the same before it is complete, and again while it is removed
//
// Every step of making and removing it is one rename(2), or happens under a name of this launch alone. So what a
// killed minirun leaves is always one of these, and `delete` knows by MARK, which the record has, what belongs to its
// container.
#pragma once

#include <cstdint>
#include <string>

#include "namespaces/overlay.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

constexpr uint32_t kOwnerOfMinirun = 0xffffffff;

struct ChangesRecord {
  std::string folder;  // absolute, without links: where DIR is. "": the container has none
  std::string name;    // of DIR in it
  std::string mark;    // random
  bool made = false;   // DIR did not exist
  uint32_t mode = 0;   // of DIR before, and its owner
  uint32_t uid = 0;    // or kOwnerOfMinirun, as an ordinary user's is 0 in the user namespace that minirun enters
  uint32_t gid = 0;    // the same

  bool any() const { return !folder.empty(); }
};

// Finds everything that is certain to fail before anything is made: DIR must be missing or empty, no mount point, and
// outside the rootfs, as the rootfs must be outside DIR.
Result<ChangesRecord> survey_changes(const std::string& directory, const std::string& rootfs);

class KeptChanges {
 public:
  // ErrorKind::state: another container uses DIR.
  static Result<KeptChanges> make(const ChangesRecord& record);
  // For a container that another minirun has made.
  static KeptChanges adopt(const ChangesRecord& record) { return KeptChanges(record); }
  KeptChanges(KeptChanges&& other) noexcept = default;
  KeptChanges& operator=(KeptChanges&&) = delete;
  KeptChanges(const KeptChanges&) = delete;
  KeptChanges& operator=(const KeptChanges&) = delete;

  // Of one that make() returned; its descriptors are borrowed.
  ChangesPlace place() const;
  // Removes the work directory; DIR stays. What is already gone is ignored.
  Result<void> remove();
  // The same after a failed launch: DIR is as it was before, missing or empty. Call it when no process has it open.
  Result<void> undo();

 private:
  explicit KeptChanges(ChangesRecord record) : record_(std::move(record)) {}
  Result<void> make_work();
  Result<void> make_directory();
  Result<void> empty_directory() const;
  Result<bool> has(const std::string& path) const;

  ChangesRecord record_;
  UniqueFd folder_, upper_, work_;
};

}  // namespace minirun
