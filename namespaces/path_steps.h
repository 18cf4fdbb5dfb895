// SPDX-License-Identifier: Apache-2.0
// Resolves paths of the container, and makes missing parts. Child side of clone: see executor.h for the rules.
#pragma once

#include "namespaces/channel_steps.h"

namespace minirun {

template <class Kernel>
class PathSteps : public ChannelSteps<Kernel> {
 public:
  using Base = ChannelSteps<Kernel>;
  using Base::Base;

 protected:
  // Resolves a path of the container: symbolic links stay inside, magic links (/proc/PID/fd) are refused.
  long resolve(const char* path, uint64_t flags) {
    return this->openat2(root_, path, abi::kOpenPath | flags, abi::kResolveInRoot | abi::kResolveNoMagiclinks);
  }

  // Opens what a path leads to: a directory, or an empty file to mount on. Makes it and its parents if missing. Returns
  // an O_PATH descriptor or -errno.
  long make_directory(const char* path) {
    long fd = resolve(path, abi::kOpenDirectory);
    return is_for_walk(fd) ? walk(path, true, false) : fd;
  }
  long make_file(const char* path) {
    long fd = resolve(path, 0);
    return is_for_walk(fd) ? walk(path, false, false) : fd;
  }

  // The same for a directory in which nodes and links are made and replaced: an existing one must be the container's
  // own too.
  long make_own_directory(const char* path) {
    long fd =
        this->openat2(root_, path, abi::kOpenPath | abi::kOpenDirectory, abi::kResolveInRoot | abi::kResolveNoSymlinks);
    return is_for_walk(fd) || fd == -ELOOP ? walk(path, true, true) : fd;
  }

  // Registers a mount that only the container has: its root, and what minirun has mounted anew.
  long own(long mount) {
    FileFacts facts{};
    long rc = this->stat(mount, &facts);
    if (rc >= 0 && own_count_ < kMostOwn) own_[own_count_++] = facts.mount_id;
    return rc;
  }

  long root_ = -1;

 private:
  static constexpr unsigned kPathBytes = 4096;  // PATH_MAX
  static constexpr unsigned kMostLinks = 40;    // as the kernel's (path_resolution(7))
  static constexpr unsigned kMostTurns = 8192;  // components, and what a racer puts in their place
  // A link into a mount beyond this number is refused as if it were the host's.
  static constexpr unsigned kMostOwn = 1024;

  // How far a path is resolved. A path without links is what config.json names, so its missing parts are made wherever
  // it leads. A link belongs to the image or a volume: if it leads into a mount of the host, nothing is made or
  // unlinked there, since that would happen with minirun's rights.
  struct Walk {
    long at;               // the directory; root_ is not the walk's to close
    unsigned links;        // that were followed
    unsigned done_length;  // of the path from the root to it, without links
    unsigned rest;         // where in `pending` the rest of the path begins, which ends at the end
    char done[kPathBytes];
    char pending[kPathBytes];
  };

  // EAGAIN: a mount or rename elsewhere on the host disturbed the kernel's ".." each time.
  static bool is_for_walk(long fd) { return fd == -ENOENT || fd == -EAGAIN; }

  long walk(const char* path, bool directory, bool only_own) {
    Walk w;
    w.at = root_;
    w.links = w.done_length = 0;
    w.done[0] = '\0';
    w.rest = kPathBytes - 1;
    w.pending[w.rest] = '\0';
    long rc = prepend(&w, path);
    for (unsigned turns = 0; rc == 0; turns++) rc = turns < kMostTurns ? advance(&w, directory) : -ELOOP;
    if (rc > 0 && only_own) {
      long allowed = may_make(&w, rc);
      if (allowed < 0) {
        if (rc != w.at) this->close(rc);
        rc = allowed;
      }
    }
    if (w.at != root_ && w.at != rc) this->close(w.at);
    return rc;
  }

  // Walks one component. 0: continue; otherwise the descriptor of the whole path, or -errno.
  long advance(Walk* w, bool directory) {
    while (w->pending[w->rest] == '/') w->rest++;
    const char* name = w->pending + w->rest;
    if (name[0] == '\0')  // also the root itself
      return w->at != root_ ? w->at : this->openat2(root_, ".", abi::kOpenPath | abi::kOpenDirectory, 0);
    unsigned length = 0;
    while (name[length] != '\0' && name[length] != '/') length++;
    unsigned after = w->rest + length;
    while (w->pending[after] == '/') after++;
    bool last = w->pending[after] == '\0';
    bool dots = name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
    if (dots) {
      w->rest += length;
      return length == 1 ? 0 : go_up(w);
    }
    char component[256];  // NAME_MAX
    if (length >= sizeof component) return -ENAMETOOLONG;
    for (unsigned i = 0; i < length; i++) component[i] = name[i];
    component[length] = '\0';
    long fd = this->call(__NR_openat, descriptor(w->at), address(component),
                         abi::kOpenPath | abi::kOpenNofollow | abi::kCloexec);
    if (fd == -ENOENT) return make_missing(w, component, directory || !last);
    if (fd < 0) return fd;
    FileFacts facts{};
    long rc = this->stat(fd, &facts);
    uint16_t type = facts.mode & kTypeMask;
    if (rc >= 0 && type == kDirectoryType) {
      rc = go_down(w, fd, component, length);
      if (rc >= 0) return 0;
    } else if (rc >= 0 && type == kLinkType) {
      w->rest += length;
      rc = follow(w, fd);
    } else if (rc >= 0 && last && !directory) {
      return fd;
    } else if (rc >= 0) {
      rc = this->failed(__NR_openat, -ENOTDIR);
    }
    this->close(fd);
    return rc;
  }

  // The next turn looks it up again: a racer may have put something else there, which gets the same checks.
  long make_missing(Walk* w, const char* name, bool directory) {
    long rc = may_make(w, w->at);
    if (rc < 0) return rc;
    if (directory) {
      rc = this->call(__NR_mkdirat, descriptor(w->at), address(name), 0755);
    } else {
      rc = this->call(__NR_openat, descriptor(w->at), address(name),
                      abi::kOpenWriteOnly | abi::kOpenCreate | abi::kOpenExclusive | abi::kOpenNofollow | abi::kCloexec,
                      0644);
      this->close(rc);
    }
    return rc < 0 && rc != -EEXIST ? rc : 0;
  }

  long go_down(Walk* w, long fd, const char* name, unsigned length) {
    if (w->done_length + 1 + length >= kPathBytes) return -ENAMETOOLONG;
    w->done[w->done_length++] = '/';
    for (unsigned i = 0; i < length; i++) w->done[w->done_length++] = name[i];
    w->done[w->done_length] = '\0';
    w->rest += length;
    stand_in(w, fd);
    return 0;
  }

  // Walks down from the root: a racer that moves the directory chooses where its own ".." leads.
  long go_up(Walk* w) {
    while (w->done_length > 0 && w->done[w->done_length - 1] != '/') w->done_length--;
    if (w->done_length > 0) w->done_length--;
    w->done[w->done_length] = '\0';
    long fd = root_;
    if (w->done_length > 0)
      fd = this->openat2(root_, w->done, abi::kOpenPath | abi::kOpenDirectory,
                         abi::kResolveInRoot | abi::kResolveNoSymlinks);
    if (fd < 0) return fd;
    stand_in(w, fd);
    return 0;
  }

  // Follows no link in a procfs: its magic links do not lead where their text says, and nothing can be made there.
  long follow(Walk* w, long link) {
    if (++w->links > kMostLinks) return this->failed(__NR_readlinkat, -ELOOP);
    long type = this->filesystem_of(link);
    if (type < 0) return type;
    if (type == kProcfs) return this->failed(__NR_readlinkat, -ELOOP);
    char target[kPathBytes];
    long length = this->call(__NR_readlinkat, descriptor(link), address(""), address(target), sizeof target);
    if (length < 0) return length;
    if (length == static_cast<long>(sizeof target)) return -ENAMETOOLONG;
    target[length] = '\0';
    if (target[0] == '/') {
      w->done_length = 0;
      w->done[0] = '\0';
      stand_in(w, root_);
    }
    return prepend(w, target);
  }

  void stand_in(Walk* w, long fd) {
    if (w->at != root_) this->close(w->at);
    w->at = fd;
  }

  long prepend(Walk* w, const char* path) {
    unsigned length = text_length(path);
    if (length + 1 > w->rest) return -ENAMETOOLONG;
    w->pending[--w->rest] = '/';
    w->rest -= length;
    for (unsigned i = 0; i < length; i++) w->pending[w->rest + i] = path[i];
    return 0;
  }

  long may_make(Walk* w, long directory) {
    if (w->links == 0) return 0;
    FileFacts facts{};
    long rc = this->stat(directory, &facts);
    if (rc < 0) return rc;
    for (unsigned i = 0; i < own_count_; i++)
      if (own_[i] == facts.mount_id) return 0;
    this->say("a symbolic link leads it into a mount from outside, where nothing is made: ");
    this->say_more(w->done);
    return this->failed(__NR_mkdirat, -EPERM);
  }

  uint64_t own_[kMostOwn];
  unsigned own_count_ = 0;
};

}  // namespace minirun
