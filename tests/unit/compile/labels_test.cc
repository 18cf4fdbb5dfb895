// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/labels.h"

#include <algorithm>

#include "tests/support/config_edit.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class Labels : public CompileTest {
 protected:
  // The error when the step with this origin fails.
  std::optional<Error> failed(const std::string& origin, int code) {
    (void)lines();
    const auto& origins = compiled.plan.origins;
    EXPECT_EQ(std::count(origins.begin(), origins.end(), origin), 1) << origin;
    return label_error(*spec.process, origin, code);
  }
};

TEST_F(Labels, AreWrittenByTheTaskThatExecutesTheWorkloadAndBeforeItsFilter) {
  SeccompProgram filter;
  filter.filter.resize(3);
  seccomp = &filter;
  spec.process->apparmor_profile = "my profile";
  spec.process->selinux_label = "system_u:system_r:container_t:s0";
  auto all = lines();
  expect_order(all,
               {"open a private procfs", "start the workload", "write exec my profile to /proc/self/attr/apparmor/exec",
                "write system_u:system_r:container_t:s0 to /proc/self/attr/exec", "load a seccomp filter", "execute"});
}

TEST_F(Labels, WithoutOneNoProcfsIsOpened) {
  auto all = lines();
  EXPECT_EQ(find(all, "open a private procfs"), -1);
}

TEST_F(Labels, AHostWithoutTheModuleIsAnErrorAndNoLabelIsNot) {
  oci::Process process;
  EXPECT_TRUE(check_labels(process, {}).ok());
  process.apparmor_profile = "web";
  const Error error = check_labels(process, {false, true}).error();
  EXPECT_EQ(error.text(), "config.json: /process/apparmorProfile: \"web\": AppArmor is not enabled on this host");
  EXPECT_EQ(error.kind, ErrorKind::host);
  EXPECT_EQ(error.details().pointer, "/process/apparmorProfile");
  ASSERT_EQ(error.details().problems.size(), 1U);
  EXPECT_EQ(error.details().problems[0].message, "\"web\": AppArmor is not enabled on this host");
  EXPECT_TRUE(check_labels(process, {true, false}).ok());
  process = {};
  process.selinux_label = "a:b:c";
  EXPECT_EQ(check_labels(process, {true, false}).error().text(),
            "config.json: /process/selinuxLabel: \"a:b:c\": SELinux is not enabled on this host");
  EXPECT_TRUE(check_labels(process, {false, true}).ok());
}

TEST_F(Labels, TheModulesOfAHostAreFound) {
  TemporaryDirectory root;
  EXPECT_FALSE(probe_security_modules(root.fd()).apparmor);
  EXPECT_FALSE(probe_security_modules(root.fd()).selinux);
  for (const char* name : {"proc", "sys", "sys/module", "sys/module/apparmor", "sys/module/apparmor/parameters"})
    root.make_directory(name);
  root.write("sys/module/apparmor/parameters/enabled", "N\n");
  root.write("proc/filesystems", "nodev\tsysfs\n\text4\n");
  EXPECT_FALSE(probe_security_modules(root.fd()).apparmor);
  EXPECT_FALSE(probe_security_modules(root.fd()).selinux);
  root.write("sys/module/apparmor/parameters/enabled", "Y\n");
  root.write("proc/filesystems", "nodev\tsysfs\nnodev\tselinuxfs\n\text4\n");
  EXPECT_TRUE(probe_security_modules(root.fd()).apparmor);
  EXPECT_TRUE(probe_security_modules(root.fd()).selinux);
}

TEST_F(Labels, AFailedWriteNamesTheLabelAndTheFileInBackTicks) {
  spec.process->apparmor_profile = "web";
  spec.process->selinux_label = "a:b:c";
  EXPECT_EQ(failed("/process/apparmorProfile", ENOENT)->text(),
            "/process/apparmorProfile: \"web\": the kernel has no profile of that name (apparmor_parser loads "
            "one): write to `/proc/self/attr/apparmor/exec`");
  EXPECT_EQ(failed("/process/selinuxLabel", EINVAL)->text(),
            "/process/selinuxLabel: \"a:b:c\": the loaded policy does not know that label: write to "
            "`/proc/self/attr/exec`");
  for (int code : {EACCES, EPERM, ENOENT}) {
    for (const char* origin : {"/process/apparmorProfile", "/process/selinuxLabel"}) {
      std::string text = failed(origin, code)->text();
      EXPECT_EQ(text.find("permission denied"), std::string::npos) << "engines would blame the program: " << text;
    }
  }
  EXPECT_FALSE(failed("/process/args", ENOENT)) << "not a label";
}

TEST_F(Labels, AreOneLineOfBoundedLength) {
  EXPECT_EQ(test::problems_with("/process/apparmorProfile", R"("a\nb")"),
            test::Lines{"/process/apparmorProfile: must be one line: found \"a\\nb\""});
  std::string longest(5000, 'x');
  EXPECT_EQ(test::problems_with("/process/selinuxLabel", "\"" + longest + "\""),
            test::Lines{"/process/selinuxLabel: must be at most 4080 bytes: found 5000"});
}

}  // namespace
}  // namespace minirun
