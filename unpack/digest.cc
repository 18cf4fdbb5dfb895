// SPDX-License-Identifier: Apache-2.0
// The only file that knows nettle.
#include "unpack/digest.h"

#include <nettle/sha2.h>

#include <variant>

#include "runtime/text/json.h"

namespace minirun::unpack {

Result<Digest> parse_digest(std::string_view text) {
  constexpr std::string_view kNames[] = {"sha256:", "sha512:"};
  constexpr size_t kDigits[] = {64, 128};
  for (size_t i = 0; i < 2; i++) {
    if (!text.starts_with(kNames[i])) continue;
    std::string_view hex = text.substr(kNames[i].size());
    if (hex.size() == kDigits[i] && hex.find_first_not_of("0123456789abcdef") == hex.npos)
      return Digest{i == 1, std::string(hex)};
    return fail(ErrorKind::config, "must be {} and {} hexadecimal digits in lower case: found {}", kNames[i],
                kDigits[i], quoted(text));
  }
  return fail(ErrorKind::config, "must begin with sha256: or sha512:, the hashes that minirun-unpack checks: found {}",
              quoted(text));
}

std::string blob_path(const Digest& digest) {
  return (digest.is_sha512 ? "sha512/" : "sha256/") + digest.hex;
}

struct Hasher::State {
  std::variant<sha256_ctx, sha512_ctx> context;
};

Hasher::Hasher(bool is_sha512) : state_(std::make_unique<State>()) {
  if (is_sha512)
    sha512_init(&state_->context.emplace<sha512_ctx>());
  else
    sha256_init(&state_->context.emplace<sha256_ctx>());
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::string_view data) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  if (auto* sha256 = std::get_if<sha256_ctx>(&state_->context))
    sha256_update(sha256, data.size(), bytes);
  else
    sha512_update(&std::get<sha512_ctx>(state_->context), data.size(), bytes);
}

std::string Hasher::hex() {
  uint8_t bytes[SHA512_DIGEST_SIZE];
  size_t size = SHA256_DIGEST_SIZE;
  if (auto* sha256 = std::get_if<sha256_ctx>(&state_->context)) {
    sha256_digest(sha256, size, bytes);
  } else {
    size = SHA512_DIGEST_SIZE;
    sha512_digest(&std::get<sha512_ctx>(state_->context), size, bytes);
  }
  std::string hex;
  for (size_t i = 0; i < size; i++) hex += fmt::format("{:02x}", unsigned{bytes[i]});
  return hex;
}

Result<std::string_view> CheckedStream::next() {
  if (ended_) return std::string_view();
  std::string_view block = TRY(inner_.next());
  hasher_.update(block);
  seen_ += block.size();
  if (size_ && seen_ > *size_)
    return fail(ErrorKind::config, "{}: must have {} bytes, as its descriptor says: it has more", name_, *size_);
  if (!block.empty()) return block;
  ended_ = true;
  if (size_ && seen_ != *size_)
    return fail(ErrorKind::config, "{}: must have {} bytes, as its descriptor says: found {}", name_, *size_, seen_);
  std::string found = hasher_.hex();
  if (found != digest_.hex)
    return fail(ErrorKind::config, "{}: must have the digest {}: found {}", name_, digest_.text(), found);
  return std::string_view();
}

}  // namespace minirun::unpack
