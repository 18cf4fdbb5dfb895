// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/mount_links.h"

#include <unistd.h>

#include <climits>

#include "runtime/oci/mount_options.h"

namespace minirun {

std::string bind_source(const oci::Mount& mount, const std::string& bundle) {
  return mount.source.starts_with('/') ? mount.source : bundle + "/" + mount.source;
}

std::vector<std::string> mount_links(const oci::Spec& spec, const std::string& bundle) {
  std::vector<std::string> links;
  for (size_t i = 0; i < spec.mounts.size(); i++) {
    if (!spec.mounts[i].parsed.copy_symlink) continue;
    links.resize(spec.mounts.size());
    char target[PATH_MAX];
    // Anything else, even a missing file, is opened as the source of a bind mount, whose error says what is wrong.
    ssize_t n = readlink(bind_source(spec.mounts[i], bundle).c_str(), target, sizeof target);
    if (n > 0) links[i].assign(target, static_cast<size_t>(n));
  }
  return links;
}

}  // namespace minirun
