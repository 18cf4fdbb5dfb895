// SPDX-License-Identifier: Apache-2.0
// One file of an image, made in a directory that is open. Nothing here resolves a path: a name is one name.
#pragma once

#include <cstdint>
#include <string>

#include "sys/result.h"
#include "unpack/limits.h"
#include "unpack/notes.h"
#include "unpack/tar_reader.h"

namespace minirun::unpack {

// What this process may do, found out once.
struct Rights {
  bool devices = false;  // mknod(2): in the first user namespace alone
  bool owners = false;   // chown(2) to any id that is mapped
};

struct NodePlace {
  int directory;            // borrowed
  bool inherits_group;      // the directory is set-group-ID: a new file has its group (inode(7))
  const std::string& name;  // in it
};

class NodeMaker {
 public:
  NodeMaker(Rights rights, const Limits& limits, Usage* usage, Notes* notes)
      : rights_(rights), limits_(limits), usage_(*usage), notes_(*notes) {}

  // Errors with code EEXIST: the name is taken, and nothing has been read. Directories are made, or taken as they are;
  // all but hard links get the entry's owner, mode, attributes and times.
  Result<void> make(const NodePlace& place, const TarEntry& entry, TarReader& content);
  // The same for what is a directory already. directory: open for reading.
  Result<void> dress_directory(int directory, const TarEntry& entry);

 private:
  Result<void> make_file(const NodePlace& place, const TarEntry& entry, TarReader& content);
  Result<void> write_content(int file, const TarEntry& entry, TarReader& content);
  Result<void> make_special(const NodePlace& place, const TarEntry& entry);
  Result<void> dress_at(const NodePlace& place, const TarEntry& entry);
  Result<void> own(int fd, const char* name, int flags, const TarEntry& entry);
  Result<void> add_xattrs(const std::string& path, bool is_own_descriptor, int fd, const TarEntry& entry);

  Rights rights_;
  const Limits& limits_;
  Usage& usage_;
  Notes& notes_;
};

}  // namespace minirun::unpack
