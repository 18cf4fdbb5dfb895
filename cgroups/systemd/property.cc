// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/property.h"

#include <cerrno>
#include <cstring>

namespace minirun::systemd {

ValueWriter& ValueWriter::byte(uint8_t value) {
  data_.push_back(static_cast<char>(value));
  return *this;
}

ValueWriter& ValueWriter::number32(uint32_t value) {
  data_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

ValueWriter& ValueWriter::number64(uint64_t value) {
  data_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

ValueWriter& ValueWriter::text(std::string_view value) {
  number32(static_cast<uint32_t>(value.size()));
  data_.append(value);
  return *this;
}

Result<void> ValueReader::take(void* value, size_t size) {
  if (data_.size() < size) return fail(EPROTO, "a message to or from minirun-systemd is too short");
  memcpy(value, data_.data(), size);
  data_.remove_prefix(size);
  return {};
}

Result<uint8_t> ValueReader::byte() {
  uint8_t value = 0;
  TRY(take(&value, sizeof value));
  return value;
}

Result<uint32_t> ValueReader::number32() {
  uint32_t value = 0;
  TRY(take(&value, sizeof value));
  return value;
}

Result<uint64_t> ValueReader::number64() {
  uint64_t value = 0;
  TRY(take(&value, sizeof value));
  return value;
}

Result<std::string> ValueReader::text() {
  uint32_t size = TRY(number32());
  if (data_.size() < size) return fail(EPROTO, "a message to or from minirun-systemd is too short");
  std::string value(data_.substr(0, size));
  data_.remove_prefix(size);
  return value;
}

Property boolean(std::string name, bool value) {
  return {std::move(name), "b", ValueWriter().number32(value ? 1 : 0).take()};
}

Property number(std::string name, uint64_t value) {
  return {std::move(name), "t", ValueWriter().number64(value).take()};
}

Property text(std::string name, std::string_view value) {
  return {std::move(name), "s", ValueWriter().text(value).take()};
}

Property texts(std::string name, const std::vector<std::string>& values) {
  ValueWriter writer;
  writer.number32(static_cast<uint32_t>(values.size()));
  for (const std::string& value : values) writer.text(value);
  return {std::move(name), "as", writer.take()};
}

Property numbers32(std::string name, const std::vector<uint32_t>& values) {
  ValueWriter writer;
  writer.number32(static_cast<uint32_t>(values.size()));
  for (uint32_t value : values) writer.number32(value);
  return {std::move(name), "au", writer.take()};
}

Property bytes(std::string name, std::string_view values) {
  return {std::move(name), "ay", ValueWriter().text(values).take()};  // a count and as many bytes, as well
}

Property rates(std::string name, const std::vector<std::pair<std::string, uint64_t>>& values) {
  ValueWriter writer;
  writer.number32(static_cast<uint32_t>(values.size()));
  for (const auto& [device, value] : values) writer.text(device).number64(value);
  return {std::move(name), "a(st)", writer.take()};
}

size_t type_end(std::string_view signature, size_t start) {
  if (start >= signature.size()) return 0;
  char type = signature[start];
  if (std::string_view("biutxys").find(type) != std::string_view::npos) return start + 1;
  if (type == 'a') {
    // No unit has arrays of arrays, so no signature is deep.
    if (start + 1 < signature.size() && signature[start + 1] == 'a') return 0;
    return type_end(signature, start + 1);
  }
  if (type != '(') return 0;
  size_t at = start + 1;
  while (at < signature.size() && signature[at] != ')') {
    bool basic = std::string_view("biutxys").find(signature[at]) != std::string_view::npos;
    if (!basic) return 0;
    at++;
  }
  return at < signature.size() && at > start + 1 ? at + 1 : 0;
}

namespace {

Result<std::string> basic_text(ValueReader& reader, char type) {
  switch (type) {
    case 'b':
      return std::string(TRY(reader.number32()) != 0 ? "true" : "false");
    case 'i':
      return std::to_string(static_cast<int32_t>(TRY(reader.number32())));
    case 'u':
      return std::to_string(TRY(reader.number32()));
    case 'x':
      return std::to_string(static_cast<int64_t>(TRY(reader.number64())));
    case 't': {
      uint64_t value = TRY(reader.number64());
      return value == kInfinity ? std::string("infinity") : std::to_string(value);
    }
    case 'y':
      return fmt::format("0x{:02x}", TRY(reader.byte()));
    default:
      return reader.text();
  }
}

Result<std::string> struct_text(ValueReader& reader, std::string_view fields) {
  std::string all;
  for (char type : fields) all += (all.empty() ? "" : " ") + TRY(basic_text(reader, type));
  return all;
}

}  // namespace

Result<std::string> to_text(const Property& property) {
  std::string_view type = property.signature;
  if (type.empty() || type_end(type, 0) != type.size())
    return fail(EPROTO, "{}: unknown type \"{}\"", property.name, type);
  ValueReader reader(property.data);
  bool array = type[0] == 'a';
  if (array) type.remove_prefix(1);
  if (type[0] == '(') type = type.substr(1, type.size() - 2);
  std::string value;
  uint32_t count = array ? TRY(reader.number32()) : 1;
  for (uint32_t i = 0; i < count; i++) value += (i == 0 ? "" : ", ") + TRY(struct_text(reader, type));
  if (!reader.at_end()) return fail(EPROTO, "{}: more data than \"{}\" has", property.name, property.signature);
  return array ? fmt::format("{}=[{}]", property.name, value) : fmt::format("{}={}", property.name, value);
}

}  // namespace minirun::systemd
