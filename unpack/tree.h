// SPDX-License-Identifier: Apache-2.0
// The tree that layers are applied to. An image's links are followed as the container would follow them, and by the
// kernel alone (openat2(2), RESOLVE_IN_ROOT): no path of a layer can lead out of the root, whatever links it goes
// through. What an entry makes or removes is one name in a directory that was found so.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_set>

#include "sys/fd.h"
#include "sys/result.h"
#include "unpack/entry_path.h"
#include "unpack/node.h"
#include "unpack/removal.h"
#include "unpack/tar_reader.h"

namespace minirun::unpack {

class Tree {
 public:
  // root and trash are directories on one filesystem that nothing else works in; root is borrowed.
  Tree(int root, UniqueFd trash, NodeMaker maker) : root_(root), trash_(std::move(trash)), maker_(maker) {}

  // From here on whiteouts are about what is there now: those of a layer do not touch what the layer itself brings.
  void begin_layer() { own_.clear(); }
  // One entry. An entry of the same name takes the place of an earlier one, of any type. Only a directory stays as it
  // is below a directory. Errors are without the entry's name.
  Result<void> apply(const EntryPath& path, const TarEntry& entry, TarReader& content);
  // After the last entry.
  Result<void> finish() { return leave(); }

 private:
  Result<void> enter(const std::string& directory);
  Result<bool> try_enter(const std::string& directory);
  Result<void> stand_in(UniqueFd opened, const std::string& directory);
  Result<void> make_directories(const std::string& directory);
  Result<void> leave();

  Result<void> dress_root(const TarEntry& entry);
  Result<void> put(const EntryPath& path, const TarEntry& entry, TarReader& content);
  Result<bool> take_directory(const std::string& name, const TarEntry& entry);
  Result<void> link(const std::string& name, const TarEntry& entry);
  Result<void> clear(const std::string& name);
  Result<void> remove_lower(int directory, const std::string& name, int level);
  Result<void> remove_all_lower(int directory, int level);

  static std::string key_of(ino_t directory, const std::string& name);

  int root_;
  Trash trash_;
  NodeMaker maker_;
  std::unordered_set<std::string> own_;  // what this layer has made, by the directory's inode and the name

  // The directory of the last entry: those of a directory come one after another. Its time is put back when it is left.
  UniqueFd at_;
  std::string at_path_;
  ino_t at_inode_ = 0;
  bool at_inherits_group_ = false;
  timespec at_mtime_{};
};

}  // namespace minirun::unpack
