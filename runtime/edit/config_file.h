// SPDX-License-Identifier: Apache-2.0
// A config.json that is changed while other programs may read or change it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class ConfigFile {
 public:
  // Locks the file (flock(2), for as long as this object lives) and reads it. Waits at most kPatienceSeconds for
  // another holder of the lock; then the error has kind busy. Refuses a symbolic link (name its target instead: the
  // link would become a file), what is not a regular file, and more than kMaxJsonBytes.
  static Result<ConfigFile> open(const std::string& path, int64_t patience_ms = 10'000);

  const std::string& text() const { return text_; }

  // Replaces the file by one with this text, the same mode and the same owner: a reader sees the old or the new text,
  // never a part. Other hard links keep the old one. An error leaves the file as it is; one of kind busy says that a
  // program without the lock has changed or replaced it since open(), and if it did so twice at the worst moment, that
  // one of its texts is in NAME.conflict. Signals that end minirun wait until this is done.
  //
  // The new file is ".NAME.minirun" until it takes the old one's place. A minirun that was killed may leave it; the
  // next one replaces it.
  Result<void> replace(std::string_view text);

 private:
  ConfigFile(UniqueFd directory, std::string name) : directory_(std::move(directory)), name_(std::move(name)) {}
  Result<bool> lock();
  Result<void> read();
  Result<UniqueFd> write_new(const std::string& temporary, std::string_view text, struct stat* made) const;
  Result<void> exchange(const std::string& temporary, const struct stat& made) const;
  bool is_unchanged(const struct stat& info) const;

  UniqueFd directory_;
  std::string name_;
  UniqueFd file_;
  struct stat info_ = {};
  std::string text_;
};

}  // namespace minirun
