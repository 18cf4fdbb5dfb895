// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/memory_policy.h"

#include <linux/mempolicy.h>

#include <cstring>

#include "tests/support/config_edit.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

using Mask = std::vector<uint64_t>;
using test::Lines;
using test::problems_with;

TEST(MemoryNodes, AreAListOfRanges) {
  EXPECT_EQ(memory_nodes(""), Mask{});
  EXPECT_EQ(memory_nodes("0"), Mask{1});
  EXPECT_EQ(memory_nodes("0-3,7"), Mask{0x8f});
  EXPECT_EQ(memory_nodes("64"), (Mask{0, 1}));
  EXPECT_EQ(memory_nodes("63-64,1"), (Mask{0x8000000000000002, 1}));
  EXPECT_EQ(memory_nodes("1023")->size(), 16u);
  for (const char* bad :
       {",", "0,", ",0", "0,,1", "3-1", "-1", "1-", "a", "0 ", " 0", "0x1", "1024", "0-1024", "99999999999"})
    EXPECT_EQ(memory_nodes(bad), std::nullopt) << bad;
}

TEST(MemoryPolicy, WhatTheKernelWouldRefuseIsToldBefore) {
  const struct {
    const char* raw;
    const char* line;
  } cases[] = {
      {R"({"mode": "MPOL_BIND"})", "nodes: must name a memory node with MPOL_BIND: missing or empty"},
      {R"({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": ""})",
       "nodes: must name a memory node with MPOL_WEIGHTED_INTERLEAVE: missing or empty"},
      {R"({"mode": "MPOL_DEFAULT", "nodes": "0"})", "nodes: must be empty with MPOL_DEFAULT: found \"0\""},
      {R"({"mode": "MPOL_LOCAL", "nodes": "0"})", "nodes: must be empty with MPOL_LOCAL: found \"0\""},
      {R"({"mode": "MPOL_BIND", "nodes": "x"})",
       "nodes: must be a list of memory nodes such as 0-3,7, none above 1023: found \"x\""},
      {R"({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]})",
       "flags: must not have both MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES"},
      {R"({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]})",
       "flags: MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY: found with MPOL_INTERLEAVE"},
      {R"({"mode": "MPOL_LOCAL", "flags": ["MPOL_F_STATIC_NODES"]})",
       "flags: say how nodes are counted, but nodes is empty"},
  };
  for (const auto& wrong : cases)
    EXPECT_EQ(problems_with("/linux/memoryPolicy", wrong.raw), Lines{"/linux/memoryPolicy/" + std::string(wrong.line)});
  EXPECT_EQ(problems_with("/linux/memoryPolicy", "{}"), Lines{"/linux/memoryPolicy/mode: is required but missing"});
}

TEST(MemoryPolicy, WhatTheKernelTakesIsTaken) {
  for (const char* raw : {R"({"mode": "MPOL_DEFAULT"})", R"({"mode": "MPOL_DEFAULT", "nodes": ""})",
                          R"({"mode": "MPOL_LOCAL", "nodes": ""})", R"({"mode": "MPOL_PREFERRED"})",
                          R"({"mode": "MPOL_PREFERRED", "nodes": "1"})",
                          R"({"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_NUMA_BALANCING"]})"})
    EXPECT_EQ(problems_with("/linux/memoryPolicy", raw), Lines{}) << raw;
}

class CompileMemoryPolicy : public CompileTest {};

TEST_F(CompileMemoryPolicy, IsSetOnceBeforeTheWorkloadIsStarted) {
  spec.linux_.memory_policy = oci::MemoryPolicy{MPOL_BIND, "0,64", MPOL_F_STATIC_NODES};
  auto all = lines();
  expect_order(all, {"set the memory policy: MPOL_BIND on nodes 0,64 (MPOL_F_STATIC_NODES)", "start the workload"});
  const auto& policy = step<steps::MemoryPolicy>();
  EXPECT_EQ(policy.mode, uint32_t{MPOL_BIND | MPOL_F_STATIC_NODES});
  uint64_t mask[2];
  std::memcpy(mask, data(policy.nodes), sizeof mask);
  EXPECT_EQ(mask[0], 1u);
  EXPECT_EQ(mask[1], 1u);
  EXPECT_EQ(policy.nodes.size, 16u);
}

TEST_F(CompileMemoryPolicy, WithoutNodesThereIsNoMask) {
  spec.linux_.memory_policy = oci::MemoryPolicy{MPOL_LOCAL, "", 0};
  EXPECT_TRUE(has(lines(), "set the memory policy: MPOL_LOCAL"));
  EXPECT_EQ(step<steps::MemoryPolicy>().nodes.size, 0u);
}

}  // namespace
}  // namespace minirun
