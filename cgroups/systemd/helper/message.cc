// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/helper/message.h"

#include <cerrno>

namespace minirun::systemd {
namespace {

Result<void> checked(int n) {
  return n >= 0 ? Result<void>() : fail(-n, "make a message to systemd");
}

Result<void> append_basic(sd_bus_message* message, char type, ValueReader& reader) {
  switch (type) {
    case 'y': {
      uint8_t value = TRY(reader.byte());
      return checked(sd_bus_message_append_basic(message, type, &value));
    }
    case 'b':
    case 'i':
    case 'u': {
      uint32_t value = TRY(reader.number32());
      return checked(sd_bus_message_append_basic(message, type, &value));
    }
    case 't':
    case 'x': {
      uint64_t value = TRY(reader.number64());
      return checked(sd_bus_message_append_basic(message, type, &value));
    }
    case 's': {
      std::string value = TRY(reader.text());
      if (value.find('\0') != value.npos) return fail(EINVAL, "a text for systemd has a NUL in it");
      return checked(sd_bus_message_append_basic(message, type, value.c_str()));
    }
    default:
      return fail(EPROTO, "type {} in a message to systemd", type);
  }
}

Result<void> append_element(sd_bus_message* message, const std::string& type, ValueReader& reader) {
  if (type[0] != '(') return append_basic(message, type[0], reader);
  std::string fields = type.substr(1, type.size() - 2);
  TRY(checked(sd_bus_message_open_container(message, 'r', fields.c_str())));
  for (char field : fields) TRY(append_basic(message, field, reader));
  return checked(sd_bus_message_close_container(message));
}

Result<void> append_value(sd_bus_message* message, const std::string& type, ValueReader& reader) {
  if (type[0] != 'a') return append_element(message, type, reader);
  std::string element = type.substr(1);
  TRY(checked(sd_bus_message_open_container(message, 'a', element.c_str())));
  uint32_t count = TRY(reader.number32());
  for (uint32_t i = 0; i < count; i++) TRY(append_element(message, element, reader));
  return checked(sd_bus_message_close_container(message));
}

}  // namespace

Result<void> append(sd_bus_message* message, const Properties& properties) {
  TRY(checked(sd_bus_message_open_container(message, 'a', "(sv)")));
  for (const Property& property : properties) {
    TRY(checked(sd_bus_message_open_container(message, 'r', "sv")));
    TRY(checked(sd_bus_message_append_basic(message, 's', property.name.c_str())));
    TRY(checked(sd_bus_message_open_container(message, 'v', property.signature.c_str())));
    ValueReader reader(property.data);
    TRY(append_value(message, property.signature, reader));
    TRY(checked(sd_bus_message_close_container(message)));
    TRY(checked(sd_bus_message_close_container(message)));
  }
  return checked(sd_bus_message_close_container(message));
}

}  // namespace minirun::systemd
