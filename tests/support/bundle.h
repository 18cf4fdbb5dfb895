// SPDX-License-Identifier: Apache-2.0
// Makes bundles for the tests: a root filesystem with the payload in it and a config.json to be changed at will.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace minirun::testing {

// A default config.json: /bin/payload as root with few capabilities, the usual mounts, every namespace but user and
// time, no limits.
nlohmann::json default_config();

// A folder below /run/tests; gone with the object.
class Bundle {
 public:
  Bundle();
  ~Bundle();
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  nlohmann::json config;

  const std::string& path() const { return path_; }
  std::string rootfs() const { return path_ + "/rootfs"; }

  // process.args = /bin/payload with these arguments.
  void payload(const std::vector<std::string>& args);

  // One more capability that the process has and may keep.
  void add_capability(const char* capability);

  // Below the rootfs; parent folders are made. Paths start with a slash.
  void add_file(const std::string& path, const std::string& content, unsigned mode = 0644) const;
  void add_folder(const std::string& path) const;
  void add_link(const std::string& path, const std::string& target) const;
  // busybox and these of its applets in /bin. False where this machine has no busybox.
  bool add_busybox(const std::vector<std::string>& applets) const;

  // One more mount at the end of the list.
  void add_mount(const std::string& destination, const std::string& type, const std::string& source,
                 const std::vector<std::string>& options = {});
  // Takes a namespace out of the list.
  void drop_namespace(const std::string& type);
  // A new one, of as many ids from 100000 on, which the rootfs belongs to.
  void add_user_namespace(unsigned ids = 1000);
  // Makes the namespace one to be joined.
  void join_namespace(const std::string& type, const std::string& path);

  // Writes config (or the raw text) to config.json.
  void write() const;
  void write_raw(const std::string& text) const;

 private:
  std::string path_;
};

// The path of a program of the tests: from the environment variable, else beside the test program itself.
std::string program(const char* variable, const std::string& name);

// Ends the test program when it cannot: a test without its files shows nothing.
void write_new_file(const std::string& path, const std::string& content, unsigned mode);
// Copies a file to a new one with mode 0755; false if the file does not exist.
bool copy_program(const std::string& from, const std::string& to);
void make_folders(const std::string& path);
// Removes everything below and the path itself, staying on its filesystem.
void remove_tree(const std::string& path);

}  // namespace minirun::testing
