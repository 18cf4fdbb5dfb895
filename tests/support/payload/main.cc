// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tests/support/payload/payload.h"

namespace payload {

void broken(const std::string& what) {
  say("payload: " + what + ": " + strerror(errno) + "\n", 2);
  _exit(kBroken);
}

void say(const std::string& text, int fd) {
  size_t done = 0;
  while (done < text.size()) {
    ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    done += static_cast<size_t>(n);
  }
}

std::string slurp(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  std::array<char, 4096> block;
  for (ssize_t n = 0; (n = read(fd, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<size_t>(n));
  close(fd);
  return text;
}

namespace {

int exit_with(const Args& args) {
  return args.empty() ? 0 : atoi(args[0].c_str());
}

int print(const Args& args) {
  for (const std::string& arg : args) say(arg + "\n");
  return 0;
}

int complain(const Args& args) {
  for (const std::string& arg : args) say(arg + "\n", 2);
  return 0;
}

int copy_stdin(const Args&) {
  std::array<char, 4096> block;
  for (ssize_t n = 0; (n = read(0, block.data(), block.size())) > 0;) say({block.data(), static_cast<size_t>(n)});
  return 0;
}

int wait_for_ever(const Args&) {
  say("ready\n");
  for (;;) pause();
}

int do_nothing(const Args&) {
  return 0;
}

struct Command {
  const char* name;
  int (*run)(const Args&);
};

constexpr Command kCommands[] = {
    {"true", do_nothing},
    {"exit", exit_with},
    {"print", print},
    {"complain", complain},
    {"cat", copy_stdin},
    {"pause", wait_for_ever},
    {"report", report},
    {"surroundings", surroundings},
    {"hog", hog},
    {"burn", burn},
    {"orphans", orphans},
    {"forkbomb", fork_bomb},
    {"bomb", bomb},
    {"leave-child", leave_child},
    {"signals", signals},
    {"queued", queued},
    {"die-by", die_by},
    {"fault", fault},
    {"shell", shell},
    {"exit-on", exit_on},
    {"tty", tty},
    {"opens", open_files},
    {"stat", stat_files},
    {"mknod", make_node},
    {"write", write_file},
    {"files", print_files},
    // Of namespaces.
    {"clocks", clocks},
    {"kernel-views", kernel_views},
    // Of attacks.
    {"grab", grab},
    {"scribble-times", scribble_times},
    {"swap-context", swap_context},
    {"hold", hold},
    {"trace", trace},
    {"puppet", puppet},
    {"overwrite", overwrite},
    {"scribble", scribble},
    {"type-ahead", type_ahead},
    // Whatever else.
    {"stubborn", stubborn},
    {"ailing", ailing},
    {"refused", refused},
    {"notify", notify},
    {"syscall", call},
    {"tsc-khz", time_stamp_frequency},
};

}  // namespace
}  // namespace payload

int main(int argc, char** argv) {
  payload::Args args(argv + 1, argv + argc);
  std::string name = argc > 0 ? argv[0] : "";
  if (name == "newuidmap" || name == "newgidmap") return payload::write_id_map(name == "newuidmap", args);
  if (!args.empty()) {
    for (const auto& command : payload::kCommands) {
      if (args[0] == command.name) return command.run({args.begin() + 1, args.end()});
    }
  }
  payload::say("payload: no such command\n", 2);
  return payload::kBroken;
}
