// SPDX-License-Identifier: Apache-2.0
#include "unpack/entry_path.h"

namespace minirun::unpack {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kAufs = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != "..";
}

}  // namespace

Result<EntryPath> parse_entry_path(std::string_view path) {
  constexpr size_t kMostBytes = 4095;  // PATH_MAX, without the NUL byte
  constexpr size_t kMostOfName = 255;  // NAME_MAX
  if (path.size() > kMostBytes) return fail(ErrorKind::config, "must have at most {} bytes", kMostBytes);
  EntryPath found;
  std::string_view last;
  while (!path.empty()) {
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return fail(ErrorKind::config, "must not contain \"..\"");
    if (name.size() > kMostOfName) return fail(ErrorKind::config, "must have names of at most {} bytes", kMostOfName);
    if (last.starts_with(kAufs)) return EntryPath{EntryKind::ignored, "", ""};
    if (last.starts_with(kWhiteout)) return fail(ErrorKind::config, "must not be below a whiteout, \"{}\"", kWhiteout);
    if (!last.empty()) (found.parent += found.parent.empty() ? "" : "/") += last;
    last = name;
  }
  if (last.empty()) {
    found.kind = EntryKind::root;
  } else if (last == kOpaque) {
    found.kind = EntryKind::opaque;
  } else if (last.starts_with(kAufs)) {
    return EntryPath{EntryKind::ignored, "", ""};
  } else if (last.starts_with(kWhiteout)) {
    found.kind = EntryKind::whiteout;
    found.name = last.substr(kWhiteout.size());
    if (!is_name(found.name)) return fail(ErrorKind::config, "must name what the whiteout is for");
  } else {
    found.name = last;
  }
  return found;
}

}  // namespace minirun::unpack
