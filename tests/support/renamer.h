// SPDX-License-Identifier: Apache-2.0
// A process that renames things as fast as it can, as long as the object lives.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace minirun {

class Renamer {
 public:
  Renamer() {
    char name[] = "/tmp/minirun-renamer-XXXXXX";
    path_ = mkdtemp(name);
    const std::string a = path_ + "/a", b = path_ + "/b";
    (void)mkdir(a.c_str(), 0755);
    (void)mkdir(b.c_str(), 0755);
    pid_ = fork();
    if (pid_ != 0) return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    constexpr unsigned kExchange = 2;  // RENAME_EXCHANGE
    while (renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), kExchange) == 0) {
    }
    _exit(1);
  }
  ~Renamer() {
    (void)kill(pid_, SIGKILL);
    (void)waitpid(pid_, nullptr, 0);
    for (const char* name : {"/a", "/b", ""}) (void)rmdir((path_ + name).c_str());
  }
  Renamer(const Renamer&) = delete;
  Renamer& operator=(const Renamer&) = delete;

 private:
  std::string path_;
  pid_t pid_ = -1;
};

}  // namespace minirun
