// SPDX-License-Identifier: Apache-2.0
#include "unpack/notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/shown.h"

namespace minirun::unpack {
namespace {

constexpr size_t kMostNames = 3;

const char* words_for(Omission omission) {
  switch (omission) {
    case Omission::device:
      return "device nodes are left out, which root alone can make";
    case Omission::owner:
      return "files belong to you and not to their owners, whose ids are not mapped";
    case Omission::xattr:
      return "extended attributes are left out (other than user.*, security.capability and security.ima, or refused by "
             "the filesystem)";
    case Omission::label:
      return "labels are left out, because minirun acts on annotations of these names";
  }
  return "";
}

}  // namespace

void Notes::add(Omission omission, const std::string& what) {
  Seen& seen = seen_[omission];
  seen.count++;
  bool known = std::find(seen.first.begin(), seen.first.end(), what) != seen.first.end();
  if (seen.first.size() < kMostNames && !known) seen.first.push_back(what);
}

std::vector<std::string> Notes::lines() const {
  std::vector<std::string> all = lines_;
  for (const auto& [omission, seen] : seen_) {
    std::string names;
    for (const std::string& name : seen.first) names += (names.empty() ? "" : ", ") + shown_line(name);
    all.push_back(fmt::format("{} ({}): {}{}", words_for(omission), seen.count, names,
                              seen.count > seen.first.size() ? ", …" : ""));
  }
  return all;
}

}  // namespace minirun::unpack
