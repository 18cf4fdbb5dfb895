// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/capabilities.h"

#include <fmt/format.h>
#include <sys/capability.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

namespace minirun {
namespace {

struct FreeCap {
  void operator()(void* object) const { (void)cap_free(object); }  // fails for what libcap did not allocate only
};

std::string name_of(unsigned number) {
  std::unique_ptr<char, FreeCap> name(cap_to_name(static_cast<cap_value_t>(number)));
  std::string text = name ? name.get() : fmt::format("capability {}", number);
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// libcap also accepts lower case and plain numbers, which the spec does not define, so they are refused here.
std::optional<unsigned> number_of(const std::string& name) {
  const bool spelt = name.compare(0, 4, "CAP_") == 0 &&
                     std::none_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  cap_value_t value = 0;
  if (!spelt || cap_from_name(name.c_str(), &value) < 0 || value < 0 || value >= 64) return std::nullopt;
  return static_cast<unsigned>(value);
}

class Resolver {
 public:
  Resolver(uint64_t known, uint64_t grantable) : known_(known), grantable_(grantable) {}

  uint64_t resolve(const char* set, const oci::Strings& names) {
    uint64_t mask = 0;
    for (const std::string& name : names) {
      auto number = number_of(name);
      if (!number) {
        warn(set, fmt::format("\"{}\"", name), "is not a capability that this build knows");
        continue;
      }
      mask |= uint64_t{1} << *number;
    }
    mask = keep(set, mask, known_, "is not known to this kernel");
    return keep(set, mask, grantable_, "cannot be granted: this process does not have it");
  }

  // Removes what is not in `allowed`, with a warning for each.
  uint64_t keep(const char* set, uint64_t mask, uint64_t allowed, const char* why) {
    for (unsigned number = 0; number < 64; ++number)
      if (((mask & ~allowed) >> number & 1) != 0) warn(set, name_of(number), why);
    return mask & allowed;
  }

  std::vector<std::string> take_warnings() { return std::move(warnings_); }

 private:
  void warn(const char* set, const std::string& name, const char* why) {
    warnings_.push_back(fmt::format("/process/capabilities/{}: {} {}", set, name, why));
  }

  uint64_t known_;
  uint64_t grantable_;
  std::vector<std::string> warnings_;
};

}  // namespace

ResolvedCapabilities resolve_capabilities(const oci::Capabilities* capabilities, uint64_t grantable) {
  ResolvedCapabilities resolved;
  if (capabilities == nullptr) return resolved;
  Resolver resolver(all_capabilities(), grantable);
  CapabilitySets& sets = resolved.sets;
  sets.bounding = resolver.resolve("bounding", capabilities->bounding);
  sets.permitted = resolver.resolve("permitted", capabilities->permitted);
  sets.effective = resolver.resolve("effective", capabilities->effective);
  sets.inheritable = resolver.resolve("inheritable", capabilities->inheritable);
  sets.ambient = resolver.resolve("ambient", capabilities->ambient);
  // capset(2) and PR_CAP_AMBIENT_RAISE fail with EPERM for these; the ambient set comes last, as it depends on the
  // others.
  sets.effective = resolver.keep("effective", sets.effective, sets.permitted, "is not in the permitted set");
  sets.inheritable = resolver.keep("inheritable", sets.inheritable, sets.bounding, "is not in the bounding set");
  sets.ambient = resolver.keep("ambient", sets.ambient, sets.permitted & sets.inheritable,
                               "is not in both the permitted and the inheritable set");
  resolved.warnings = resolver.take_warnings();
  return resolved;
}

std::string capability_names(uint64_t mask) {
  std::string names;
  for (unsigned number = 0; number < 64; ++number)
    if ((mask >> number & 1) != 0) names += (names.empty() ? "" : ",") + name_of(number);
  return names.empty() ? "none" : names;
}

uint64_t grantable_capabilities() {
  std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCap> own(cap_get_proc());
  uint64_t mask = 0;
  for (cap_value_t cap = 0; own && cap < cap_max_bits(); ++cap) {
    cap_flag_value_t permitted = CAP_CLEAR;
    if (cap_get_flag(own.get(), cap, CAP_PERMITTED, &permitted) == 0 && permitted == CAP_SET)
      mask |= uint64_t{1} << cap;
  }
  return mask;
}

uint64_t all_capabilities() {
  const int bits = std::min<int>(cap_max_bits(), 64);
  return bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

}  // namespace minirun
