// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/mount_id_maps.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/oci/spec_facts.h"
#include "runtime/text/json.h"
#include "sys/result.h"

namespace minirun {

IdMaps to_id_maps(const std::vector<oci::IdMapping>& mappings) {
  IdMaps maps;
  for (const oci::IdMapping& m : mappings) maps.push_back({m.container_id, m.host_id, m.size});
  return maps;
}

namespace {

std::string_view take_part(std::string_view* text, char separator) {
  size_t end = std::min(text->find(separator), text->size());
  std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

Error not_a_range(std::string_view text) {
  return fail(ErrorKind::config, "must have ranges like 0-1000-65536 or @0-0-65536: found {}", quoted(text));
}

// One of "0-1000-1", "@0-0-1". container: the mappings that "@" counts in.
Result<IdMap> parse_range(std::string_view text, const IdMaps& container) {
  std::string_view numbers = text;
  bool relative = !numbers.empty() && numbers[0] == '@';
  if (relative) numbers.remove_prefix(1);
  if (std::count(numbers.begin(), numbers.end(), '-') != 2) return not_a_range(text);
  IdMap map;
  for (uint32_t* value : {&map.container_id, &map.host_id, &map.size}) {
    std::string_view number = take_part(&numbers, '-');
    const char* end = number.data() + number.size();
    auto [stop, error] = std::from_chars(number.data(), end, *value);
    if (error != std::errc() || stop != end) return not_a_range(text);
  }
  if (!relative) return map;
  for (const IdMap& known : container) {
    if (map.host_id < known.container_id ||
        uint64_t{map.host_id} + map.size > uint64_t{known.container_id} + known.size)
      continue;
    map.host_id = known.host_id + (map.host_id - known.container_id);
    return map;
  }
  return fail(ErrorKind::config,
              "must be within one mapping of the container's user namespace where it starts with \"@\": found {}",
              quoted(text));
}

Result<IdMaps> parse_ranges(std::string_view text, const IdMaps& container) {
  IdMaps maps;
  if (text.empty()) return not_a_range(text);
  while (!text.empty()) maps.push_back(TRY(parse_range(take_part(&text, '#'), container)));
  return maps;
}

// text: "uids=...;gids=..."; what is missing is the container's.
Result<MountIdMap> parse_option(std::string_view text, const IdMaps& uids, const IdMaps& gids) {
  MountIdMap map{uids, gids};
  std::string_view rest = text;
  do {
    std::string_view part = take_part(&rest, ';');
    std::string_view value = part.substr(std::min<size_t>(5, part.size()));
    if (part.starts_with("uids="))
      map.uids = TRY(parse_ranges(value, uids));
    else if (part.starts_with("gids="))
      map.gids = TRY(parse_ranges(value, gids));
    else
      return fail(ErrorKind::config, "must be uids=RANGES;gids=RANGES: found {}", quoted(text));
  } while (!rest.empty());
  if (map.uids.empty() || map.gids.empty())
    return fail(ErrorKind::config,
                "must have both uids and gids, since the container has no mappings to take the others from");
  return map;
}

Result<MountIdMap> from_option(const oci::Spec& spec, std::string_view text) {
  const oci::Namespace* container = oci::find_namespace(spec, CLONE_NEWUSER);
  IdMaps uids, gids;
  if (container != nullptr) {
    uids = to_id_maps(spec.linux_.uid_mappings);
    gids = to_id_maps(spec.linux_.gid_mappings);
  }
  if (!text.empty()) return parse_option(text.substr(1), uids, gids);
  if (container == nullptr)
    return fail(ErrorKind::config,
                "needs uidMappings and gidMappings of the mount, as the container has no user namespace");
  MountIdMap map{uids, gids};
  if (!container->path.empty()) return MountIdMap{{}, {}, container->path};
  if (uids.empty() || gids.empty())
    return fail(ErrorKind::config, "needs mappings: neither the mount nor the container's user namespace has any");
  return map;
}

}  // namespace

MountIdMapResult mount_id_map(const oci::Spec& spec, const oci::Mount& mount, const MountOptions& options) {
  MountIdMapResult out;
  bool own = !mount.uid_mappings.empty() && !mount.gid_mappings.empty();
  bool asked = options.id_map != MountOptions::IdMap::none;
  if (!own && !asked) return out;
  std::string option = "/options/" + std::to_string(options.id_map_index);
  if (own) {
    out.map.uids = to_id_maps(mount.uid_mappings);
    out.map.gids = to_id_maps(mount.gid_mappings);
  } else {
    auto found = from_option(spec, options.id_map_text);
    if (!found.ok()) return {{}, found.error().message, option};
    out.map = std::move(found).value();
  }
  for (bool uids : {true, false}) {
    auto problem = id_map_problem(uids ? out.map.uids : out.map.gids);
    if (problem)
      return {{},
              "must be mappings that the kernel takes: " + *problem,
              !own   ? option
              : uids ? "/uidMappings"
                     : "/gidMappings"};
  }
  out.map.recursive = options.id_map == MountOptions::IdMap::recursive;
  return out;
}

}  // namespace minirun
