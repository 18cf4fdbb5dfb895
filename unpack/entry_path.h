// SPDX-License-Identifier: Apache-2.0
// The names of a layer's entries (image-spec, layer.md): where an entry belongs, and whether it is a whiteout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace minirun::unpack {

enum class EntryKind : uint8_t {
  plain,
  root,      // the root directory itself: "./"
  whiteout,  // .wh.NAME: what lower layers have at NAME is gone
  opaque,    // .wh..wh..opq: what lower layers have in the directory is gone
  ignored,   // other names of aufs: .wh..wh.plnk
};

struct EntryPath {
  EntryKind kind = EntryKind::plain;
  std::string parent;  // below the root, without a "/" at its ends; "": the root
  std::string name;    // one name: neither "", "." nor ".."; for a whiteout, of what is gone. "" for root and opaque
};

// Absolute paths are taken for relative ones, as every tar does. Errors: "..", a reserved name, too long. Without a
// noun.
Result<EntryPath> parse_entry_path(std::string_view path);

}  // namespace minirun::unpack
