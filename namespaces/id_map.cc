// SPDX-License-Identifier: Apache-2.0
#include "namespaces/id_map.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "namespaces/kernel.h"
#include "sys/child_program.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/pipe.h"

namespace minirun {

std::string id_map_text(const IdMaps& maps) {
  std::string text;
  for (const IdMap& map : maps) text += fmt::format("{} {} {}\n", map.container_id, map.host_id, map.size);
  return text;
}

bool maps_only(const IdMaps& maps, uint32_t own_id) {
  return maps.size() == 1 && maps[0].size == 1 && maps[0].host_id == own_id;
}

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
  return uint64_t{a} < uint64_t{b} + b_size && uint64_t{b} < uint64_t{a} + a_size;
}

std::optional<std::string> id_map_problem(const IdMaps& maps) {
  constexpr size_t kMaxLines = 340;       // UID_GID_MAP_MAX_EXTENTS
  constexpr size_t kMaxBytes = 4095;      // map_write() of kernel/user_namespace.c takes less than a page
  constexpr uint64_t kNoId = 0xffffffff;  // (uid_t)-1 is never an id
  if (maps.size() > kMaxLines) return fmt::format("more than {} ranges: {}", kMaxLines, maps.size());
  for (size_t i = 0; i < maps.size(); i++) {
    const IdMap& map = maps[i];
    if (map.size == 0) return fmt::format("range {} is empty", i);
    if (uint64_t{map.container_id} + map.size > kNoId || uint64_t{map.host_id} + map.size > kNoId)
      return fmt::format("range {} goes beyond the highest id, {}", i, kNoId - 1);
    for (size_t j = 0; j < i; j++) {
      if (overlap(map.container_id, map.size, maps[j].container_id, maps[j].size))
        return fmt::format("ranges {} and {} overlap in the container", j, i);
      if (overlap(map.host_id, map.size, maps[j].host_id, maps[j].size))
        return fmt::format("ranges {} and {} overlap on the host", j, i);
    }
  }
  if (size_t bytes = id_map_text(maps).size(); bytes > kMaxBytes)
    return fmt::format("{} ranges take {} bytes in the kernel's form, which has room for {}: join ranges that adjoin",
                       maps.size(), bytes, kMaxBytes);
  return std::nullopt;
}

namespace {

constexpr std::chrono::seconds kProgramTime{10};

// name: newuidmap or newgidmap. /etc/subuid and /etc/subgid say what they may map.
Result<void> map_with_program(const char* name, pid_t pid, const IdMaps& maps) {
  const char* directories = getenv("PATH");
  ProgramStart program;
  program.path = find_program(name, directories != nullptr ? directories : "/usr/local/bin:/usr/bin:/bin");
  if (program.path.empty())
    return fail(ErrorKind::host,
                "{} is not in PATH: without it ordinary users can map only their own id (Debian: package uidmap)",
                name);
  program.arguments = {name, std::to_string(pid)};
  for (const IdMap& map : maps)
    for (uint32_t value : {map.container_id, map.host_id, map.size}) program.arguments.push_back(std::to_string(value));
  auto ended = run_program(program, kProgramTime);
  if (!ended.ok() && ended.error().code == ETIMEDOUT)
    return fail(ErrorKind::host, "{}: did not end within {} seconds", program.path, kProgramTime.count());
  if (!ended.ok()) return ended.error();
  if (WIFEXITED(ended->status) && WEXITSTATUS(ended->status) == 0) return {};
  std::string said = on_one_line(ended->errors);
  if (said.empty())
    said = WIFSIGNALED(ended->status) ? fmt::format("killed by signal {}", WTERMSIG(ended->status))
                                      : fmt::format("exit status {}", WEXITSTATUS(ended->status));
  return fail(ErrorKind::host, "{}: {}", program.path, said);
}

Result<void> write_map(int proc, const char* file, const IdMaps& maps) {
  std::string text = id_map_text(maps);
  auto written = write_control(proc, file, text);
  if (written.ok()) return {};
  std::replace(text.begin(), text.end(), '\n', ',');
  text.pop_back();
  return fail(written.error().code, "map ids ({} = {})", file, text.substr(0, 200));
}

}  // namespace

Result<void> write_id_maps(pid_t pid, const IdMaps& uids, const IdMaps& gids) {
  UniqueFd proc = TRY(open_at(AT_FDCWD, "/proc/" + std::to_string(pid), O_PATH | O_DIRECTORY));
  bool privileged = geteuid() == 0;
  if (!uids.empty()) {
    if (privileged || maps_only(uids, geteuid()))
      TRY(write_map(proc.get(), "uid_map", uids));
    else
      TRY(map_with_program("newuidmap", pid, uids));
  }
  if (gids.empty()) return {};
  if (privileged) return write_map(proc.get(), "gid_map", gids);
  if (!maps_only(gids, getegid())) return map_with_program("newgidmap", pid, gids);
  TRY(write_control(proc.get(), "setgroups", "deny"));
  return write_map(proc.get(), "gid_map", gids);
}

namespace {

// The helper shares this process's memory and has its own descriptors. It is usually killed; otherwise it ends when
// `lifeline` closes, as when this process is killed.
struct Helper {
  int lifeline;
  int our_end;
};

[[noreturn]] void helper_entry(void* pointer) {
  auto* helper = static_cast<Helper*>(pointer);
  RawKernel::call(SYS_close, static_cast<uint64_t>(helper->our_end));
  char byte;
  RawKernel::call(SYS_read, static_cast<uint64_t>(helper->lifeline), reinterpret_cast<uint64_t>(&byte), 1);
  RawKernel::exit(0);
}

// A process in a new user namespace. The destructor kills and reaps it.
class Holder {
 public:
  Holder() = default;
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    if (pid_ < 0) return;
    (void)kill(pid_, SIGKILL);  // not reaped yet: the pid is still its own
    while (waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }

  // Sends no SIGCHLD at its end, so no other code sees it.
  Result<pid_t> start() {
    lifeline_ = TRY(make_pipe());
    helper_ = {lifeline_.reader.get(), lifeline_.writer.get()};
    abi::CloneArguments arguments{};
    arguments.flags = CLONE_NEWUSER | CLONE_VM;
    arguments.stack = reinterpret_cast<uint64_t>(stack_);
    arguments.stack_size = sizeof stack_;
    long pid = clone_into(&arguments, sizeof arguments, helper_entry, &helper_);
    if (pid == -ENOSPC) return fail(ENOSPC, "make a user namespace (user.max_user_namespaces)");
    if (pid < 0) return fail(static_cast<int>(-pid), "make a user namespace");
    pid_ = static_cast<pid_t>(pid);
    return pid_;
  }

 private:
  pid_t pid_ = -1;
  Pipe lifeline_;
  Helper helper_{};
  alignas(16) char stack_[8192];
};

}  // namespace

Result<UniqueFd> make_user_namespace(const IdMaps& uids, const IdMaps& gids) {
  if (uids.empty() || gids.empty()) return fail(EINVAL, "a user namespace without mappings");
  Holder holder;
  pid_t pid = TRY(holder.start());
  TRY(write_id_maps(pid, uids, gids));
  return open_at(AT_FDCWD, fmt::format("/proc/{}/ns/user", pid), O_RDONLY);
}

}  // namespace minirun
