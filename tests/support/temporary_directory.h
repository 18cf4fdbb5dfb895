// SPDX-License-Identifier: Apache-2.0
// A directory that is gone with the test.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"

namespace minirun {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/minirun-test-XXXXXX";
    if (mkdtemp(name) == nullptr) ADD_FAILURE() << "mkdtemp";
    path_ = name;
    fd_.reset(open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { remove(path_); }

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

  void make_directory(const std::string& name, mode_t mode = 0755) const {
    EXPECT_EQ(mkdir(path(name).c_str(), mode), 0) << name;
  }
  void write(const std::string& name, std::string_view data, mode_t mode = 0644) const {
    UniqueFd file(open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    EXPECT_EQ(::write(file.get(), data.data(), data.size()), static_cast<ssize_t>(data.size())) << name;
    EXPECT_EQ(fchmod(file.get(), mode), 0) << name;
  }
  void link(const std::string& name, const std::string& target) const {
    EXPECT_EQ(symlink(target.c_str(), path(name).c_str()), 0) << name;
  }

  static std::vector<std::string> names(const std::string& path) {
    std::vector<std::string> found;
    DIR* directory = opendir(path.c_str());
    if (directory == nullptr) return found;
    while (const dirent* entry = readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") found.push_back(name);
    }
    closedir(directory);
    return found;
  }

 private:
  static void remove(const std::string& path) {
    for (const std::string& name : names(path)) {
      const std::string child = path + "/" + name;
      if (unlink(child.c_str()) < 0) remove(child);
    }
    (void)rmdir(path.c_str());
  }

  std::string path_;
  UniqueFd fd_;
};

}  // namespace minirun
