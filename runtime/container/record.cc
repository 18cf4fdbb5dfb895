// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/record.h"

#include <fmt/format.h>

#include <cerrno>

#include "runtime/container/end_record.h"
#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/version.h"
#include "sys/fnv1a.h"

namespace minirun {
namespace {

Result<JsonValue> member(JsonValue object, std::string_view key, JsonType type) {
  auto value = object.find(key);
  if (!value || value->type() != type) return fail(EINVAL, "state record: {} is missing or of the wrong type", key);
  return *value;
}

Result<std::string> text_of(JsonValue object, std::string_view key) {
  return std::string(TRY(member(object, key, JsonType::string)).text());
}

Result<uint64_t> number_of(JsonValue object, std::string_view key) {
  auto number = TRY(member(object, key, JsonType::integer)).uint64();
  if (!number) return fail(EINVAL, "state record: {} is out of range", key);
  return *number;
}

// Absent: the container has none.
Result<void> read_rdt(JsonValue root, RdtRecord* rdt) {
  if (!root.find("rdt")) return {};
  JsonValue object = TRY(member(root, "rdt", JsonType::object));
  rdt->group = TRY(text_of(object, "group"));
  rdt->monitor = TRY(text_of(object, "monitor"));
  rdt->makes_group = TRY(member(object, "makesGroup", JsonType::boolean)).boolean();
  rdt->makes_monitor = TRY(member(object, "makesMonitor", JsonType::boolean)).boolean();
  rdt->own_group = TRY(member(object, "ownGroup", JsonType::boolean)).boolean();
  return {};
}

// Absent: the cgroup is minirun's own.
Result<void> read_systemd(JsonValue root, std::optional<SystemdRecord>* systemd) {
  if (!root.find("systemd")) return {};
  JsonValue object = TRY(member(root, "systemd", JsonType::object));
  SystemdRecord record;
  record.unit = TRY(text_of(object, "unit"));
  record.mark = TRY(text_of(object, "mark"));
  record.user = TRY(member(object, "user", JsonType::boolean)).boolean();
  *systemd = std::move(record);
  return {};
}

void write_systemd(JsonWriter& json, const SystemdRecord& systemd) {
  json.key("systemd").begin_object().key("unit").string(systemd.unit).key("mark").string(systemd.mark);
  json.key("user").boolean(systemd.user).end_object();
}

void write_rdt(JsonWriter& json, const RdtRecord& rdt) {
  json.key("rdt").begin_object().key("group").string(rdt.group).key("monitor").string(rdt.monitor);
  json.key("makesGroup").boolean(rdt.makes_group);
  json.key("makesMonitor").boolean(rdt.makes_monitor);
  json.key("ownGroup").boolean(rdt.own_group).end_object();
}

// A member that older records may lack.
bool flag_of(JsonValue object, std::string_view key, bool otherwise) {
  auto value = object.find(key);
  return value && value->type() == JsonType::boolean ? value->boolean() : otherwise;
}

std::optional<int> exit_status_of(JsonValue root) {
  auto value = root.find("exitStatus");
  auto number = value && value->type() == JsonType::integer ? value->uint64() : std::nullopt;
  return number && *number <= 255 ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

Result<void> read_format(JsonValue root, ContainerRecord* record) {
  record->format = 1;
  if (!root.find("format")) return {};
  record->format = TRY(number_of(root, "format"));
  if (record->format < 2) return fail(EINVAL, "state record: format {} has no number", record->format);
  record->made_by = TRY(text_of(root, "minirun"));
  return {};
}

Result<ProcessIdentity> read_process(JsonValue object) {
  constexpr uint64_t kMaxPid = 1 << 22;  // PID_MAX_LIMIT
  ProcessIdentity process;
  uint64_t pid = TRY(number_of(object, "pid"));
  if (pid > kMaxPid) return fail(EINVAL, "state record: pid {} is out of range", pid);
  process.pid = static_cast<pid_t>(pid);
  process.start_ticks = TRY(number_of(object, "startTicks"));
  process.pidfd_inode = TRY(number_of(object, "pidfdInode"));
  return process;
}

Result<uint32_t> id_of(JsonValue object, std::string_view key) {
  uint64_t number = TRY(number_of(object, key));
  if (number > UINT32_MAX) return fail(EINVAL, "state record: {} is out of range", key);
  return static_cast<uint32_t>(number);
}

// Absent: the container has none.
Result<void> read_changes(JsonValue root, ChangesRecord* changes) {
  if (!root.find("changes")) return {};
  JsonValue object = TRY(member(root, "changes", JsonType::object));
  changes->folder = TRY(text_of(object, "folder"));
  changes->name = TRY(text_of(object, "name"));
  changes->mark = TRY(text_of(object, "mark"));
  changes->made = TRY(member(object, "made", JsonType::boolean)).boolean();
  changes->mode = TRY(id_of(object, "mode"));
  changes->uid = TRY(id_of(object, "uid"));
  changes->gid = TRY(id_of(object, "gid"));
  bool plain = changes->name.find('/') == std::string::npos && changes->mark.find('/') == std::string::npos;
  if (!plain || changes->name.empty() || changes->mark.empty() || !changes->folder.starts_with('/'))
    return fail(EINVAL, "state record: changes names no directory");
  return {};
}

void write_changes(JsonWriter& json, const ChangesRecord& changes) {
  json.key("changes").begin_object().key("folder").string(changes.folder).key("name").string(changes.name);
  json.key("mark").string(changes.mark).key("made").boolean(changes.made);
  json.key("mode").unsigned_number(changes.mode).key("uid").unsigned_number(changes.uid);
  json.key("gid").unsigned_number(changes.gid).end_object();
}

// Absent: the container has none.
Result<void> read_keepers(JsonValue root, std::vector<ProcessIdentity>* keepers) {
  if (!root.find("keepers")) return {};
  JsonValue list = TRY(member(root, "keepers", JsonType::array));
  for (auto entry = list.first(); entry; entry = entry->next()) {
    if (entry->type() != JsonType::object) return fail(EINVAL, "state record: keepers has no objects");
    keepers->push_back(TRY(read_process(*entry)));
  }
  return {};
}

void write_process(JsonWriter& json, const ProcessIdentity& process) {
  json.key("pid").number(process.pid).key("startTicks").unsigned_number(process.start_ticks);
  json.key("pidfdInode").unsigned_number(process.pidfd_inode);
}

void write_keepers(JsonWriter& json, const std::vector<ProcessIdentity>& keepers) {
  json.key("keepers").begin_array();
  for (const ProcessIdentity& keeper : keepers) {
    json.begin_object();
    write_process(json, keeper);
    json.end_object();
  }
  json.end_array();
}

Result<void> read_record(JsonValue root, ContainerRecord* record) {
  record->id = TRY(text_of(root, "id"));
  record->bundle = TRY(text_of(root, "bundle"));
  record->rootfs = TRY(text_of(root, "rootfs"));
  record->created = TRY(text_of(root, "created"));
  record->boot_id = TRY(text_of(root, "bootId"));
  JsonValue cgroup = TRY(member(root, "cgroup", JsonType::object));
  record->cgroup.path = TRY(text_of(cgroup, "path"));
  record->cgroup.device = TRY(number_of(cgroup, "device"));
  record->cgroup.inode = TRY(number_of(cgroup, "inode"));
  record->cgroup.made = static_cast<uint32_t>(TRY(number_of(cgroup, "made")));
  JsonValue init = TRY(member(root, "init", JsonType::object));
  record->init = TRY(read_process(init));
  TRY(read_keepers(root, &record->keepers));
  TRY(read_rdt(root, &record->rdt));
  TRY(read_systemd(root, &record->systemd));
  record->resident_init = flag_of(init, "resident", true);
  record->own_pid_namespace = flag_of(init, "ownPidNamespace", true);
  record->exit_status = exit_status_of(root);
  record->end = read_end(root);
  record->baseline = read_baseline(root);
  record->attached = flag_of(root, "attached", false);
  record->terminal = flag_of(root, "terminal", false);
  record->overlay = flag_of(root, "overlay", false);
  TRY(read_changes(root, &record->changes));
  JsonValue annotations = TRY(member(root, "annotations", JsonType::object));
  for (auto entry = annotations.first(); entry; entry = entry->next())
    if (entry->type() == JsonType::string) record->annotations.emplace_back(entry->key(), entry->text());
  return {};
}

// It guards against disk errors, not attackers: only root writes here.
std::string checksum(std::string_view text) {
  return fmt::format("{:016x}", fnv1a(text));
}

// Covers everything before it. Records of an older minirun have none.
constexpr std::string_view kChecksumKey = ",\n  \"checksum\": \"";
constexpr std::string_view kEnd = "\n}";

Result<void> check_sum(std::string_view text) {
  size_t at = text.rfind(kChecksumKey);
  if (at == text.npos) return {};
  std::string_view sum = text.substr(at + kChecksumKey.size());
  if (sum.starts_with(checksum(text.substr(0, at)) + "\"")) return {};
  return fail(EINVAL, "state record: its checksum is not that of its content");
}

}  // namespace

std::string record_to_json(const ContainerRecord& record) {
  JsonWriter json(2);
  json.begin_object();
  json.key("format").unsigned_number(kRecordFormat).key("minirun").string(minirun_version());
  json.key("id").string(record.id).key("bundle").string(record.bundle).key("rootfs").string(record.rootfs);
  json.key("created").string(record.created).key("bootId").string(record.boot_id);
  json.key("cgroup").begin_object().key("path").string(record.cgroup.path);
  json.key("device").unsigned_number(record.cgroup.device).key("inode").unsigned_number(record.cgroup.inode);
  json.key("made").unsigned_number(record.cgroup.made).end_object();
  json.key("init").begin_object();
  write_process(json, record.init);
  json.key("resident").boolean(record.resident_init);
  json.key("ownPidNamespace").boolean(record.own_pid_namespace).end_object();
  if (!record.keepers.empty()) write_keepers(json, record.keepers);
  if (record.exit_status) json.key("exitStatus").number(*record.exit_status);
  if (record.end) write_end(json, *record.end);
  if (record.baseline) write_baseline(json, *record.baseline);
  if (record.attached) json.key("attached").boolean(true);
  json.key("terminal").boolean(record.terminal);
  if (record.overlay) json.key("overlay").boolean(true);
  if (record.changes.any()) write_changes(json, record.changes);
  if (!record.rdt.group.empty()) write_rdt(json, record.rdt);
  if (record.systemd) write_systemd(json, *record.systemd);
  json.key("annotations").begin_object();
  for (const auto& [key, value] : record.annotations) json.key(key).string(value);
  json.end_object().end_object();
  std::string text = json.take();
  size_t end = text.rfind(kEnd);
  return text.insert(end, fmt::format("{}{}\"", kChecksumKey, checksum(std::string_view(text).substr(0, end))));
}

Result<ContainerRecord> record_from_json(std::string_view text) {
  TRY(check_sum(text));
  auto document = TRY(JsonDocument::parse(text));
  if (document->root().type() != JsonType::object) return fail(EINVAL, "state record: not an object");
  ContainerRecord record;
  TRY(read_format(document->root(), &record));
  auto read = read_record(document->root(), &record);
  if (!read.ok()) TRY(check_format(record));
  if (!read.ok()) return read.error();
  return record;
}

Result<void> check_format(const ContainerRecord& record) {
  if (record.format <= kRecordFormat) return {};
  return fail(ErrorKind::state,
              "the container was made by minirun {}, whose records have format {}; this is minirun {}, which knows "
              "formats up to {}",
              record.made_by, record.format, minirun_version(), kRecordFormat);
}

}  // namespace minirun
