// Commands on a container that another minirun has made: state, list, kill, delete.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "cgroups/hierarchy.h"
#include "runtime/commands.h"
#include "runtime/json_writer.h"
#include "runtime/launch.h"
#include "runtime/signal_name.h"
#include "runtime/state.h"

namespace minirun {
namespace {

struct Found {
  ContainerRecord record;
  std::string status;  // creating, running or stopped, as it is now: never what somebody wrote down
  UniqueFd init;       // pidfd, when it lives
};

Result<Found> look_at(const StateDirectory& state) {
  Found found{TRY(state.read()), "stopped", UniqueFd()};
  auto init = open_init(found.record);
  if (init.ok()) {
    found.status = "running";
    found.init = std::move(init).value();
  } else if (init.error().code != ENOENT) {
    return init.error();
  } else if (found.record.init.pid == 0) {
    found.status = "creating";  // or minirun was killed on the way
  }
  return found;
}

Result<UniqueFd> open_root(const GlobalOptions& global) {
  auto root = open_state_root(global.root, false);
  if (!root.ok() && root.error().code == ENOENT) return fail(ENOENT, "container does not exist");
  return root;
}

Result<Found> find(const GlobalOptions& global, const std::string& id) {
  TRY(check_id(id));
  UniqueFd root = TRY(open_root(global));
  StateDirectory state = TRY(StateDirectory::open(root.get(), id));
  return look_at(state);
}

// "container does not exist" is matched by engines as it is.
Error named(const char* command, const std::string& id, Error error) {
  if (error.code == ENOENT && error.message == "container does not exist") error.code = 0;
  return wrap(std::move(error), fmt::format("{} {}", command, id));
}

// runtime-spec runtime.md#state
void append_state(JsonWriter& json, const Found& found) {
  const ContainerRecord& record = found.record;
  json.begin_object().key("ociVersion").string("1.3.0").key("id").string(record.id);
  json.key("status").string(found.status).key("pid").number(found.status == "running" ? record.init.pid : 0);
  json.key("bundle").string(record.bundle).key("rootfs").string(record.rootfs);
  json.key("created").string(record.created).key("owner").string("root");
  json.key("annotations").begin_object();
  for (const auto& [key, value] : record.annotations) json.key(key).string(value);
  json.end_object().end_object();
}

Result<void> wait_for_end(int pidfd) {
  pollfd ended{pidfd, POLLIN, 0};
  constexpr int kTimeoutMs = 10000;
  int n = poll(&ended, 1, kTimeoutMs);
  if (n < 0) return fail(errno, "wait for the container's init");
  return n > 0 ? Result<void>() : fail(ETIMEDOUT, "the container's init does not end");
}

Result<void> remove_cgroup(const CgroupRecord& record) {
  Hierarchy hierarchy = TRY(find_hierarchy());
  auto cgroup = Cgroup::open(hierarchy, record);
  if (!cgroup.ok()) {
    bool gone = cgroup.error().code == ENOENT || cgroup.error().code == ESTALE;  // ESTALE: somebody else's by now
    return gone ? Result<void>() : Result<void>(cgroup.error());
  }
  return cgroup->remove(Cgroup::Processes::kill, std::chrono::steady_clock::now() + kRemovalTime);
}

Result<void> remove_container(StateDirectory& state, const std::string& id, bool force) {
  auto looked = look_at(state);
  // Killed between the claim of the id and the intent record: nothing else has been made.
  if (!looked.ok() && looked.error().code == ENOENT) return state.remove();
  Found found = TRY(std::move(looked));
  if (found.status != "stopped" && !force)
    return fail(0, "cannot delete container {} that is not stopped: {}", id, found.status);
  if (found.init) {
    // ESRCH: it has ended since. The wait tells.
    (void)syscall(SYS_pidfd_send_signal, found.init.get(), SIGKILL, nullptr, 0);
    TRY(wait_for_end(found.init.get()));
  }
  TRY(remove_cgroup(found.record.cgroup));
  return state.remove();
}

}  // namespace

Result<Outcome> state_command(const GlobalOptions& global, const StateCommand& command) {
  auto found = find(global, command.id);
  if (!found.ok()) return named("state", command.id, found.error());
  JsonWriter json(2);
  append_state(json, *found);
  return Outcome{0, json.take() + "\n", "", {}};
}

Result<Outcome> list_command(const GlobalOptions& global, const ListCommand& command) {
  auto root = open_root(global);
  if (!root.ok() && root.error().code != ENOENT) return root.error();
  std::string table = fmt::format("{:<24} {:<8} {:<10} {}\n", "ID", "PID", "STATUS", "BUNDLE"), ids;
  JsonWriter json(2);
  json.begin_array();
  std::vector<std::string> all = root.ok() ? TRY(list_ids(root->get())) : std::vector<std::string>();
  for (const std::string& id : all) {
    auto state = StateDirectory::open(root->get(), id);
    if (!state.ok()) continue;  // gone since the directory was read
    auto found = look_at(*state);
    if (!found.ok()) {  // an interrupted or damaged one is shown as what it is
      found = Found{};
      found->record.id = id;
      found->status = "creating";
    }
    ids += id + "\n";
    table += fmt::format("{:<24} {:<8} {:<10} {}\n", id, found->init ? found->record.init.pid : 0, found->status,
                         found->record.bundle);
    append_state(json, *found);
  }
  json.end_array();
  if (command.quiet) return Outcome{0, ids, "", {}};
  return Outcome{0, command.format == "json" ? json.take() + "\n" : table, "", {}};
}

Result<Outcome> kill_command(const GlobalOptions& global, const KillCommand& command) {
  int signal = TRY(parse_signal(command.signal));
  auto found = find(global, command.id);
  if (!found.ok()) return named("kill", command.id, found.error());
  bool sent = found->init && syscall(SYS_pidfd_send_signal, found->init.get(), signal, nullptr, 0) == 0;
  if (!sent && found->init && errno != ESRCH) return fail(errno, "kill {}: send signal {}", command.id, signal);
  if (!sent) return fail(0, "kill {}: container not running: no such process", command.id);
  return Outcome{};
}

Result<Outcome> delete_command(const GlobalOptions& global, const DeleteCommand& command) {
  auto checked = check_id(command.id);
  if (!checked.ok()) return wrap(checked.error(), "delete " + command.id);
  auto root = open_root(global);
  auto state = root.ok() ? StateDirectory::open(root->get(), command.id) : Result<StateDirectory>(root.error());
  if (!state.ok() && command.force && state.error().code == ENOENT) return Outcome{};
  if (!state.ok()) return named("delete", command.id, state.error());
  auto removed = remove_container(*state, command.id, command.force);
  if (!removed.ok()) return wrap(removed.error(), "delete " + command.id);
  return Outcome{};
}

}  // namespace minirun
