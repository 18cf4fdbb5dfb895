// SPDX-License-Identifier: Apache-2.0
// Why it died: one line on stderr for a person, and the status that shells use.
#include <elf.h>
#include <signal.h>

#include <cstring>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Death : public MinirunTest {
 protected:
  void expect_exec_failure(Bundle& bundle, int code, const std::vector<std::string>& texts) {
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
      Outcome outcome = run(bundle, flags);
      EXPECT_EQ(outcome.code, code) << describe(outcome);
      EXPECT_EQ(outcome.out, "");
      for (const std::string& text : texts) {
        EXPECT_NE(outcome.err.find(text), std::string::npos) << "no \"" << text << "\" in: " << outcome.err;
      }
      // One line.
      EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
    }
  }
};

// The start of an ELF file with one PT_INTERP: enough for the kernel to look for the interpreter.
std::string elf_file(unsigned machine, const std::string& interpreter) {
  Elf64_Ehdr header{};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = static_cast<Elf64_Half>(machine);
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr program{};
  program.p_type = PT_INTERP;
  program.p_offset = sizeof header + sizeof program;
  program.p_filesz = program.p_memsz = interpreter.size() + 1;
  std::string file(reinterpret_cast<const char*>(&header), sizeof header);
  file.append(reinterpret_cast<const char*>(&program), sizeof program);
  file.append(interpreter.c_str(), interpreter.size() + 1);
  return file + std::string(4096, '\0');
}

#ifdef __x86_64__
constexpr unsigned kOwnMachine = EM_X86_64;
constexpr unsigned kOtherMachine = EM_AARCH64;
#else
constexpr unsigned kOwnMachine = EM_AARCH64;
constexpr unsigned kOtherMachine = EM_X86_64;
#endif

TEST_F(Death, CommandNotFoundInPathIs127) {
  Bundle bundle;
  bundle.config["process"]["args"] = {"nosuchcommand"};
  expect_exec_failure(bundle, 127, {R"(exec: "nosuchcommand": executable file not found in $PATH)"});
}

TEST_F(Death, PathThatIsNotThereIs127) {
  Bundle bundle;
  bundle.config["process"]["args"] = {"/no/such/program"};
  expect_exec_failure(bundle, 127, {"exec /no/such/program: no such file or directory"});
}

TEST_F(Death, FileWithoutPermissionIs126) {
  Bundle bundle;
  bundle.add_file("/bin/plain", "#!/bin/payload\n", 0644);
  bundle.config["process"]["args"] = {"/bin/plain"};
  expect_exec_failure(bundle, 126, {"exec /bin/plain: permission denied"});
}

TEST_F(Death, FolderIs126) {
  Bundle bundle;
  bundle.config["process"]["args"] = {"/bin"};
  expect_exec_failure(bundle, 126, {"exec /bin: ", "directory"});
}

TEST_F(Death, WrongArchitectureIs126AndNamed) {
  Bundle bundle;
  bundle.add_file("/bin/foreign", elf_file(kOtherMachine, "/lib/ld.so"), 0755);
  bundle.config["process"]["args"] = {"/bin/foreign"};
  expect_exec_failure(bundle, 126,
                      {"exec /bin/foreign: exec format error", kOtherMachine == EM_AARCH64 ? "aarch64" : "x86-64"});
}

TEST_F(Death, MissingElfInterpreterIs127AndNamed) {
  Bundle bundle;
  bundle.add_file("/bin/dynamic", elf_file(kOwnMachine, "/lib64/ld-nowhere.so.2"), 0755);
  bundle.config["process"]["args"] = {"/bin/dynamic"};
  expect_exec_failure(bundle, 127, {"exec /bin/dynamic: no such file or directory", "/lib64/ld-nowhere.so.2"});
}

TEST_F(Death, MissingScriptInterpreterIs127AndNamed) {
  Bundle bundle;
  bundle.add_file("/bin/script", "#!/usr/bin/python9\n", 0755);
  bundle.config["process"]["args"] = {"/bin/script"};
  expect_exec_failure(bundle, 127, {"exec /bin/script: no such file or directory", "/usr/bin/python9"});
}

TEST_F(Death, CarriageReturnInTheFirstLineIsNamed) {
  Bundle bundle;
  bundle.add_file("/bin/script", "#!/bin/payload\r\ntrue\r\n", 0755);
  bundle.config["process"]["args"] = {"/bin/script"};
  expect_exec_failure(bundle, 127, {"exec /bin/script: no such file or directory", "CR"});
}

TEST_F(Death, ScriptWithoutFirstLineIs126) {
  Bundle bundle;
  bundle.add_file("/bin/script", "echo hello\n", 0755);
  bundle.config["process"]["args"] = {"/bin/script"};
  expect_exec_failure(bundle, 126, {"exec /bin/script: exec format error", "#!"});
}

TEST_F(Death, EmptyFileIs126) {
  Bundle bundle;
  bundle.add_file("/bin/empty", "", 0755);
  bundle.config["process"]["args"] = {"/bin/empty"};
  expect_exec_failure(bundle, 126, {"exec /bin/empty: exec format error", "empty"});
}

TEST_F(Death, OrdinaryFailureIsTheWorkloadsOwnBusiness) {
  Bundle bundle;
  for (const char* code : {"1", "126", "127"}) {
    bundle.payload({"exit", code});
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, atoi(code));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_F(Death, MemoryLimitIsNamedWithLimitAndPeak) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"hog", "268435456"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 33554432}, {"swap", 33554432}};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 128 + SIGKILL);
  for (const char* text : {id().c_str(), "memory", "32 MiB", "peak"}) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << "no \"" << text << "\" in: " << outcome.err;
  }
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
}

}  // namespace
}  // namespace minirun::testing
