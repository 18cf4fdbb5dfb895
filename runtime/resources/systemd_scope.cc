// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/systemd_scope.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "cgroups/systemd/limit_properties.h"
#include "cgroups/systemd/property_text.h"
#include "cgroups/systemd/unit_name.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/config_error.h"
#include "runtime/text/random_id.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kHelper = "minirun-systemd";
constexpr std::string_view kPodmansUnits = "libpod-";

// The user outside all user namespaces of this process, as far as visible: rootless engines run minirun as root of
// theirs.
uid_t owner_uid() {
  auto text = read_file(AT_FDCWD, "/proc/self/uid_map");
  unsigned inside = 0, outside = 0;
  uid_t uid = geteuid();
  if (uid == 0 && text.ok() && sscanf(text->c_str(), "%u %u", &inside, &outside) == 2 && inside == 0) return outside;
  return uid;
}

// Only the variables that libsystemd needs to find the manager.
std::vector<std::string> helper_environment(bool user) {
  std::vector<std::string> variables;
  for (const char* name : {"DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"})
    if (const char* value = secure_getenv(name)) variables.push_back(fmt::format("{}={}", name, value));
  if (user && secure_getenv("XDG_RUNTIME_DIR") == nullptr)
    variables.push_back(fmt::format("XDG_RUNTIME_DIR=/run/user/{}", owner_uid()));
  return variables;
}

Result<systemd::Client> start_client(bool user) {
  std::string helper = TRY(find_systemd_helper());
  return systemd::Client::start(helper, helper_environment(user));
}

Error wrap_systemd(Error error) {
  return wrap(std::move(error), "systemd cgroup");
}

systemd::Request request_for(systemd::Call call, const SystemdRecord& record) {
  systemd::Request request;
  request.call = call;
  request.user = record.user;
  request.unit = record.unit;
  request.mark = record.mark;
  return request;
}

Result<systemd::Properties> annotated_properties(const oci::StringMap& annotations) {
  systemd::Properties properties;
  for (const auto& [name, value] : systemd_properties(annotations)) {
    auto property = systemd::property_of_text(name, value);
    if (!property.ok())
      return config_error(annotation_pointer(Annotation::systemd_property) + name, property.error().message);
    properties.push_back(std::move(property).value());
  }
  return properties;
}

// The sleeper counts as a task of the container while it lives.
std::vector<Write> with_sleeper(std::vector<Write> writes) {
  for (Write& write : writes) {
    if (write.file != "pids.max" || write.value == "max") continue;
    write.value = std::to_string(std::strtoull(write.value.c_str(), nullptr, 10) + 1);
  }
  return writes;
}

std::string common_ancestor(const std::string& one, const std::string& other) {
  size_t same = 0;
  for (size_t at = 0; at <= std::min(one.size(), other.size()); at++) {
    bool ends = (at == one.size() || one[at] == '/') && (at == other.size() || other[at] == '/');
    if (ends) same = at;
    if (at < std::min(one.size(), other.size()) && one[at] != other[at]) break;
  }
  return one.substr(0, same);
}

// Whether this process may move another one there, or be born there (cgroup-v2.rst, "Delegation Containment").
Result<bool> is_near(const Hierarchy& hierarchy, const std::string& path) {
  std::string text = TRY(read_file(AT_FDCWD, "/proc/self/cgroup"));
  std::string own = TRY(own_cgroup_path(text));
  std::string procs = "." + common_ancestor(own, path) + "/cgroup.procs";
  return faccessat(hierarchy.root.get(), procs.c_str(), W_OK, AT_EACCESS) == 0;
}

Result<void> move_near(const Hierarchy& hierarchy, const std::string& path, systemd::Client& client) {
  if (TRY(is_near(hierarchy, path))) return {};
  systemd::Request request;
  request.call = systemd::Call::adopt;
  request.user = true;
  request.unit = fmt::format("minirun-{}-{}.scope", getpid(), TRY(make_up_id()));
  request.mark = "minirun at work";
  request.pid = static_cast<uint32_t>(getpid());
  request.properties = {systemd::text("CollectMode", "inactive-or-failed")};
  TRY(client.ask(request));
  return {};
}

Result<systemd::ScopeName> scope_name(const oci::Spec& spec, const std::string& id, bool user) {
  auto name = systemd::parse_scope_name(spec.linux_.cgroups_path, id, user);
  if (!name.ok()) return config_error("/linux/cgroupsPath", name.error().message);
  return name;
}

}  // namespace

Result<std::string> scope_path(const oci::Spec& spec, const Compiled& compiled, const std::string& id) {
  systemd::ScopeName name = TRY(scope_name(spec, id, compiled.ordinary_user));
  return fmt::format("{}/{}", TRY(systemd::slice_path(name.slice)), name.unit);
}

std::string scope_subgroup(const oci::StringMap& annotations, const std::string& unit) {
  return systemd_subgroup(annotations).value_or(unit.starts_with(kPodmansUnits) ? "container" : "");
}

Result<std::string> find_systemd_helper() {
  std::array<char, PATH_MAX> own{};
  ssize_t n = readlink("/proc/self/exe", own.data(), own.size());
  std::string path(own.data(), n < 0 ? 0 : static_cast<size_t>(n));
  std::string folder = path.substr(0, path.rfind('/') == path.npos ? 0 : path.rfind('/'));
  const std::string candidates[] = {
      fmt::format("{}/{}", folder, kHelper), fmt::format("{}/../libexec/minirun/{}", folder, kHelper),
      fmt::format("{}/{}", MINIRUN_LIBEXEC, kHelper),
      // For a copy of this program elsewhere: the package's helper, or that of a build.
      fmt::format("/usr/libexec/minirun/{}", kHelper), fmt::format("/usr/local/libexec/minirun/{}", kHelper)};
  for (const std::string& candidate : candidates)
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  // Avoids the kernel's text for ENOENT, which engines take for a command that the image lacks.
  return fail(ErrorKind::host,
              "{} is missing: install it beside minirun or in /usr/libexec/minirun, or use --cgroup-manager=cgroupfs",
              kHelper);
}

systemd::Properties scope_properties(const std::string& slice, const systemd::Properties& annotated,
                                     const std::vector<Write>& writes, uint32_t version) {
  systemd::Properties properties = {
      systemd::text("Slice", slice),
      // The tree below it belongs to the container: systemd leaves it alone, and passes all controllers on.
      systemd::boolean("Delegate", true),
      // The engine asks for ordering against shutdown and the like.
      systemd::boolean("DefaultDependencies", false),
      // systemd also forgets a failed unit, so that its name is free.
      systemd::text("CollectMode", "inactive-or-failed"),
      // For statistics and limits of children without a limit of the container's own. systemd has no property for the
      // others.
      systemd::boolean("CPUAccounting", true),
      systemd::boolean("MemoryAccounting", true),
      systemd::boolean("TasksAccounting", true),
      systemd::boolean("IOAccounting", true),
      // No limit unless config.json has one.
      systemd::number("TasksMax", systemd::kInfinity),
  };
  auto set = [&](const systemd::Property& property) {
    std::erase_if(properties, [&](const systemd::Property& known) { return known.name == property.name; });
    properties.push_back(property);
  };
  for (const systemd::Property& property : annotated) set(property);
  for (const systemd::Property& property : systemd::limit_properties(writes, version, systemd::Moment::birth))
    set(property);
  return properties;
}

Result<SystemdScope> SystemdScope::survey(const Hierarchy& hierarchy, const oci::Spec& spec, const Compiled& compiled,
                                          const std::string& id, const std::string& mark) {
  SystemdRecord record;
  record.user = compiled.ordinary_user;
  record.mark = "minirun container " + mark;
  systemd::ScopeName name = TRY(scope_name(spec, id, record.user));
  record.unit = name.unit;
  systemd::Properties annotated = TRY(annotated_properties(spec.annotations));
  auto client = start_client(record.user);
  if (!client.ok()) return wrap_systemd(client.error());
  SystemdScope scope(std::move(client).value(), record);
  scope.slice_ = name.slice;
  scope.subgroup_ = scope_subgroup(spec.annotations, record.unit);
  scope.annotated_ = std::move(annotated);
  auto placed = scope.find_place(hierarchy);
  if (!placed.ok()) return wrap_systemd(placed.error());
  return scope;
}

Result<void> SystemdScope::find_place(const Hierarchy& hierarchy) {
  systemd::Reply found = TRY(client_->ask(request_for(systemd::Call::look, record_)));
  version_ = found.version;
  if (found.load_state != "not-found") {
    if (found.description != record_.mark)
      return fail(EEXIST, "unit {} already exists (\"{}\")", record_.unit, found.description);
    // Removes the unit of an earlier container of this id whose minirun was killed; it no longer holds the id.
    TRY(client_->ask(request_for(systemd::Call::stop, record_)));
  }
  std::string path = fmt::format("{}{}/{}", found.cgroup, TRY(systemd::slice_path(slice_)), record_.unit);
  uint32_t own = 1;
  if (!subgroup_.empty()) {
    path += "/" + subgroup_;
    own = 2;
  }
  cgroup_ = TRY(Cgroup::survey(hierarchy, path));
  if (cgroup_.made < own) return fail(EEXIST, "cgroup {} already exists without a unit of systemd", path);
  cgroup_.made = own;  // the slices above are systemd's
  if (record_.user) return move_near(hierarchy, path, *client_);
  return {};
}

Result<LimitedCgroup> SystemdScope::make(const Hierarchy& hierarchy, const Compiled& compiled) {
  systemd::Request request = request_for(systemd::Call::start, record_);
  request.properties = scope_properties(slice_, annotated_, compiled.limits.writes, version_);
  auto started = client_->ask(request);
  if (!started.ok()) {
    // After a lost answer the scope may or may not exist; stop finds out.
    (void)stop_scope(record_);
    return wrap_systemd(started.error());
  }
  auto stop = [record = record_] { return stop_scope(record); };
  auto adopted =
      Cgroup::adopt(hierarchy, {started->cgroup, subgroup_, static_cast<pid_t>(started->pid)}, compiled.limits.needed);
  if (!adopted.ok()) {
    client_.reset();  // with the sleeper
    (void)stop();
    return wrap_systemd(adopted.error());
  }
  LimitedCgroup made = LimitedCgroup::adopt(std::move(adopted).value(), stop);
  // Above the scope systemd enables the controllers, because of the properties ...Accounting.
  if (!subgroup_.empty()) TRY(made.enable_offered(started->cgroup));
  TRY(made.limit(compiled, with_sleeper(compiled.limits.writes)));
  return made;
}

Result<void> SystemdScope::end_sleeper(const Cgroup& cgroup, const Compiled& compiled) {
  auto ended = client_->ask(request_for(systemd::Call::release, record_));
  client_.reset();
  if (!ended.ok()) return wrap_systemd(ended.error());
  std::vector<Write> last;
  for (const Write& write : compiled.limits.writes)
    if (write.file == "pids.max" && write.value != "max") last.push_back(write);
  return cgroup.apply(last);
}

Result<void> update_scope(const std::optional<SystemdRecord>& record, const std::vector<Write>& writes) {
  if (!record || writes.empty()) return {};
  auto client = start_client(record->user);
  if (!client.ok()) return wrap_systemd(client.error());
  auto found = client->ask(request_for(systemd::Call::look, *record));
  if (!found.ok()) return wrap_systemd(found.error());
  systemd::Request request = request_for(systemd::Call::set, *record);
  request.properties = systemd::limit_properties(writes, found->version, systemd::Moment::update);
  auto set = client->ask(request);
  if (!set.ok()) return wrap_systemd(set.error());
  return {};
}

Result<void> stop_scope(const SystemdRecord& record) {
  auto client = start_client(record.user);
  if (!client.ok()) return wrap_systemd(client.error());
  auto stopped = client->ask(request_for(systemd::Call::stop, record));
  if (!stopped.ok()) return wrap_systemd(stopped.error());
  return {};
}

Result<void> come_near(const std::optional<SystemdRecord>& record, const std::string& cgroup_path) {
  if (!record || !record->user) return {};
  Hierarchy hierarchy = TRY(find_hierarchy());
  if (TRY(is_near(hierarchy, cgroup_path))) return {};
  auto client = start_client(true);
  if (!client.ok()) return wrap_systemd(client.error());
  auto moved = move_near(hierarchy, cgroup_path, *client);
  if (!moved.ok()) return wrap_systemd(moved.error());
  return {};
}

}  // namespace minirun
