// SPDX-License-Identifier: Apache-2.0
// The process of `exec`: the container's config with another process, and errors that name what asked for it.
#include "runtime/commands/exec_process.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "runtime/oci/config_error.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

ProcessOptions command_of(oci::Strings arguments) {
  ProcessOptions command;
  command.arguments = std::move(arguments);
  return command;
}

std::string problem_of(const ProcessOptions& command) {
  auto spec = exec_spec(command, small_spec());
  return spec.ok() ? "" : spec.error().text();
}

TEST(ExecSpec, IsTheContainersWithAnotherProcess) {
  oci::Spec container = small_spec();
  container.hostname = "here";
  container.process->terminal = true;
  ProcessOptions command = command_of({"/bin/id", "-u"});
  command.user = "7:8";
  oci::Spec spec = exec_spec(command, container).value();
  EXPECT_EQ(spec.hostname, "here");
  EXPECT_EQ(spec.process->args, command.arguments);
  EXPECT_EQ(spec.process->user.uid, 7U);
  EXPECT_FALSE(spec.process->terminal) << "it is another process's";
  EXPECT_EQ(container.process->args, oci::Strings{"/bin/true"}) << "the container's stays";
}

TEST(ExecSpec, AProblemIsTheOptionsOrTheFiles) {
  ProcessOptions command = command_of({"/bin/id"});
  command.cwd = "tmp";
  EXPECT_TRUE(problem_of(command).starts_with("--cwd: must be an absolute path")) << problem_of(command);

  TemporaryDirectory folder;
  folder.write("process.json", R"({"cwd": "tmp", "args": ["/bin/id"], "user": {"uid": 0, "gid": 0}})");
  ProcessOptions from_file;
  from_file.process = folder.path("process.json");
  EXPECT_TRUE(problem_of(from_file).starts_with(from_file.process + ": /cwd: must be an absolute path"))
      << problem_of(from_file);
  folder.write("process.json", R"({"cwd": "/", "args": ["/bin/id"], "user": {"uid": "root", "gid": 0}})");
  EXPECT_TRUE(problem_of(from_file).starts_with(from_file.process + ": /user/uid: must be an integer"))
      << problem_of(from_file);
  folder.write("process.json", R"({"cwd": "tmp", "args": ["/bin/id"], "user": {"uid": 0, "gid": 0}})");
  from_file.cwd = "/";  // does not make the file's right
  EXPECT_TRUE(problem_of(from_file).starts_with(from_file.process + ": /cwd: ")) << problem_of(from_file);
}

TEST(NameAsGiven, GoesByThePointerOfTheError) {
  ProcessOptions command = command_of({"/bin/id"});
  command.cwd = "/tmp";
  const Error failed = at_property("/process/cwd", fail(ENOENT, "change directory to /tmp"));
  EXPECT_EQ(name_as_given_to_exec(failed, command).message, "--cwd: change directory to /tmp");
  const Error refused = config_error("/process/cwd", "cannot be");
  EXPECT_EQ(name_as_given_to_exec(refused, command).message, "--cwd: cannot be");
  const Error other = fail(ENOENT, "open /process/cwd");  // of whatever the words speak
  EXPECT_EQ(name_as_given_to_exec(other, command).message, "open /process/cwd");
  command.cwd.clear();
  EXPECT_EQ(name_as_given_to_exec(refused, command).message, refused.message) << "the container's own";
  command.process = "p.json";
  EXPECT_EQ(name_as_given_to_exec(failed, command).message, "p.json: /cwd: change directory to /tmp");
}

}  // namespace
}  // namespace minirun
