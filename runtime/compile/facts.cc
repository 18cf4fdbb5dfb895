// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/facts.h"

#include <climits>
#include <cstdlib>
#include <utility>

#include "runtime/compile/home.h"
#include "runtime/compile/host_facts.h"
#include "runtime/compile/joined_namespaces.h"
#include "runtime/compile/labels.h"
#include "runtime/compile/mount_links.h"
#include "runtime/seccomp/cache.h"
#include "runtime/seccomp/explain.h"

namespace minirun {

static std::string real_path(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) == nullptr ? "" : real;
}

Result<PlanFacts> gather_facts(const Bundle& bundle, const std::string& id, const RunOptions& options, int state_root) {
  const oci::Spec& spec = *bundle.spec;
  PlanFacts facts{{id, bundle.path, rootfs_path(bundle)}, {}, options};
  TRY(check_joined_namespaces(spec));
  facts.host = TRY(host_for(spec, options.no_pivot));
  // If minirun is already in it, probing the host has found its ids.
  NamespaceIds joined = options.entered ? NamespaceIds{} : TRY(joined_user_namespace(spec));
  facts.host.setgroups_denied |= joined.setgroups_denied;
  facts.paths.joined_uids = std::move(joined.uids);
  if (spec.process) TRY(check_labels(*spec.process));
  facts.seccomp = TRY(cached_seccomp(state_root, spec.linux_.seccomp));
  if (facts.seccomp && options.explain_seccomp) facts.seccomp = explaining(*facts.seccomp);
  facts.paths.home = TRY(home_in_image(bundle.rootfs.get(), spec.process));
  facts.paths.mount_links = mount_links(spec, bundle.path);
  facts.paths.real_rootfs = real_path(facts.paths.rootfs);
  facts.paths.outside = namespaces_outside(spec);
  return facts;
}

}  // namespace minirun
