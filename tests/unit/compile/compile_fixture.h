// SPDX-License-Identifier: Apache-2.0
// A small Spec that compiles, and the plan as lines that a test can look for.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/compile/compile.h"

namespace minirun {

inline oci::Spec small_spec() {
  oci::Spec spec;
  spec.oci_version = "1.2.0";
  spec.root = oci::Root{"rootfs", false};
  oci::Process process;
  process.cwd = "/";
  process.args = {"/bin/true"};
  process.env = {"PATH=/bin", "HOME=/"};
  process.no_new_privileges = true;
  spec.process = process;
  for (int type : {CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWCGROUP})
    spec.linux_.namespaces.push_back({static_cast<uint32_t>(type), ""});
  return spec;
}

inline oci::Mount mount_of(std::string destination, std::string type, std::string source, oci::Strings options) {
  oci::Mount mount;
  mount.set_destination(std::move(destination));
  mount.type = std::move(type);
  mount.source = std::move(source);
  mount.set_options(std::move(options));
  return mount;
}

class CompileTest : public ::testing::Test {
 protected:
  CompileTest() { host.capabilities = (uint64_t{1} << 41) - 1; }

  PlanFacts facts() const {
    PlanFacts facts{{"test", "/bundle", "/bundle/rootfs", "/home/user", links}, host, options};
    if (seccomp != nullptr) facts.seccomp = *seccomp;
    return facts;
  }

  // The steps as describe() prints them. A failure is one line: its text.
  std::vector<std::string> lines() {
    auto result = minirun::compile(spec, facts());
    if (!result.ok()) return {result.error().text()};
    compiled = std::move(result).value();
    std::vector<std::string> out;
    for (uint32_t i = 0; i < compiled.plan.steps.size(); i++) out.push_back(describe(compiled.plan, i));
    return out;
  }

  // The index of the line that begins like this, or -1.
  static int find(const std::vector<std::string>& lines, const std::string& beginning, int from = 0) {
    for (int i = from; i < static_cast<int>(lines.size()); i++)
      if (lines[static_cast<size_t>(i)].compare(0, beginning.size(), beginning) == 0) return i;
    return -1;
  }
  static bool has(const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  }
  // Lines that begin like these exist, in this order.
  static void expect_order(const std::vector<std::string>& lines, const std::vector<std::string>& beginnings) {
    int at = 0;
    for (const std::string& beginning : beginnings) {
      int found = find(lines, beginning, at);
      EXPECT_GE(found, 0) << beginning << " is not there, or too early, in\n" << testing::PrintToString(lines);
      at = std::max(found, at);
    }
  }
  // The fields of the first step of this type.
  template <class Type>
  const Type& step() {
    for (const Step& candidate : compiled.plan.steps)
      if (const Type* fields = get_if<Type>(candidate)) return *fields;
    ADD_FAILURE() << "no step " << op_name(op_of<Type>);
    static const Type kNone{};
    return kNone;
  }
  const char* data(uint64_t offset) { return compiled.plan.data.data() + (offset - kDataOffset); }
  template <class Field>
  const char* data(const Field& field) {
    return data(uint64_t{field.at});
  }

  oci::Spec spec = small_spec();
  HostFacts host;
  std::vector<std::string> links;  // ContainerPaths::mount_links
  RunOptions options;
  const SeccompProgram* seccomp = nullptr;
  Compiled compiled;
};

}  // namespace minirun
