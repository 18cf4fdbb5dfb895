// SPDX-License-Identifier: Apache-2.0
#include "unpack/config_json.h"

#include <algorithm>

#include "runtime/oci/annotations.h"
#include "runtime/oci/default_spec.h"
#include "runtime/text/json.h"
#include "runtime/text/json_copy.h"
#include "runtime/text/json_writer.h"

namespace minirun::unpack {
namespace {

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ",") + word;
  return all;
}

bool changes_the_container(const std::string& key) {
  auto unsafe = unsafe_annotations();
  return std::any_of(unsafe.begin(), unsafe.end(),
                     [&](std::string_view row) { return row.ends_with('.') ? key.starts_with(row) : key == row; });
}

void write_texts(JsonWriter& json, const std::vector<std::string>& texts) {
  json.begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

void write_maps(JsonWriter& json, const IdMaps& maps) {
  json.begin_array();
  for (const IdMap& map : maps) {
    json.begin_object().key("containerID").number(map.container_id).key("hostID").number(map.host_id);
    json.key("size").number(map.size).end_object();
  }
  json.end_array();
}

void write_user(JsonWriter& json, const UserIds& user) {
  json.begin_object().key("uid").number(user.uid).key("gid").number(user.gid);
  if (!user.additional_gids.empty()) {
    json.key("additionalGids").begin_array();
    for (uint32_t gid : user.additional_gids) json.number(gid);
    json.end_array();
  }
  json.end_object();
}

bool is_mapped(const IdMaps& maps, uint32_t id) {
  return std::any_of(maps.begin(), maps.end(),
                     [&](const IdMap& map) { return id >= map.container_id && id - map.container_id < map.size; });
}

// Groups that are not mapped cannot be had; an id that is not mapped is worth a line, since `minirun run` will refuse
// it.
UserIds in_maps(UserIds user, const BundleOwner& owner, Notes* notes) {
  if (owner.uids.empty()) return user;
  bool alone = owner.gids.size() == 1 && owner.gids[0].size == 1;  // then setgroups(2) is denied
  std::erase_if(user.additional_gids, [&](uint32_t gid) { return alone || !is_mapped(owner.gids, gid); });
  if (!is_mapped(owner.uids, user.uid) || !is_mapped(owner.gids, user.gid))
    notes->say(fmt::format(
        "the image's user is {}:{}, which is not mapped: config.json has root, mapped to you (to map more: ranges "
        "in /etc/subuid and /etc/subgid, newuidmap and newgidmap)",
        user.uid, user.gid));
  else
    return user;
  return UserIds{};
}

std::vector<std::string> environment(const ImageConfig& image) {
  std::vector<std::string> env;
  auto has = [&](std::string_view name) {
    return std::any_of(image.env.begin(), image.env.end(), [&](const auto& entry) { return entry.starts_with(name); });
  };
  if (!has("PATH=")) env.emplace_back(kDefaultPath);
  env.insert(env.end(), image.env.begin(), image.env.end());
  if (!has("TERM=")) env.emplace_back("TERM=xterm");
  return env;
}

}  // namespace

oci::StringMap image_annotations(const ImageConfig& image, Notes* notes) {
  constexpr std::string_view kPrefix = "org.opencontainers.image.";
  const std::pair<std::string_view, std::string> given[] = {
      {"os", image.platform.os},
      {"architecture", image.platform.architecture},
      {"variant", image.platform.variant},
      {"os.version", image.os_version},
      {"os.features", joined(image.os_features)},
      {"author", image.author},
      {"created", image.created},
      {"stopSignal", image.stop_signal},
      {"exposedPorts", joined(image.exposed_ports)},
      {"volumes", joined(image.volumes)},
  };
  oci::StringMap annotations;
  for (const auto& [name, value] : given)
    if (!value.empty()) annotations.emplace_back(std::string(kPrefix) + std::string(name), value);
  for (const auto& label : image.labels) {  // they win where both have a key (conversion.md)
    if (label.first.empty() || changes_the_container(label.first)) {
      notes->add(Omission::label, label.first);
      continue;
    }
    std::erase_if(annotations, [&](const auto& present) { return present.first == label.first; });
    annotations.push_back(label);
  }
  return annotations;
}

Result<std::string> make_config_json(const ImageConfig& image, const UserIds& user, const BundleOwner& owner,
                                     Notes* notes) {
  std::optional<RootlessOwner> rootless;
  if (!owner.uids.empty()) rootless = RootlessOwner{owner.uids[0].host_id, owner.gids[0].host_id};
  auto base = TRY(JsonDocument::parse(default_spec(rootless)));
  std::vector<std::string> args = image.entrypoint;
  args.insert(args.end(), image.command.begin(), image.command.end());
  if (args.empty()) notes->say("the image names no program: config.json has sh (/process/args)");
  UserIds runs_as = in_maps(user, owner, notes);
  oci::StringMap annotations = image_annotations(image, notes);
  std::string cwd = image.working_dir.starts_with('/') ? image.working_dir : "/" + image.working_dir;

  JsonReplacements changes;
  if (!args.empty()) changes["/process/args"] = [&](JsonWriter& json) { write_texts(json, args); };
  changes["/process/env"] = [&](JsonWriter& json) { write_texts(json, environment(image)); };
  // Most images are services; and `run --detach` has no terminal to give.
  changes["/process/terminal"] = [](JsonWriter& json) { json.boolean(false); };
  changes["/process/cwd"] = [&](JsonWriter& json) { json.string(cwd); };
  changes["/process/user"] = [&](JsonWriter& json) { write_user(json, runs_as); };
  changes["/root/readonly"] = [](JsonWriter& json) { json.boolean(false); };
  changes["/annotations"] = [&](JsonWriter& json) {
    json.begin_object();
    for (const auto& [key, value] : annotations) json.key(key).string(value);
    json.end_object();
  };
  if (rootless) {
    changes["/linux/uidMappings"] = [&](JsonWriter& json) { write_maps(json, owner.uids); };
    changes["/linux/gidMappings"] = [&](JsonWriter& json) { write_maps(json, owner.gids); };
  }
  JsonWriter json(2);
  copy_json(json, base->root(), changes);
  return json.take() + "\n";
}

}  // namespace minirun::unpack
