// SPDX-License-Identifier: Apache-2.0
// One layer, from its bytes to the tree.
#pragma once

#include <functional>
#include <string>

#include "sys/result.h"
#include "unpack/digest.h"
#include "unpack/image.h"
#include "unpack/limits.h"
#include "unpack/source.h"
#include "unpack/tree.h"

namespace minirun::unpack {

struct LayerSetting {
  const Limits& limits;
  Usage& usage;
  std::function<void()> on_progress;  // called now and then
};

// Applies the layer while its bytes are checked: against the digest of its descriptor, if it has one, and that of what
// it is once decompressed. An error may come when all entries have been applied: only a success makes the tree good.
Result<void> apply_layer(Source& source, const Blob& blob, const Digest& diff_id, Tree& tree,
                         const LayerSetting& setting);

// The same for bytes that are not compressed: entries until the end of the archive, then the rest of the stream.
Result<void> apply_entries(Stream& stream, const std::string& name, Tree& tree, const LayerSetting& setting);

}  // namespace minirun::unpack
