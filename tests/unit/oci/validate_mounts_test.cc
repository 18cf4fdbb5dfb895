// SPDX-License-Identifier: Apache-2.0
// What mappings and special options of a mount may not be.
#include "tests/support/config_edit.h"

namespace minirun {

using test::kSmallConfig;
using test::Lines;
using test::problems_of;
using test::problems_with;
using test::with;

namespace {

// Of one mount: the inside of its object. What stands before it in each line is left out: "/mounts/0".
Lines problems_of_mount(const std::string& inside, std::string_view config = kSmallConfig) {
  Lines lines = problems_of(with(config, "/mounts", R"([{"destination": "/t", )" + inside + "}]"));
  for (std::string& line : lines) {
    EXPECT_TRUE(line.starts_with("/mounts/0/")) << line;
    line.erase(0, 9);
  }
  return lines;
}

constexpr const char* kBind = R"("source": "/", "options": ["bind", ")";

}  // namespace

TEST(ValidateMounts, MappingsComeInPairs) {
  const char* map = R"([{"containerID": 0, "hostID": 1, "size": 1}])";
  std::string bind = R"("source": "/", "options": ["bind"], )";
  EXPECT_EQ(problems_of_mount(bind + R"("uidMappings": )" + map),
            Lines{"/gidMappings: is required when the other one is given"});
  EXPECT_EQ(problems_of_mount(bind + R"("gidMappings": )" + map),
            Lines{"/uidMappings: is required when the other one is given"});
  EXPECT_EQ(problems_of_mount(bind + R"("gidMappings": )" + map + R"(, "uidMappings": )" + map), Lines{});
  EXPECT_EQ(
      problems_of_mount(bind + R"("gidMappings": [{"containerID": 0, "hostID": 1, "size": 0}], "uidMappings": )" + map),
      Lines{"/gidMappings: must be mappings that the kernel takes: range 0 is empty"});
}

TEST(ValidateMounts, IdmapNeedsMappingsFromSomewhere) {
  EXPECT_EQ(
      problems_of_mount(std::string(kBind) + R"(idmap"])"),
      Lines{"/options/1: needs uidMappings and gidMappings of the mount, as the container has no user namespace"});
  EXPECT_EQ(
      problems_of_mount(std::string(kBind) + R"(ridmap"])"),
      Lines{"/options/1: needs uidMappings and gidMappings of the mount, as the container has no user namespace"});
  EXPECT_EQ(problems_of_mount(std::string(kBind) + R"(idmap=uids=0-1-1"])"),
            Lines{"/options/1: must have both uids and gids, since the container has no mappings to take the "
                  "others from"});
  EXPECT_EQ(problems_of_mount(std::string(kBind) + R"(idmap=uids=0-1-1;gids=0-1-1"])"), Lines{});
}

TEST(ValidateMounts, MappingsInAnOptionAreCrunsForm) {
  const struct {
    const char* text;
    const char* problem;
  } cases[] = {
      {"idmap=", "must be uids=RANGES;gids=RANGES: found \"\""},
      {"idmap=users=0-1-1", "must be uids=RANGES;gids=RANGES: found \"users=0-1-1\""},
      {"idmap=uids=", "must have ranges like 0-1000-65536 or @0-0-65536: found \"\""},
      {"idmap=uids=0-1", "must have ranges like 0-1000-65536 or @0-0-65536: found \"0-1\""},
      {"idmap=uids=0-1-1-1", "must have ranges like 0-1000-65536 or @0-0-65536: found \"0-1-1-1\""},
      {"idmap=uids=0-1-1##", "must have ranges like 0-1000-65536 or @0-0-65536: found \"\""},
      {"idmap=uids=0-1-4294967296", "must have ranges like 0-1000-65536 or @0-0-65536: found \"0-1-4294967296\""},
      {"ridmap=uids=0-a-1", "must have ranges like 0-1000-65536 or @0-0-65536: found \"0-a-1\""},
      {"idmap=uids=@0-0-1;gids=0-0-1",
       "must be within one mapping of the container's user namespace where it starts with \"@\": found \"@0-0-1\""},
      {"idmap=uids=0-1-1#0-2-1;gids=0-0-1",
       "must be mappings that the kernel takes: ranges 0 and 1 overlap in the container"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(problems_of_mount(kBind + std::string(c.text) + "\"]"), Lines{std::string("/options/1: ") + c.problem});
}

TEST(ValidateMounts, MappingsAreForNewMountsWithFiles) {
  const char* maps = R"("uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}],
                        "gidMappings": [{"containerID": 0, "hostID": 1, "size": 1}])";
  for (const char* type : {"sysfs", "mqueue", "devpts", "cgroup"})
    EXPECT_EQ(problems_of_mount(R"("type": ")" + std::string(type) + "\", " + maps),
              Lines{"/uidMappings: is for bind mounts and filesystems with files: " + std::string(type) +
                    " cannot be idmapped"});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", )" + std::string(maps)), Lines{});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "options": ["remount"], )" + std::string(maps)),
            Lines{"/uidMappings: is for a new mount only: ids of an existing one cannot be mapped"});
  EXPECT_EQ(problems_of_mount(R"("options": ["rslave", "idmap"], )" + std::string(maps)),
            Lines{"/uidMappings: is for a new mount only: ids of an existing one cannot be mapped"});
}

TEST(ValidateMounts, SpecialOptionsStandWhereTheyMeanSomething) {
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "options": ["tmpcopyup"])"), Lines{});
  EXPECT_EQ(problems_of_mount(R"("type": "ramfs", "options": ["tmpcopyup"])"),
            Lines{"/options/0: tmpcopyup is for a new mount of type tmpfs"});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "options": ["remount", "tmpcopyup"])"),
            Lines{"/options/1: tmpcopyup is for a new mount of type tmpfs"});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "source": "/", "options": ["bind", "tmpcopyup"])"),
            Lines{"/options/1: tmpcopyup is for a new mount of type tmpfs"});
  EXPECT_EQ(problems_of_mount(kBind + std::string(R"(copy-symlink"])")), Lines{});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "options": ["copy-symlink"])"),
            Lines{"/options/0: copy-symlink is for bind mounts"});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "options": ["src-nofollow"])"),
            Lines{"/options/0: src-nofollow is for bind mounts"});
  EXPECT_EQ(problems_of_mount(R"("type": "tmpfs", "options": ["ro", "dest-nofollow"])"),
            Lines{"/options/1: dest-nofollow is for bind mounts"});
  EXPECT_EQ(problems_of_mount(kBind + std::string(R"(copy-symlink", "src-nofollow"])")),
            Lines{"/options/2: must not have both src-nofollow and copy-symlink"});
}

TEST(ValidateMounts, ContextTypeIsOneThatMountKnows) {
  std::string pointer = "/annotations/run.oci.mount_context_type";
  for (const char* fine : {"context", "fscontext", "defcontext", "rootcontext"})
    EXPECT_EQ(problems_with(pointer, '"' + std::string(fine) + '"'), Lines{});
  EXPECT_EQ(problems_with(pointer, "\"size\""),
            Lines{pointer + ": must be context, fscontext, defcontext or rootcontext: found \"size\""});
}

}  // namespace minirun
