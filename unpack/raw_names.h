// SPDX-License-Identifier: Apache-2.0
// Names of pax headers as bytes. libarchive reads them as UTF-8, composes what is decomposed (Unicode's NFC) and
// refuses what is no UTF-8: two names of an image would become one, and others could not be had. It leaves names alone
// where the header says hdrcharset=BINARY (pax(1)), so this stream adds that to each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sys/result.h"
#include "unpack/stream.h"

namespace minirun::unpack {

class RawNamesStream final : public Stream {
 public:
  // tar: borrowed; an archive that is not compressed.
  explicit RawNamesStream(Stream& tar) : tar_(tar) {}

  Result<std::string_view> next() override;

 private:
  Result<void> take_header();
  void take_pax_header();
  size_t wanted() const;

  Stream& tar_;
  std::string_view block_;  // what is left of the last block
  std::string made_;        // a header, or a pax header with its records, that is being collected
  std::string given_;       // what was handed out last
  uint64_t pass_ = 0;       // bytes that are content
  bool to_the_end_ = false;
  std::optional<uint64_t> next_size_;  // of the entry that the pax header is about
};

}  // namespace minirun::unpack
