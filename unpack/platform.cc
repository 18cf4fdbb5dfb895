// SPDX-License-Identifier: Apache-2.0
#include "unpack/platform.h"

#include <sys/utsname.h>

#include <utility>

#include "runtime/text/json.h"

namespace minirun::unpack {
namespace {

std::string go_name(std::string_view machine) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i386", "386"},        {"i686", "386"},
      {"armv7l", "arm"},   {"armv6l", "arm"},    {"ppc64le", "ppc64le"}, {"loongarch64", "loong64"},
  };
  for (const auto& [name, go] : kNames)
    if (machine == name) return std::string(go);
  return std::string(machine);
}

// 0: the best. -1: does not serve.
int rank(const Platform& wanted, const Platform& offered) {
  if (wanted.os != offered.os || wanted.architecture != offered.architecture) return -1;
  if (wanted.variant == offered.variant) return 0;
  if (offered.variant.empty()) return 1;
  return wanted.variant.empty() ? 2 : -1;
}

}  // namespace

Result<Platform> parse_platform(std::string_view text) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == '/')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  bool good = parts.size() == 2 || parts.size() == 3;
  for (const std::string& part : parts) good = good && !part.empty();
  if (!good)
    return fail(ErrorKind::usage, "must be OS/ARCH or OS/ARCH/VARIANT, for example linux/arm64: found {}",
                quoted(text));
  return Platform{parts[0], go_name(parts[1]), parts.size() == 3 ? parts[2] : ""};
}

Platform host_platform() {
  struct utsname names {};
  (void)uname(&names);  // fails for a bad pointer only
  return {"linux", go_name(static_cast<const char*>(names.machine)), ""};
}

std::optional<size_t> choose_platform(const Platform& wanted, const std::vector<Platform>& offered) {
  std::optional<size_t> best;
  for (size_t i = 0; i < offered.size(); i++) {
    int this_rank = rank(wanted, offered[i]);
    if (this_rank >= 0 && (!best || this_rank < rank(wanted, offered[*best]))) best = i;
  }
  return best;
}

}  // namespace minirun::unpack
