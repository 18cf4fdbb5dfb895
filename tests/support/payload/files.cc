// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

const char* type_name(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "dir";
  if (S_ISLNK(mode)) return "link";
  if (S_ISCHR(mode)) return "char";
  if (S_ISBLK(mode)) return "block";
  if (S_ISFIFO(mode)) return "fifo";
  return "other";
}

int try_open(char mode, const char* path) {
  if (mode == 'x') return access(path, X_OK) == 0 ? 0 : errno;
  int flags = O_CLOEXEC | O_NONBLOCK;
  if (mode == 'r') flags |= O_RDONLY;
  if (mode == 'w') flags |= O_WRONLY;
  if (mode == 'c') flags |= O_WRONLY | O_CREAT;
  int fd = open(path, flags, 0644);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

}  // namespace

int open_files(const Args& args) {
  for (const std::string& arg : args) {
    std::string path = arg.substr(2);
    say(path + " " + std::to_string(try_open(arg[0], path.c_str())) + "\n");
  }
  return 0;
}

int stat_files(const Args& args) {
  for (const std::string& path : args) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) {
      say(path + " missing " + std::to_string(errno) + "\n");
      continue;
    }
    std::array<char, 4096> target{};
    if (readlink(path.c_str(), target.data(), target.size() - 1) < 0) target[0] = '-';
    std::array<char, 8192> line;
    (void)snprintf(line.data(), line.size(), "%s %s %04o %u %u %u:%u %lld %s\n", path.c_str(), type_name(info.st_mode),
                   info.st_mode & 07777, info.st_uid, info.st_gid, major(info.st_rdev), minor(info.st_rdev),
                   static_cast<long long>(info.st_size), target.data());
    say(line.data());
  }
  return 0;
}

int make_node(const Args& args) {
  mode_t type = args.at(1) == "b" ? S_IFBLK : S_IFCHR;
  dev_t device =
      makedev(static_cast<unsigned>(atoi(args.at(2).c_str())), static_cast<unsigned>(atoi(args.at(3).c_str())));
  int code = mknod(args[0].c_str(), type | 0600, device) == 0 ? 0 : errno;
  say("mknod " + std::to_string(code) + "\n");
  return 0;
}

int write_file(const Args& args) {
  int fd = open(args.at(0).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  int code = fd < 0 ? errno : 0;
  if (fd >= 0 && write(fd, args.at(1).data(), args[1].size()) < 0) code = errno;
  if (fd >= 0) close(fd);
  say("write " + std::to_string(code) + "\n");
  return 0;
}

int print_files(const Args& args) {
  for (const std::string& path : args) say(slurp(path));
  return 0;
}

int write_id_map(bool uids, const Args& args) {
  std::string text;
  for (size_t i = 1; i < args.size(); ++i) text.append(args[i]).append(i % 3 == 0 ? "\n" : " ");
  std::string path = "/proc/" + args.at(0) + (uids ? "/uid_map" : "/gid_map");
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text.data(), text.size()) < 0) broken(path);
  close(fd);
  return 0;
}

int clocks(const Args&) {
  timespec monotonic{}, boottime{};
  if (clock_gettime(CLOCK_MONOTONIC, &monotonic) != 0 || clock_gettime(CLOCK_BOOTTIME, &boottime) != 0)
    broken("clock_gettime");
  say(std::to_string(monotonic.tv_sec) + " " + std::to_string(boottime.tv_sec) + "\n");
  return 0;
}

int call(const Args& args) {
  std::array<long, 6> values{};
  for (size_t i = 1; i < args.size() && i <= values.size(); ++i) values[i - 1] = strtol(args[i].c_str(), nullptr, 0);
  errno = 0;
  long result =
      syscall(strtol(args.at(0).c_str(), nullptr, 0), values[0], values[1], values[2], values[3], values[4], values[5]);
  say(std::to_string(result) + " " + std::to_string(result < 0 ? errno : 0) + "\n");
  return 0;
}

}  // namespace payload
