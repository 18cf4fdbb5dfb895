// SPDX-License-Identifier: Apache-2.0
// config.json: /root, /mounts and id mappings.
#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr Field<Root> kRoot[] = {
    {"path", read<&Root::path>, kRequired},
    {"readonly", read<&Root::readonly>},
};
std::span<const Field<Root>> fields_of(Root*) {
  return kRoot;
}

static constexpr Field<Mount> kMount[] = {
    {"destination", read<&Mount::destination>, kRequired}, {"type", read<&Mount::type>, kNullable},
    {"source", read<&Mount::source>, kNullable},           {"options", read<&Mount::options>, kNullable},
    {"uidMappings", read<&Mount::uid_mappings>},           {"gidMappings", read<&Mount::gid_mappings>},
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
