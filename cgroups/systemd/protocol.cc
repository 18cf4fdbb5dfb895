// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/protocol.h"

#include <cerrno>

namespace minirun::systemd {
namespace {

constexpr uint32_t kProtocol = kProtocolMagic << 8 | kProtocolFormat;

Result<void> check_protocol(ValueReader& reader) {
  auto protocol = reader.number32();
  if (!protocol.ok() || *protocol >> 8 != kProtocolMagic)
    return fail(EPROTO, "no packet of minirun or minirun-systemd");
  uint32_t format = *protocol & 0xff;
  if (format == kProtocolFormat) return {};
  return fail(EPROTO, "minirun and minirun-systemd are of different releases: got a packet of format {}, expected {}",
              format, kProtocolFormat);
}

Result<void> check_end(const ValueReader& reader) {
  if (!reader.at_end()) return fail(EPROTO, "a message to or from minirun-systemd is too long");
  return {};
}

Result<Property> read_property(ValueReader& reader) {
  Property property;
  property.name = TRY(reader.text());
  property.signature = TRY(reader.text());
  property.data = TRY(reader.text());
  auto checked = to_text(property);  // checks the data against the signature
  if (!checked.ok()) return checked.error();
  return property;
}

}  // namespace

std::string encode(const Request& request) {
  ValueWriter writer;
  writer.number32(kProtocol).number32(static_cast<uint32_t>(request.call)).byte(request.user ? 1 : 0);
  writer.text(request.unit).text(request.mark).number32(request.pid);
  writer.number32(static_cast<uint32_t>(request.properties.size()));
  for (const Property& property : request.properties)
    writer.text(property.name).text(property.signature).text(property.data);
  return writer.take();
}

std::string encode(const Reply& reply) {
  ValueWriter writer;
  writer.number32(kProtocol).text(reply.error).number32(reply.code).number32(reply.version);
  writer.text(reply.cgroup).text(reply.load_state).text(reply.description).number32(reply.pid);
  return writer.take();
}

Result<Request> decode_request(std::string_view packet) {
  ValueReader reader(packet);
  TRY(check_protocol(reader));
  Request request;
  uint32_t call = TRY(reader.number32());
  if (call > static_cast<uint32_t>(Call::last)) return fail(EPROTO, "call {} of minirun", call);
  request.call = static_cast<Call>(call);
  request.user = TRY(reader.byte()) != 0;
  request.unit = TRY(reader.text());
  request.mark = TRY(reader.text());
  request.pid = TRY(reader.number32());
  uint32_t count = TRY(reader.number32());
  for (uint32_t i = 0; i < count; i++) request.properties.push_back(TRY(read_property(reader)));
  TRY(check_end(reader));
  return request;
}

Result<Reply> decode_reply(std::string_view packet) {
  ValueReader reader(packet);
  TRY(check_protocol(reader));
  Reply reply;
  reply.error = TRY(reader.text());
  reply.code = TRY(reader.number32());
  reply.version = TRY(reader.number32());
  reply.cgroup = TRY(reader.text());
  reply.load_state = TRY(reader.text());
  reply.description = TRY(reader.text());
  reply.pid = TRY(reader.number32());
  TRY(check_end(reader));
  return reply;
}

}  // namespace minirun::systemd
