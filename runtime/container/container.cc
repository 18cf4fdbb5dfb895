// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/container.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cgroups/freezer.h"
#include "cgroups/hierarchy.h"
#include "runtime/container/record.h"
#include "runtime/container/start_socket.h"
#include "runtime/container/unfinished.h"
#include "runtime/text/timestamp.h"
#include "sys/pidfd.h"

namespace minirun {

ContainerRecord bare_record(const StateDirectory& state) {
  ContainerRecord record;
  record.id = state.id();
  struct stat facts {};
  if (fstat(state.fd(), &facts) == 0) record.created = rfc3339(facts.st_mtim);
  return record;
}

namespace {

// For a container whose init lives, so that no other cgroup can have its place. It counts as running if that is unknown
// (no cgroup2 tree is mounted here).
bool is_paused(const ContainerRecord& record) {
  if (record.cgroup.path.empty()) return false;
  auto hierarchy = find_hierarchy();
  auto frozen = hierarchy.ok() ? is_frozen(hierarchy->root.get(), record.cgroup.path.substr(1)) : Result<bool>(false);
  return frozen.ok() && *frozen;
}

Result<Container> with_init(StateDirectory state, ContainerRecord record) {
  Container found{std::move(state), std::move(record)};
  auto init = open_process(found.record, found.record.init);
  if (!init.ok() && init.error().code == ENOENT) return found;
  if (!init.ok()) return init.error();
  (TRY(has_ended(init->get())) ? found.ended : found.init) = std::move(init).value();
  return found;
}

Result<ContainerRecord> read_known(const StateDirectory& state) {
  ContainerRecord record = TRY(read_record(state));
  TRY(check_format(record));
  return record;
}

}  // namespace

void Container::detach() {
  if (process) process->detach();
  if (host_side) host_side->detach();
  if (cgroup) cgroup->detach();
  state.detach();
}

Result<ContainerRecord> read_record(const StateDirectory& state) {
  auto record = state.read();
  return !record.ok() && record.error().code == ENOENT ? bare_record(state) : record;
}

Result<Container> inspect(StateDirectory state) {
  ContainerRecord record = TRY(read_known(state));
  return inspect(std::move(state), std::move(record));
}

Result<Container> inspect(StateDirectory state, ContainerRecord record) {
  using enum ContainerStatus;
  Container found = TRY(with_init(std::move(state), std::move(record)));
  if (!found.init)
    found.status = found.record.init.pid == 0 ? creating : stopped;  // creating, or minirun was killed on the way
  else if (TRY(is_unfinished(found.state.fd())))
    found.status = creating;
  else if (is_paused(found.record))
    found.status = paused;
  else
    found.status = TRY(waits_for_start(found.state.fd())) ? created : running;
  // A waiting container that is killed closes its gate shortly before its end is visible.
  if (found.status == running && has_start_socket(found.state.fd()) && is_exiting(found.record.init.pid)) {
    found.status = stopped;
    found.ended = std::move(found.init);
  }
  return found;
}

Result<Container> find_container(int root, const std::string& id) {
  TRY(check_id(id));
  return inspect(TRY(StateDirectory::open(root, id)));
}

Result<Container> find_container(const std::string& state_root, const std::string& id) {
  TRY(check_id(id));
  UniqueFd root = TRY(open_existing_root(state_root));
  return find_container(root.get(), id);
}

Result<Container> find_made(int root, const std::string& id) {
  Container found = TRY(find_container(root, id));
  if (found.status != ContainerStatus::creating) return found;
  TRY(found.state.lock());  // the command that makes it holds the lock
  found.state.unlock();
  return find_container(root, id);
}

Result<Container> find_processes(const std::string& state_root, const std::string& id) {
  TRY(check_id(id));
  UniqueFd root = TRY(open_existing_root(state_root));
  StateDirectory state = TRY(StateDirectory::open(root.get(), id));
  ContainerRecord record = TRY(read_known(state));
  if (record.init.pid == 0) {
    TRY(state.lock());
    record = TRY(read_known(state));
    state.unlock();
  }
  return with_init(std::move(state), std::move(record));
}

Result<Container> find_locked(const std::string& state_root, const std::string& id) {
  TRY(check_id(id));
  UniqueFd root = TRY(open_existing_root(state_root));
  StateDirectory state = TRY(StateDirectory::open(root.get(), id));
  TRY(state.lock());
  return inspect(std::move(state));
}

// Adds what an earlier command did not know. Empty: nothing is new.
static std::optional<EndRecord> merged(const std::optional<EndRecord>& known, const EndRecord& seen) {
  EndRecord end = known.value_or(EndRecord{});
  bool news = false;
  auto add = [&](auto& member, const auto& value, const auto& nothing) {
    if (member != nothing || value == nothing) return false;
    member = value;
    return news = true;
  };
  (void)add(end.wait_status, seen.wait_status, std::optional<int>());
  (void)add(end.limit, seen.limit, std::string());
  (void)add(end.time, seen.time, std::string());
  if (add(end.stop_signal, seen.stop_signal, 0)) end.killed = seen.killed;
  return news ? std::optional(end) : std::nullopt;
}

Result<void> remember_exit(const Container& found, std::optional<int> exit_status, const EndRecord& end) {
  auto locked = found.state.lock();
  if (!locked.ok()) return is_no_container(locked.error()) ? Result<void>() : locked;
  auto write = [&]() -> Result<void> {
    ContainerRecord record = TRY(found.state.read());
    if (record.init.start_ticks != found.record.init.start_ticks) return {};
    auto more = merged(record.end, end);
    if (!more && (record.exit_status || !exit_status)) return {};
    if (!record.exit_status) record.exit_status = exit_status;
    if (more) record.end = more;
    return found.state.write(record);
  };
  auto written = write();
  found.state.unlock();
  return written;
}

Result<Cgroup> open_running_cgroup(const Container& container) {
  if (!container.init) return fail(ErrorKind::state, "container not running");
  return open_cgroup(container.record);
}

Result<Cgroup> open_cgroup(const ContainerRecord& record) {
  if (record.cgroup.path.empty())
    return fail(ErrorKind::state, "the container has no cgroup: the user who made it may not create cgroups");
  Hierarchy hierarchy = TRY(find_hierarchy());
  return Cgroup::open(hierarchy, record.cgroup);
}

bool of_this_boot(const ContainerRecord& record) {
  auto boot = current_boot_id();
  return !boot.ok() || *boot == record.boot_id;
}

Result<std::optional<Cgroup>> find_cgroup(const Container& container) {
  const ContainerRecord& record = container.record;
  if (record.cgroup.path.empty() || !of_this_boot(record)) return std::optional<Cgroup>();
  auto cgroup = open_cgroup(record);
  if (cgroup.ok()) {
    if (record.cgroup.inode == 0 && cgroup->is_marked_by_another(TRY(container.state.mark())))
      return std::optional<Cgroup>();
    return std::optional<Cgroup>(std::move(cgroup).value());
  }
  int code = cgroup.error().code;
  if (code == ENOENT || code == ESTALE) return std::optional<Cgroup>();
  return cgroup.error();
}

std::string owner_name() {
  return geteuid() == 0 ? "root" : std::to_string(geteuid());
}

void append_state(JsonWriter& json, const ContainerRecord& record, std::string_view status, pid_t pid) {
  json.begin_object().key("ociVersion").string("1.3.0").key("id").string(record.id);
  json.key("status").string(status).key("pid").number(pid);
  json.key("bundle").string(record.bundle).key("rootfs").string(record.rootfs);
  json.key("created").string(record.created).key("owner").string(owner_name());
  json.key("annotations").begin_object();
  for (const auto& [key, value] : record.annotations) json.key(key).string(value);
  json.end_object().end_object();
}

}  // namespace minirun
