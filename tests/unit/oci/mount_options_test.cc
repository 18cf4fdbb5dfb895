// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/mount_options.h"

#include <gtest/gtest.h>

#include <set>

#include "sys/kernel_abi.h"

namespace minirun {
namespace {

struct Expected {
  const char* name;
  uint64_t set, clear;  // of the mount itself, or, with an "r" in front, of all below it
};

// Every option of runtime-spec config.md that is a mount attribute.
const Expected kAttributes[] = {
    {"ro", 0x1, 0},
    {"rw", 0, 0x1},
    {"nosuid", 0x2, 0},
    {"suid", 0, 0x2},
    {"nodev", 0x4, 0},
    {"dev", 0, 0x4},
    {"noexec", 0x8, 0},
    {"exec", 0, 0x8},
    {"nodiratime", 0x80, 0},
    {"diratime", 0, 0x80},
    {"nosymfollow", 0x200000, 0},
    {"symfollow", 0, 0x200000},
    {"relatime", 0, 0x70},
    {"norelatime", 0, 0x70},
    {"noatime", 0x10, 0x70},
    {"atime", 0, 0x70},
    {"strictatime", 0x20, 0x70},
    {"nostrictatime", 0, 0x70},
};

const struct {
  const char* name;
  uint64_t type;
} kPropagations[] = {{"private", 1 << 18}, {"shared", 1 << 20}, {"slave", 1 << 19}, {"unbindable", 1 << 17}};

TEST(MountOptions, EveryAttributeSetsAndClearsItsBits) {
  for (const Expected& expected : kAttributes) {
    MountOptions options = parse_mount_options({expected.name});
    EXPECT_EQ(options.own.set, expected.set) << expected.name;
    EXPECT_EQ(options.own.clear, expected.clear) << expected.name;
    EXPECT_EQ(options.below.set | options.below.clear, 0u) << expected.name;
    EXPECT_TRUE(options.parameters.empty()) << expected.name;
  }
}

TEST(MountOptions, EveryRecursiveAttributeIsForAllBelow) {
  for (const Expected& expected : kAttributes) {
    std::string name = "r" + std::string(expected.name);
    MountOptions options = parse_mount_options({name});
    EXPECT_EQ(options.below.set, expected.set) << name;
    EXPECT_EQ(options.below.clear, expected.clear) << name;
    EXPECT_EQ(options.own.set | options.own.clear, 0u) << name;
    EXPECT_TRUE(options.parameters.empty()) << name;
  }
}

TEST(MountOptions, EveryPropagationAndItsRecursiveForm) {
  for (const auto& expected : kPropagations) {
    EXPECT_EQ(parse_mount_options({expected.name}).propagation, expected.type) << expected.name;
    std::string name = "r" + std::string(expected.name);
    EXPECT_EQ(parse_mount_options({name}).propagation, expected.type | abi::kMsRecursive) << name;
  }
}

TEST(MountOptions, BindRbindAndRemount) {
  EXPECT_TRUE(parse_mount_options({"bind"}).bind);
  EXPECT_FALSE(parse_mount_options({"bind"}).recursive);
  EXPECT_TRUE(parse_mount_options({"rbind"}).bind);
  EXPECT_TRUE(parse_mount_options({"rbind"}).recursive);
  EXPECT_TRUE(parse_mount_options({"rbind", "bind"}).recursive);
  EXPECT_TRUE(parse_mount_options({"remount"}).remount);
  EXPECT_FALSE(parse_mount_options({"remount"}).bind);
}

TEST(MountOptions, FlagsOfTheFilesystemKeepTheLastOfEachKind) {
  using P = Parameters;
  EXPECT_EQ(parse_mount_options({"sync"}).superblock, (P{{"sync", ""}}));
  EXPECT_EQ(parse_mount_options({"async"}).superblock, (P{{"async", ""}}));
  EXPECT_EQ(parse_mount_options({"dirsync"}).superblock, (P{{"dirsync", ""}}));
  EXPECT_EQ(parse_mount_options({"lazytime"}).superblock, (P{{"lazytime", ""}}));
  EXPECT_EQ(parse_mount_options({"nolazytime"}).superblock, (P{{"nolazytime", ""}}));
  EXPECT_EQ(parse_mount_options({"sync", "lazytime", "async"}).superblock, (P{{"lazytime", ""}, {"async", ""}}));
}

TEST(MountOptions, AnEmptyTextIsNoOption) {
  MountOptions options = parse_mount_options({"", "ro", "", "mode=755", ""});
  EXPECT_EQ(options.own.set, parse_mount_options({"ro"}).own.set);
  EXPECT_EQ(options.below.set, 0u);
  EXPECT_EQ(options.parameters, (Parameters{{"mode", "=755"}}));
  EXPECT_EQ(options.first_parameter, 3u);
  EXPECT_TRUE(parse_mount_options({"rbind", "ro", ""}).parameters.empty());
}

TEST(MountOptions, WhatIsSoAnywayChangesNothing) {
  for (const char* name : {"defaults", "iversion", "noiversion", "silent", "loud", "mand", "nomand"}) {
    MountOptions options = parse_mount_options({name});
    EXPECT_EQ(options.own.set | options.own.clear | options.below.set | options.below.clear | options.propagation, 0U)
        << name;
    EXPECT_TRUE(options.parameters.empty() && options.superblock.empty()) << name;
  }
}

TEST(MountOptions, TheLastOfOppositesWins) {
  EXPECT_EQ(parse_mount_options({"ro", "rw"}).own.set, 0u);
  EXPECT_EQ(parse_mount_options({"ro", "rw"}).own.clear, 0x1u);
  EXPECT_EQ(parse_mount_options({"rw", "ro"}).own.set, 0x1u);
  EXPECT_EQ(parse_mount_options({"rw", "ro"}).own.clear, 0u);
  EXPECT_EQ(parse_mount_options({"private", "rshared"}).propagation, abi::kMsShared | abi::kMsRecursive);
}

TEST(MountOptions, TheAccessTimeModeIsOneField) {
  EXPECT_EQ(parse_mount_options({"noatime", "strictatime"}).own.set, 0x20u);
  EXPECT_EQ(parse_mount_options({"strictatime", "noatime"}).own.set, 0x10u);
  EXPECT_EQ(parse_mount_options({"noatime", "relatime"}).own.set, 0u);
  EXPECT_EQ(parse_mount_options({"noatime", "atime"}).own.set, 0u);
  EXPECT_EQ(parse_mount_options({"noatime", "nostrictatime"}).own.set, 0x10u) << "it was not strictatime";
  EXPECT_EQ(parse_mount_options({"noatime", "nodiratime"}).own.set, 0x90u) << "nodiratime is a flag beside it";
  EXPECT_EQ(parse_mount_options({"noatime", "nodiratime"}).own.clear, 0x70u);
}

TEST(MountOptions, ARecursiveOptionIsForTheTopTooInEitherOrder) {
  MountOptions all = parse_mount_options({"ro", "rrw"});
  EXPECT_EQ(all.own.set, 0u);
  EXPECT_EQ(all.below.clear, 0x1u);
  for (const oci::Strings& options : {oci::Strings{"rro", "rw"}, oci::Strings{"rw", "rro"}}) {
    MountOptions readonly = parse_mount_options(options);
    EXPECT_EQ(readonly.below.set, 0x1u);
    EXPECT_EQ(readonly.own.clear, 0u);
  }
  EXPECT_EQ(parse_mount_options({"rnoatime", "relatime", "nosuid"}).own.set, 0x2u);
}

TEST(MountOptions, TheRestGoesToTheFilesystemInOrder) {
  MountOptions options = parse_mount_options({"nosuid", "mode=755", "newinstance", "size=64k", "context="});
  EXPECT_EQ(options.parameters,
            (Parameters{{"mode", "=755"}, {"newinstance", ""}, {"size", "=64k"}, {"context", "="}}));
  EXPECT_EQ(options.first_parameter, 1u);
}

TEST(MountOptions, NamesAreExact) {
  for (const char* name : {"RO", "rbin", "rsync", "rdefaults", "rremount", "ro=recursive", "r"})
    EXPECT_EQ(parse_mount_options({name}).parameters.size(), 1u) << name;
}

TEST(MountOptions, IdmapAndRidmapMayHaveTheirMappingsBehindThem) {
  using IdMap = MountOptions::IdMap;
  const struct {
    oci::Strings options;
    IdMap kind;
    const char* text;
    size_t index;
  } cases[] = {{{"bind"}, IdMap::none, "", 0},
               {{"bind", "idmap"}, IdMap::own, "", 1},
               {{"rbind", "ro", "ridmap"}, IdMap::recursive, "", 2},
               {{"idmap=uids=0-1-2;gids=0-1-2", "ro"}, IdMap::own, "=uids=0-1-2;gids=0-1-2", 0},
               {{"ro", "ridmap=uids=0-1-2"}, IdMap::recursive, "=uids=0-1-2", 1},
               {{"ridmap", "idmap"}, IdMap::own, "", 1}};
  for (const auto& c : cases) {
    MountOptions options = parse_mount_options(c.options);
    EXPECT_EQ(options.id_map, c.kind);
    EXPECT_EQ(options.id_map_text, c.text);
    EXPECT_EQ(options.id_map_index, c.index);
    EXPECT_TRUE(options.parameters.empty());
  }
}

TEST(MountOptions, OptionsOfPodmanAndCrun) {
  MountOptions options = parse_mount_options({"tmpcopyup"});
  EXPECT_TRUE(options.copy_up && !options.copy_symlink && !options.source_nofollow);
  options = parse_mount_options({"ro", "copy-symlink"});
  EXPECT_TRUE(!options.copy_up && options.copy_symlink && !options.source_nofollow);
  EXPECT_EQ(options.special_index, 1u);
  options = parse_mount_options({"src-nofollow"});
  EXPECT_TRUE(!options.copy_up && !options.copy_symlink && options.source_nofollow);
  EXPECT_TRUE(options.parameters.empty() && !options.target_nofollow);
  options = parse_mount_options({"ro", "dest-nofollow"});
  EXPECT_TRUE(options.parameters.empty() && options.target_nofollow && !options.source_nofollow);
  EXPECT_EQ(options.special_index, 1u);
}

TEST(MountOptions, KnownNamesAreThoseOfTheSpecification) {
  auto known = known_mount_options();
  std::set<std::string> names(known.begin(), known.end());
  EXPECT_EQ(names.size(), known.size()) << "no name twice";
  for (const Expected& expected : kAttributes) {
    EXPECT_EQ(names.count(expected.name), 1u) << expected.name;
    EXPECT_EQ(names.count("r" + std::string(expected.name)), 1u) << expected.name;
  }
  for (const char* name :
       {"async", "bind",       "defaults",   "dirsync",   "iversion",     "lazytime",     "loud",
        "mand",  "noiversion", "nolazytime", "nomand",    "rbind",        "remount",      "silent",
        "sync",  "idmap",      "ridmap",     "tmpcopyup", "copy-symlink", "src-nofollow", "dest-nofollow"})
    EXPECT_EQ(names.count(name), 1u) << name;
  EXPECT_EQ(names.size(), 36u + 8u + 21u);
}

}  // namespace
}  // namespace minirun
