// SPDX-License-Identifier: Apache-2.0
// What an image asks for and minirun-unpack leaves out: one line for each kind, not one for each file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace minirun::unpack {

enum class Omission : uint8_t { device, owner, xattr, label };

class Notes {
 public:
  // what: a path, or the name of an attribute.
  void add(Omission omission, const std::string& what);
  // A line of its own.
  void say(std::string line) { lines_.push_back(std::move(line)); }
  std::vector<std::string> lines() const;

 private:
  struct Seen {
    uint64_t count = 0;
    std::vector<std::string> first;
  };
  std::map<Omission, Seen> seen_;
  std::vector<std::string> lines_;
};

}  // namespace minirun::unpack
