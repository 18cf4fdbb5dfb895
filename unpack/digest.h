// SPDX-License-Identifier: Apache-2.0
// Digests of the image-spec (descriptor.md, "Digests"): "sha256:" or "sha512:" and the hash in lower case.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sys/result.h"
#include "unpack/stream.h"

namespace minirun::unpack {

struct Digest {
  bool is_sha512 = false;
  std::string hex;

  std::string text() const { return (is_sha512 ? "sha512:" : "sha256:") + hex; }
  bool operator==(const Digest&) const = default;
};

// The error says what is right, without a noun in front.
Result<Digest> parse_digest(std::string_view text);

// "sha256/HEX", below the folder blobs of a layout.
std::string blob_path(const Digest& digest);

class Hasher {
 public:
  explicit Hasher(bool is_sha512);
  Hasher(Hasher&&) noexcept;
  ~Hasher();
  void update(std::string_view data);
  // Once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Hands a stream on and holds it against its digest and size. The end of the stream is an error where they do not
// match, so what came before counts only once next() has returned the empty block.
class CheckedStream final : public Stream {
 public:
  // inner is borrowed. name: for messages.
  CheckedStream(Stream& inner, std::string name, Digest digest, std::optional<uint64_t> size)
      : inner_(inner), name_(std::move(name)), digest_(std::move(digest)), size_(size), hasher_(digest_.is_sha512) {}

  Result<std::string_view> next() override;

 private:
  Stream& inner_;
  std::string name_;
  Digest digest_;
  std::optional<uint64_t> size_;
  Hasher hasher_;
  uint64_t seen_ = 0;
  bool ended_ = false;
};

}  // namespace minirun::unpack
