#include "runtime/mount_options.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "sys/kernel_abi.h"

namespace minirun {
namespace {

enum class Effect : uint8_t {
  none,         // what is so anyway, or what Linux 5.14 and newer have no switch for
  bind,
  remount,
  set,          // value: MOUNT_ATTR_*
  clear,        // value: MOUNT_ATTR_*
  mode,         // value: the access time mode
  leave_mode,   // value: the access time mode that is left, for the kernel's default (relatime)
  propagation,  // value: MS_*
  superblock,   // value: options with the same one replace each other
  not_yet,
};

struct Option {
  std::string_view name;
  Effect effect;
  uint64_t value;
  bool has_recursive;  // the same with an "r" in front, for all mounts below too
};

constexpr uint64_t kSync = 1, kDirsync = 2, kLazytime = 3;

// One line an option: it is parsed, told and tested from here.
constexpr Option kOptions[] = {
    {"defaults", Effect::none, 0, false},
    {"bind", Effect::bind, 0, true},
    {"remount", Effect::remount, 0, false},

    {"ro", Effect::set, abi::kMountAttrReadonly, true},
    {"rw", Effect::clear, abi::kMountAttrReadonly, true},
    {"nosuid", Effect::set, abi::kMountAttrNosuid, true},
    {"suid", Effect::clear, abi::kMountAttrNosuid, true},
    {"nodev", Effect::set, abi::kMountAttrNodev, true},
    {"dev", Effect::clear, abi::kMountAttrNodev, true},
    {"noexec", Effect::set, abi::kMountAttrNoexec, true},
    {"exec", Effect::clear, abi::kMountAttrNoexec, true},
    {"nosymfollow", Effect::set, abi::kMountAttrNosymfollow, true},
    {"symfollow", Effect::clear, abi::kMountAttrNosymfollow, true},
    {"nodiratime", Effect::set, abi::kMountAttrNodiratime, true},
    {"diratime", Effect::clear, abi::kMountAttrNodiratime, true},

    {"relatime", Effect::mode, abi::kMountAttrRelatime, true},
    {"norelatime", Effect::leave_mode, abi::kMountAttrRelatime, true},
    {"noatime", Effect::mode, abi::kMountAttrNoatime, true},
    {"atime", Effect::leave_mode, abi::kMountAttrNoatime, true},
    {"strictatime", Effect::mode, abi::kMountAttrStrictatime, true},
    {"nostrictatime", Effect::leave_mode, abi::kMountAttrStrictatime, true},

    {"private", Effect::propagation, abi::kMsPrivate, true},
    {"shared", Effect::propagation, abi::kMsShared, true},
    {"slave", Effect::propagation, abi::kMsSlave, true},
    {"unbindable", Effect::propagation, abi::kMsUnbindable, true},

    {"sync", Effect::superblock, kSync, false},
    {"async", Effect::superblock, kSync, false},
    {"dirsync", Effect::superblock, kDirsync, false},
    {"lazytime", Effect::superblock, kLazytime, false},
    {"nolazytime", Effect::superblock, kLazytime, false},

    // Flags of mount(2) alone, without a place in the new mount API: i_version is always on where a filesystem has it
    // (ext4 since Linux 6.1, btrfs and xfs always); "silent" hushed the log of a failing mount; mandatory locking went
    // with Linux 5.15.
    {"iversion", Effect::none, 0, false},
    {"noiversion", Effect::none, 0, false},
    {"silent", Effect::none, 0, false},
    {"loud", Effect::none, 0, false},
    {"mand", Effect::none, 0, false},
    {"nomand", Effect::none, 0, false},

    {"tmpcopyup", Effect::not_yet, 0, false},
    {"idmap", Effect::not_yet, 0, true},
    {"copy-symlink", Effect::not_yet, 0, false},
};

struct Found {
  const Option* option = nullptr;
  bool recursive = false;
};

// "ro" is looked for before "r" + "o": no name of the table is another one's recursive form.
Found find(std::string_view name) {
  for (const Option& option : kOptions) {
    if (option.name == name) return {&option, false};
    if (option.has_recursive && name.size() > 1 && name[0] == 'r' && name.substr(1) == option.name)
      return {&option, true};
  }
  return {};
}

void assign(AttributeChange* change, uint64_t bits, uint64_t value) {
  change->set = (change->set & ~bits) | value;
  change->clear = (change->clear & ~bits) | (bits & ~value);
}

// What is asked for all mounts below is asked for the top one too: a later option for all takes back an earlier one
// for the top alone.
void assign(MountOptions* out, bool recursive, uint64_t bits, uint64_t value) {
  AttributeChange& own = out->own;
  if (!recursive) return assign(&own, bits, value);
  own.set &= ~bits;
  own.clear &= ~bits;
  assign(&out->below, bits, value);
}

void assign_mode(MountOptions* out, bool recursive, uint64_t mode) {
  assign(out, recursive, abi::kMountAttrAtimeMask, mode);
  // Cleared whole, also of the bits that are set after it.
  (recursive ? out->below : out->own).clear |= abi::kMountAttrAtimeMask;
}

void replace_superblock(MountOptions* out, const Option& option) {
  auto same = [&](const auto& parameter) { return find(parameter.first).option->value == option.value; };
  auto& list = out->superblock;
  list.erase(std::remove_if(list.begin(), list.end(), same), list.end());
  list.emplace_back(option.name, "");
}

void apply(MountOptions* out, const Option& option, bool recursive) {
  switch (option.effect) {
    case Effect::none:
    case Effect::not_yet:
      return;
    case Effect::bind:
      out->bind = true;
      out->recursive |= recursive;
      return;
    case Effect::remount:
      out->remount = true;
      return;
    case Effect::set:
      return assign(out, recursive, option.value, option.value);
    case Effect::clear:
      return assign(out, recursive, option.value, 0);
    case Effect::mode:
      return assign_mode(out, recursive, option.value);
    case Effect::leave_mode: {
      uint64_t mode = (recursive ? out->below : out->own).set & abi::kMountAttrAtimeMask;
      return assign_mode(out, recursive, mode == option.value ? abi::kMountAttrRelatime : mode);
    }
    case Effect::propagation:
      out->propagation = option.value | (recursive ? abi::kMsRecursive : 0);
      return;
    case Effect::superblock:
      return replace_superblock(out, option);
  }
}

}  // namespace

MountOptions parse_mount_options(const oci::Strings& options) {
  MountOptions out;
  for (size_t i = 0; i < options.size(); i++) {
    std::string_view text = options[i];
    std::string_view name = text.substr(0, text.find('='));
    // "mode=755" is a parameter whatever the table says of "mode"; "idmap=..." is a mapping of a mount.
    Found found = find(text);
    if (found.option == nullptr && find(name).option != nullptr && find(name).option->effect == Effect::not_yet)
      found = find(name);
    if (found.option == nullptr) {
      if (out.parameters.empty()) out.first_parameter = i;
      out.parameters.emplace_back(name, text.substr(name.size()));
      continue;
    }
    if (found.option->effect == Effect::not_yet && out.not_supported.empty()) {
      out.not_supported = text;
      out.not_supported_index = i;
    }
    apply(&out, *found.option, found.recursive);
  }
  return out;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names;
  for (const Option& option : kOptions) {
    if (option.effect == Effect::not_yet) continue;
    names.emplace_back(option.name);
    if (option.has_recursive) names.push_back("r" + std::string(option.name));
  }
  return names;
}

}  // namespace minirun
