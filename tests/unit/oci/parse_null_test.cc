// SPDX-License-Identifier: Apache-2.0
// null in config.json, which Go's encoder writes for a pointer, slice or map that was never set.
#include <gtest/gtest.h>

#include "runtime/oci/parse.h"
#include "tests/support/config_edit.h"
#include "tests/support/nullable.h"

namespace minirun {

using test::data;
using test::each_value;
using test::Lines;
using test::lines_of;
using test::parse;
using test::with;

TEST(ParseSpec, NullIsAbsentWhereThatGivesNoMorePower) {
  std::string full = data("full-config.json");
  std::unique_ptr<JsonDocument> document = JsonDocument::parse(full).value();
  size_t taken = 0;
  each_value(document->root(), [&](JsonValue value) {
    if (!test::takes_null(value.pointer())) return;
    ++taken;
    EXPECT_EQ(lines_of(parse(with(full, value.pointer(), "null"))), Lines{}) << value.pointer();
  });
  EXPECT_GT(taken, 40u);
  oci::Spec spec = parse(R"({"ociVersion": "1.0.0", "process": {"cwd": "/", "env": null, "capabilities": null},
      "hooks": {"prestart": [{"path": "/h", "env": null}, {"path": "/h", "env": []}]}, "mounts": null})")
                       .spec;
  EXPECT_FALSE(spec.process->capabilities.has_value());
  EXPECT_FALSE(spec.hooks.prestart[0].env.has_value()) << "null is not the empty environment";
  EXPECT_TRUE(spec.hooks.prestart[1].env.has_value());
}

TEST(ParseSpec, NullIsNoAnswerWhereAbsentIsMorePower) {
  std::string full = data("full-config.json");
  for (const char* pointer : {"/process/user",
                              "/process/user/uid",
                              "/process/user/gid",
                              "/process/user/umask",
                              "/process/user/additionalGids",
                              "/process/noNewPrivileges",
                              "/process/rlimits",
                              "/process/apparmorProfile",
                              "/process/selinuxLabel",
                              "/root/readonly",
                              "/mounts/0/uidMappings",
                              "/linux",
                              "/linux/namespaces",
                              "/linux/namespaces/1/path",
                              "/linux/uidMappings",
                              "/linux/gidMappings",
                              "/linux/resources",
                              "/linux/resources/memory",
                              "/linux/resources/memory/limit",
                              "/linux/resources/pids",
                              "/linux/resources/unified",
                              "/linux/seccomp",
                              "/linux/seccomp/syscalls",
                              "/linux/seccomp/syscalls/0/args",
                              "/linux/maskedPaths",
                              "/linux/readonlyPaths",
                              "/linux/mountLabel",
                              "/linux/intelRdt",
                              "/linux/resources/devices/1/type",
                              "/annotations/b",
                              "/process/env/0",
                              "/linux/sysctl/net.ipv4.ip_forward",
                              "/linux/netDevices/eth1"}) {
    Lines lines = lines_of(parse(with(full, pointer, "null")));
    ASSERT_EQ(lines.size(), 1u) << pointer;
    EXPECT_TRUE(lines[0].starts_with(std::string(pointer) + ": must be ")) << lines[0];
  }
}

TEST(ParseResources, NullLeavesALimitOfAnUpdateAsItIs) {
  const char* text = R"({"memory": {"limit": null, "swap": null}, "cpu": {"quota": 5, "cpus": null}, "pids": null,
      "blockIO": null, "unified": null, "devices": null, "hugepageLimits": null})";
  ParseOutcome outcome = parse_resources(*JsonDocument::parse(text).value());
  EXPECT_EQ(lines_of(outcome), Lines{});
  const oci::Resources& resources = *outcome.spec.linux_.resources;
  EXPECT_FALSE(resources.memory->limit.has_value());
  EXPECT_EQ(resources.cpu->quota, 5);
  EXPECT_FALSE(resources.pids_limit.has_value());
  ParseOutcome wrong = parse_resources(*JsonDocument::parse(R"({"pids": {"limit": null}, "devices": [null],
      "unified": {"memory.high": null}})")
                                            .value());
  EXPECT_EQ(wrong.problems.size(), 3u) << "what is required, an element, and a value of a map";
}

}  // namespace minirun
