// SPDX-License-Identifier: Apache-2.0
#include "unpack/raw_names.h"

#include <algorithm>
#include <charconv>

namespace minirun::unpack {
namespace {

constexpr size_t kTarBlock = 512;
constexpr size_t kMostPaxBytes = size_t{1} << 20;  // libarchive takes no more either
constexpr std::string_view kRecord = "21 hdrcharset=BINARY\n";

uint64_t padded(uint64_t size) {
  return (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

// Octal digits, or a big-endian number behind a first byte of 0x80 (GNU).
std::optional<uint64_t> number_in(std::string_view field) {
  uint64_t number = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80u) != 0) {
    for (char c : field.substr(field.size() - 8)) number = number << 8u | static_cast<unsigned char>(c);
    return number >> 62u != 0 ? std::nullopt : std::optional(number);
  }
  field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
  for (char c : field) {
    if (c < '0' || c > '7') break;
    number = number * 8 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

std::string_view size_field(std::string_view header) {
  return header.substr(124, 12);
}

// The sum of the header's bytes, with blanks for the field that holds it.
uint64_t checksum_of(std::string_view header) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kTarBlock; i++) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  return sum;
}

// Of the records "LENGTH KEY=VALUE\n", the last one of that key.
std::optional<uint64_t> size_in_records(std::string_view records) {
  std::optional<uint64_t> size;
  while (!records.empty()) {
    size_t length = 0;
    auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
    if (error != std::errc() || length == 0 || length > records.size()) break;
    std::string_view record = records.substr(0, length);
    records.remove_prefix(length);
    size_t key = record.find(" size=");
    if (key == record.npos || key != static_cast<size_t>(end - record.data())) continue;
    uint64_t value = 0;
    auto parsed = std::from_chars(record.data() + key + 6, record.data() + record.size(), value);
    if (parsed.ec == std::errc()) size = value;
  }
  return size;
}

}  // namespace

// Of made_: a header, and behind that of a pax header its records.
size_t RawNamesStream::wanted() const {
  if (made_.size() < kTarBlock) return kTarBlock;
  return kTarBlock + padded(*number_in(size_field(made_)));
}

Result<std::string_view> RawNamesStream::next() {
  given_.clear();
  while (given_.empty()) {
    if (block_.empty()) block_ = TRY(tar_.next());
    if (block_.empty()) {  // cut in a header: libarchive says so
      given_ = std::exchange(made_, {});
      return std::string_view(given_);
    }
    if (to_the_end_ || pass_ > 0) {
      size_t size = to_the_end_ ? block_.size() : std::min<uint64_t>(block_.size(), pass_);
      if (!to_the_end_) pass_ -= size;
      std::string_view content = block_.substr(0, size);
      block_.remove_prefix(size);
      return content;
    }
    size_t size = std::min(block_.size(), wanted() - made_.size());
    made_ += block_.substr(0, size);
    block_.remove_prefix(size);
    if (made_.size() == kTarBlock) TRY(take_header());
    if (made_.size() > kTarBlock && made_.size() == wanted()) take_pax_header();
  }
  return std::string_view(given_);
}

Result<void> RawNamesStream::take_header() {
  char type = made_[156];
  auto size = number_in(size_field(made_));
  // The end of the archive, or what libarchive will not take for a header.
  bool is_header = size && checksum_of(made_) == number_in(std::string_view(made_).substr(148, 8));
  if (!is_header || *size > UINT64_MAX / 4) to_the_end_ = true;
  bool is_pax = type == 'x' || type == 'X';
  if (!to_the_end_ && is_pax && *size > 0 && *size <= kMostPaxBytes) return {};  // its records follow
  bool is_special = is_pax || type == 'g' || type == 'L' || type == 'K';
  if (!to_the_end_ && !is_special) {
    uint64_t content = next_size_.value_or(*size);
    if (type == '1' && content > 0)
      return fail(ErrorKind::config, "layer: a hard link must not have a content of its own");
    pass_ = type >= '1' && type <= '6' ? 0 : padded(content);
    next_size_.reset();
  } else if (!to_the_end_) {
    pass_ = padded(*size);
  }
  given_ = std::exchange(made_, {});
  return {};
}

void RawNamesStream::take_pax_header() {
  uint64_t size = *number_in(size_field(made_));
  made_.resize(kTarBlock + size);
  next_size_ = size_in_records(std::string_view(made_).substr(kTarBlock));
  made_ += kRecord;
  std::string digits = fmt::format("{:011o}", size + kRecord.size());
  made_.replace(124, 12, digits + '\0');
  made_.replace(148, 8, fmt::format("{:06o}", checksum_of(made_)) + std::string("\0 ", 2));
  made_.resize(padded(made_.size()), '\0');
  given_ = std::exchange(made_, {});
}

}  // namespace minirun::unpack
