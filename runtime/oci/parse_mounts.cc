// SPDX-License-Identifier: Apache-2.0
// config.json: /root, /mounts and id mappings.
#include <utility>

#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr Field<Root> kRoot[] = {
    {"path", read<&Root::path>, kRequired},
    {"readonly", read<&Root::readonly>},
};
std::span<const Field<Root>> fields_of(Root*) {
  return kRoot;
}

void Mount::set_destination(std::string text) {
  destination = std::move(text);
  target = clean_path(destination);
}

void Mount::set_options(Strings list) {
  options = std::move(list);
  parsed = parse_mount_options(options);
}

static void read_destination(Reader& reader, JsonValue value, Mount& mount) {
  std::string text;
  read_value(reader, value, text);
  mount.set_destination(std::move(text));
}

static void read_options(Reader& reader, JsonValue value, Mount& mount) {
  Strings list;
  read_value(reader, value, list);
  mount.set_options(std::move(list));
}

static constexpr Field<Mount> kMount[] = {
    {"destination", read_destination, kRequired}, {"type", read<&Mount::type>, kNullable},
    {"source", read<&Mount::source>, kNullable},  {"options", read_options, kNullable},
    {"uidMappings", read<&Mount::uid_mappings>},  {"gidMappings", read<&Mount::gid_mappings>},
};
std::span<const Field<Mount>> fields_of(Mount*) {
  return kMount;
}

static constexpr Field<IdMapping> kIdMapping[] = {
    {"containerID", read_id<&IdMapping::container_id>, kRequired},
    {"hostID", read_id<&IdMapping::host_id>, kRequired},
    {"size", read<&IdMapping::size>, kRequired},
};
std::span<const Field<IdMapping>> fields_of(IdMapping*) {
  return kIdMapping;
}

}  // namespace minirun::oci
