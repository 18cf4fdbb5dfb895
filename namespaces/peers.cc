// SPDX-License-Identifier: Apache-2.0
#include "namespaces/peers.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/mountinfo.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

constexpr unsigned kRejoin = abi::kMoveMountFromEmptyPath | abi::kMoveMountToEmptyPath | abi::kMoveMountSetGroup;

int move_to_group(int member, int mount) {
  return static_cast<int>(syscall(SYS_move_mount, member, "", mount, "", kRejoin));
}

Result<void> propagate(int mount, uint64_t type, bool recursive, const std::string& path) {
  abi::MountAttributes attributes{0, 0, type, 0};
  unsigned flags = abi::kAtEmptyPath | (recursive ? abi::kAtRecursive : 0);
  if (syscall(SYS_mount_setattr, mount, "", flags, &attributes, sizeof attributes) < 0)
    return fail(errno, "change the propagation of {}", path);
  return {};
}

// A mount below a source: others may change its path (ENOENT, ELOOP, ENOTDIR), or close it even to root (a user's
// FUSE).
bool is_out_of_reach(int code, const std::string& below) {
  return code == ENOENT || (!below.empty() && (code == ELOOP || code == ENOTDIR || code == EACCES));
}

// A mount that is gone or was replaced has no peer to rejoin: false.
Result<bool> remember(int tree, const std::string& below, const std::string& path, bool no_follow,
                      std::vector<PeerMount>* later) {
  abi::OpenHow how{O_PATH | O_CLOEXEC | O_NOFOLLOW, 0, abi::kResolveNoSymlinks | abi::kResolveNoMagiclinks};
  PeerMount peer;
  peer.path = path;
  peer.mount = below.empty() ? UniqueFd::duplicate(tree)
                             : UniqueFd(static_cast<int>(syscall(SYS_openat2, tree, below.c_str(), &how, sizeof how)));
  if (!peer.mount && is_out_of_reach(errno, below)) return false;
  if (!peer.mount) return fail(errno, "look for {} in its copy", path);
  unsigned flags = abi::kOpenTreeClone | abi::kCloexec | (no_follow ? abi::kAtSymlinkNofollow : 0);
  peer.member.reset(static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags)));
  if (!peer.member && is_out_of_reach(errno, below)) return false;
  if (!peer.member) return fail(errno, "open_tree {}", path);
  auto same = is_same_file(peer.mount.get(), peer.member.get());
  if (!same.ok() || !*same) return false;
  TRY(propagate(peer.member.get(), abi::kMsShared, false, path));  // makes a group if it has none
  later->push_back(std::move(peer));
  return true;
}

Result<void> remember_below(int tree, const std::string& path, std::vector<PeerMount>* later) {
  std::string last;
  for (const MountBelow& mount : TRY(mounts_below(path))) {
    if (mount.below.empty() || mount.line.is_mount_namespace()) continue;
    if (mount.line.mount_point == last) continue;  // the one on top counts for both
    last = mount.line.mount_point;
    (void)TRY(remember(tree, mount.below, mount.line.mount_point, true, later));
  }
  return {};
}

}  // namespace

static Result<void> leave_and_remember(int tree, const Source& source, std::vector<PeerMount>* later) {
  switch (source.peers) {
    case Peers::stay:
      return {};
    case Peers::slaves:
      return propagate(tree, abi::kMsSlave, true, source.path);
    case Peers::rejoin_top:
      TRY(propagate(tree, abi::kMsSlave, true, source.path));
      TRY(propagate(tree, abi::kMsPrivate, false, source.path));
      break;
    case Peers::rejoin_all:
      TRY(propagate(tree, abi::kMsPrivate, true, source.path));
      break;
  }
  if (!TRY(remember(tree, "", source.path, source.no_follow, later)))
    return fail(ENOENT, "{} was replaced meanwhile", source.path);
  return source.peers == Peers::rejoin_all ? remember_below(tree, source.path, later) : Result<void>();
}

Result<void> leave_peers(int tree, const Source& source, std::vector<PeerMount>* later) {
  std::vector<PeerMount> peers;
  TRY(leave_and_remember(tree, source, &peers));
  for (PeerMount& peer : peers) {
    peer.source = &source;
    later->push_back(std::move(peer));
  }
  return {};
}

Result<void> rejoin_peers(const PeerMount& mount) {
  if (move_to_group(mount.member.get(), mount.mount.get()) < 0)
    return fail(errno, "share {} with the host", mount.path);
  return {};
}

// The kernel checks the flags before the descriptors.
Result<bool> can_rejoin_peers() {
  int code = move_to_group(-1, -1) < 0 ? errno : 0;
  if (is_transient(code)) return fail(code, "move_mount with MOVE_MOUNT_SET_GROUP");
  return code == EBADF;
}

}  // namespace minirun
