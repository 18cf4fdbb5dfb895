// SPDX-License-Identifier: Apache-2.0
#include "tests/unpack/tree_list.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/unpack/image_maker.h"

namespace minirun::unpack::testing {
namespace {

std::string attributes_of(const std::string& path) {
  char names[4096];
  ssize_t size = llistxattr(path.c_str(), names, sizeof names);
  std::map<std::string, std::string> sorted;
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(strlen(names + at)) + 1) {
    char value[4096];
    ssize_t length = lgetxattr(path.c_str(), names + at, value, sizeof value);
    EXPECT_GE(length, 0) << path << " " << names + at;
    for (ssize_t i = 0; i < length; i++)
      sorted[names + at] += fmt::format("{:02x}", static_cast<unsigned char>(value[i]));
  }
  std::string all;
  for (const auto& [name, value] : sorted) all += fmt::format(" {}={}", name, value);
  return all;
}

std::string content_of(const std::string& path, const struct stat& facts) {
  if (S_ISLNK(facts.st_mode)) return " -> " + std::filesystem::read_symlink(path).string();
  if (S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode))
    return fmt::format(" device {}:{}", major(facts.st_rdev), minor(facts.st_rdev));
  if (!S_ISREG(facts.st_mode)) return "";
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return fmt::format(" {} bytes {}", facts.st_size, sha256(bytes.str()));
}

}  // namespace

std::map<std::string, std::string> list_tree(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths = {"."};
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    paths.push_back(entry.path().lexically_relative(directory).string());
  std::sort(paths.begin(), paths.end());
  std::map<ino_t, std::string> names;
  std::map<std::string, std::string> lines;
  for (const std::string& path : paths) {
    struct stat facts {};
    std::string whole = directory + "/" + path;
    EXPECT_EQ(lstat(whole.c_str(), &facts), 0) << whole;
    std::string line =
        fmt::format("{:o} {}:{} {}.{:09}{}{}", facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtim.tv_sec,
                    facts.st_mtim.tv_nsec, content_of(whole, facts), attributes_of(whole));
    if (!S_ISDIR(facts.st_mode) && facts.st_nlink > 1) {
      auto first = names.emplace(facts.st_ino, path).first;
      line += fmt::format(" {} names, the first {}", facts.st_nlink, first->second);
    }
    lines[path] = line;
  }
  return lines;
}

std::string difference(const std::map<std::string, std::string>& wanted,
                       const std::map<std::string, std::string>& found) {
  std::string all;
  for (const auto& [path, line] : wanted)
    if (auto there = found.find(path); there == found.end())
      all += fmt::format("missing: {}: {}\n", path, line);
    else if (there->second != line)
      all += fmt::format("{}:\n  wanted {}\n  found  {}\n", path, line, there->second);
  for (const auto& [path, line] : found)
    if (!wanted.contains(path)) all += fmt::format("too many: {}: {}\n", path, line);
  return all;
}

}  // namespace minirun::unpack::testing
