// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/mount_options.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "sys/kernel_abi.h"

namespace minirun {
namespace {

enum class Effect : uint8_t {
  none,  // no effect: the default, or without a switch in Linux 5.14 and newer
  bind,
  remount,
  set,          // value: MOUNT_ATTR_*
  clear,        // value: MOUNT_ATTR_*
  mode,         // value: the access time mode
  leave_mode,   // value: the access time mode that is left, for the kernel's default (relatime)
  propagation,  // value: MS_*
  superblock,   // value: options with the same one replace each other
  id_map,       // with "=..." behind it too
  copy_up,
  copy_symlink,
  source_nofollow,
  target_nofollow,
};

struct Option {
  std::string_view name;
  uint64_t value;
  Effect effect;
  bool has_recursive;  // the same with an "r" in front, for all mounts below too
};

constexpr uint64_t kSync = 1, kDirsync = 2, kLazytime = 3;

// One line for each option: parsing, lists and tests use it.
constexpr Option kOptions[] = {
    {"defaults", 0, Effect::none, false},
    {"bind", 0, Effect::bind, true},
    {"remount", 0, Effect::remount, false},

    {"ro", abi::kMountAttrReadonly, Effect::set, true},
    {"rw", abi::kMountAttrReadonly, Effect::clear, true},
    {"nosuid", abi::kMountAttrNosuid, Effect::set, true},
    {"suid", abi::kMountAttrNosuid, Effect::clear, true},
    {"nodev", abi::kMountAttrNodev, Effect::set, true},
    {"dev", abi::kMountAttrNodev, Effect::clear, true},
    {"noexec", abi::kMountAttrNoexec, Effect::set, true},
    {"exec", abi::kMountAttrNoexec, Effect::clear, true},
    {"nosymfollow", abi::kMountAttrNosymfollow, Effect::set, true},
    {"symfollow", abi::kMountAttrNosymfollow, Effect::clear, true},
    {"nodiratime", abi::kMountAttrNodiratime, Effect::set, true},
    {"diratime", abi::kMountAttrNodiratime, Effect::clear, true},

    {"relatime", abi::kMountAttrRelatime, Effect::mode, true},
    {"norelatime", abi::kMountAttrRelatime, Effect::leave_mode, true},
    {"noatime", abi::kMountAttrNoatime, Effect::mode, true},
    {"atime", abi::kMountAttrNoatime, Effect::leave_mode, true},
    {"strictatime", abi::kMountAttrStrictatime, Effect::mode, true},
    {"nostrictatime", abi::kMountAttrStrictatime, Effect::leave_mode, true},

    {"private", abi::kMsPrivate, Effect::propagation, true},
    {"shared", abi::kMsShared, Effect::propagation, true},
    {"slave", abi::kMsSlave, Effect::propagation, true},
    {"unbindable", abi::kMsUnbindable, Effect::propagation, true},

    {"sync", kSync, Effect::superblock, false},
    {"async", kSync, Effect::superblock, false},
    {"dirsync", kDirsync, Effect::superblock, false},
    {"lazytime", kLazytime, Effect::superblock, false},
    {"nolazytime", kLazytime, Effect::superblock, false},

    // Flags of mount(2) alone, without a place in the new mount API: i_version is always on where a filesystem has it
    // (ext4 since Linux 6.1, btrfs and xfs always); "silent" hushed the log of a failing mount; mandatory locking went
    // with Linux 5.15.
    {"iversion", 0, Effect::none, false},
    {"noiversion", 0, Effect::none, false},
    {"silent", 0, Effect::none, false},
    {"loud", 0, Effect::none, false},
    {"mand", 0, Effect::none, false},
    {"nomand", 0, Effect::none, false},

    {"idmap", 0, Effect::id_map, true},
    {"tmpcopyup", 0, Effect::copy_up, false},

    // crun's; podman sends the first one to every runtime.
    {"copy-symlink", 0, Effect::copy_symlink, false},
    {"src-nofollow", 0, Effect::source_nofollow, false},
    {"dest-nofollow", 0, Effect::target_nofollow, false},
};

struct Found {
  const Option* option = nullptr;
  bool recursive = false;
};

// Compares sizes first: every launch calls this several times for each option of each mount.
bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && memcmp(a.data(), b.data(), a.size()) == 0;
}

// "ro" is looked for before "r" + "o": no name of the table is another one's recursive form.
Found find(std::string_view name) {
  const bool may_recur = name.size() > 1 && name[0] == 'r';
  const std::string_view rest = name.substr(may_recur ? 1 : 0);
  for (const Option& option : kOptions) {
    if (equal(option.name, name)) return {&option, false};
    if (may_recur && option.has_recursive && equal(option.name, rest)) return {&option, true};
  }
  return {};
}

void assign(AttributeChange* change, uint64_t bits, uint64_t value) {
  change->set = (change->set & ~bits) | value;
  change->clear = (change->clear & ~bits) | (bits & ~value);
}

void assign(MountOptions* out, bool recursive, uint64_t bits, uint64_t value) {
  assign(recursive ? &out->below : &out->own, bits, value);
}

void assign_mode(MountOptions* out, bool recursive, uint64_t mode) {
  assign(out, recursive, abi::kMountAttrAtimeMask, mode);
  // Clears the whole field, including bits that are then set.
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
      return;
    case Effect::target_nofollow:
      out->target_nofollow = true;
      return;
    case Effect::id_map:
      out->id_map = recursive ? MountOptions::IdMap::recursive : MountOptions::IdMap::own;
      return;
    case Effect::copy_up:
      out->copy_up = true;
      return;
    case Effect::copy_symlink:
      out->copy_symlink = true;
      return;
    case Effect::source_nofollow:
      out->source_nofollow = true;
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

// A recursive option also applies to the top mount, whatever its own option is: with "rro" and "rw", in either order,
// all are read-only.
void give_way_to_recursive(MountOptions* options) {
  const uint64_t asked = options->below.set | options->below.clear;
  options->own.set &= ~asked;
  options->own.clear &= ~asked;
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  for (size_t i = 0; i < options.size(); i++) {
    std::string_view text = options[i];
    if (text.empty()) continue;
    std::string_view name = text.substr(0, text.find('='));
    // "mode=755" is a parameter even if the table has "mode"; "idmap=..." is a mapping of a mount.
    Found found = find(text);
    if (found.option == nullptr && name.size() < text.size()) {
      Found named = find(name);
      if (named.option != nullptr && named.option->effect == Effect::id_map) found = named;
    }
    if (found.option == nullptr) {
      if (out.parameters.empty()) out.first_parameter = i;
      out.parameters.emplace_back(name, text.substr(name.size()));
      continue;
    }
    Effect effect = found.option->effect;
    if (effect == Effect::id_map) {
      out.id_map_text = text.substr(name.size());
      out.id_map_index = i;
    }
    if (effect == Effect::copy_up || effect == Effect::copy_symlink || effect == Effect::source_nofollow ||
        effect == Effect::target_nofollow)
      out.special_index = i;
    apply(&out, *found.option, found.recursive);
  }
  give_way_to_recursive(&out);
  return out;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names;
  for (const Option& option : kOptions) {
    names.emplace_back(option.name);
    if (option.has_recursive) names.push_back("r" + std::string(option.name));
  }
  return names;
}

}  // namespace minirun
