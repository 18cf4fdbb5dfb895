// Rules for /mounts. Which options there are is the business of who compiles them (a table of their own).
#include <algorithm>
#include <climits>

#include "runtime/checker.h"
#include "runtime/json.h"

namespace minirun {

static bool has_option(const oci::Mount& mount, std::string_view option) {
  return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

// A mount that only changes one that is there needs no type: remount, or nothing but propagation.
static bool changes_existing(const oci::Mount& mount) {
  static constexpr std::string_view kPropagations[] = {"private",  "shared",  "slave",  "unbindable",
                                                       "rprivate", "rshared", "rslave", "runbindable"};
  if (has_option(mount, "remount")) return true;
  return !mount.options.empty() && std::all_of(mount.options.begin(), mount.options.end(), [](const auto& option) {
    return std::find(std::begin(kPropagations), std::end(kPropagations), option) != std::end(kPropagations);
  });
}

static void check_mount(Checker& checker, const std::string& pointer, const oci::Mount& mount) {
  bool bind = has_option(mount, "bind") || has_option(mount, "rbind");
  if (mount.destination.empty())
    checker.problem(pointer + "/destination", "must not be empty");
  else if (mount.destination[0] != '/')
    checker.warning(pointer + "/destination", "should be absolute, is taken from \"/\": found {}",
                    quoted(mount.destination));
  if (mount.destination.size() >= PATH_MAX)
    checker.problem(pointer + "/destination", "must be shorter than {} bytes: found {}", PATH_MAX,
                    mount.destination.size());
  if (bind && mount.source.empty()) checker.problem(pointer + "/source", "is required for a bind mount: not there");
  if (!bind && mount.type.empty() && !changes_existing(mount))
    checker.problem(pointer + "/type", "is required unless options has bind or rbind: not there");
  // Also type "none" with a source, as mount(8) has it, would only fail in the kernel.
  if (!bind && mount.type == "bind")
    checker.problem(pointer + "/options", "must have bind or rbind for a bind mount: the type alone does not make one");
  for (size_t i = 0; i < mount.options.size(); ++i)
    if (mount.options[i].empty()) checker.problem(at(pointer + "/options", i), "must not be empty");
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
    checker.problem(pointer + (mount.uid_mappings.empty() ? "/uidMappings" : "/gidMappings"),
                    "is required when the other one is given: not there");
}

void check_mounts(Checker& checker) {
  const auto& mounts = checker.spec.mounts;
  for (size_t i = 0; i < mounts.size(); ++i) check_mount(checker, at("/mounts", i), mounts[i]);
}

}  // namespace minirun
