// SPDX-License-Identifier: Apache-2.0
// One property of a systemd unit, with its value in the form that the helper gets: the D-Bus signature, and the values
// of its basic types one after another. Nothing here speaks D-Bus.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"

namespace minirun::systemd {

// "No limit" in a property of type t.
constexpr uint64_t kInfinity = UINT64_MAX;

// Signatures consist of b, i, u, t, x, y, s, structs of these, and arrays of any of them, which is all that systemd's
// units use. data: see ValueWriter.
struct Property {
  std::string name;
  std::string signature;
  std::string data;

  bool operator==(const Property&) const = default;
};

using Properties = std::vector<Property>;

// Basic values, in the machine's byte order: y as one byte, b, i and u as four, t and x as eight, s as its length
// (four) and its bytes. An array is the number of its elements (u) and these; a struct is its fields.
class ValueWriter {
 public:
  ValueWriter& byte(uint8_t value);
  ValueWriter& number32(uint32_t value);
  ValueWriter& number64(uint64_t value);
  ValueWriter& text(std::string_view value);
  std::string take() { return std::move(data_); }

 private:
  std::string data_;
};

// Reads what ValueWriter wrote, and checks every length. EPROTO: too little data.
class ValueReader {
 public:
  explicit ValueReader(std::string_view data) : data_(data) {}
  Result<uint8_t> byte();
  Result<uint32_t> number32();
  Result<uint64_t> number64();
  Result<std::string> text();
  bool at_end() const { return data_.empty(); }

 private:
  Result<void> take(void* value, size_t size);
  std::string_view data_;
};

Property boolean(std::string name, bool value);
Property number(std::string name, uint64_t value);  // t
Property text(std::string name, std::string_view value);
Property texts(std::string name, const std::vector<std::string>& values);   // as
Property numbers32(std::string name, const std::vector<uint32_t>& values);  // au
Property bytes(std::string name, std::string_view values);                  // ay
// a(st): limits of block devices.
Property rates(std::string name, const std::vector<std::pair<std::string, uint64_t>>& values);

// For people and for tests: "MemoryMax=1048576", "After=[a.service, b.service]", "AllowedCPUs=[0x0f]". "infinity" for
// that number. EPROTO: the data is not what the signature says.
Result<std::string> to_text(const Property& property);

// The end of the complete type at `start` of a signature: of "a(st)b" it is 5 for 0. 0: no known type.
size_t type_end(std::string_view signature, size_t start);

}  // namespace minirun::systemd
