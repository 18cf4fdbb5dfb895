// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/exec_diagnosis.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "runtime/diagnosis/program_file.h"
#include "sys/fd.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

#if defined(__x86_64__)
constexpr unsigned kHost = EM_X86_64;
constexpr unsigned kOther = EM_AARCH64;
constexpr const char* kWrongMachine = "it is a program for aarch64, and this machine is x86-64";
#else
constexpr unsigned kHost = EM_AARCH64;
constexpr unsigned kOther = EM_X86_64;
constexpr const char* kWrongMachine = "it is a program for x86-64, and this machine is aarch64";
#endif

template <class T>
void append(std::string& file, const T& object) {
  file.append(reinterpret_cast<const char*>(&object), sizeof object);
}

// A program of headers alone: one segment to load and, if asked, an interpreter.
template <class Header, class Segment>
std::string elf(unsigned char elf_class, unsigned machine, const std::string& interpreter) {
  Header header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = elf_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = static_cast<Elf64_Half>(machine);
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Segment);
  header.e_phnum = interpreter.empty() ? 1 : 2;
  const size_t headers = sizeof header + header.e_phnum * sizeof(Segment);
  Segment load = {};
  load.p_type = PT_LOAD;
  load.p_filesz = static_cast<decltype(load.p_filesz)>(headers + interpreter.size() + 1);
  std::string file;
  append(file, header);
  append(file, load);
  if (!interpreter.empty()) {
    Segment name = {};
    name.p_type = PT_INTERP;
    name.p_offset = static_cast<decltype(name.p_offset)>(headers);
    name.p_filesz = static_cast<decltype(name.p_filesz)>(interpreter.size() + 1);
    append(file, name);
  }
  return file + interpreter + std::string(1, '\0');
}

std::string program(const std::string& interpreter = "", unsigned machine = kHost) {
  return elf<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64, machine, interpreter);
}

class DiagnoseExec : public ::testing::Test {
 protected:
  DiagnoseExec() {
    root_.make_directory("bin");
    root_.make_directory("app");
  }
  Error diagnose(const std::string& argv0, int code, const std::string& path = "/sbin:/bin") const {
    return diagnose_exec({root_.fd(), argv0, "/app", path, code});
  }
  std::string message(const std::string& argv0, int code) const { return diagnose(argv0, code).text(); }
  // For a file of this content.
  std::string of_content(const std::string& content, int code = ENOEXEC) const {
    root_.write("bin/x", content, 0755);
    return message("/bin/x", code);
  }
  TemporaryDirectory root_;
};

TEST_F(DiagnoseExec, SaysWhatIsNotThere) {
  const Error diagnosis = diagnose("/bin/none", ENOENT);
  EXPECT_EQ(diagnosis.text(), "exec /bin/none: no such file or directory");
  EXPECT_EQ(diagnosis.exit_status, 127);
}

TEST_F(DiagnoseExec, SaysWhatIsNotInPath) {
  EXPECT_EQ(diagnose("none", ENOENT).text(), "exec: \"none\": executable file not found in $PATH (PATH is /sbin:/bin)");
  EXPECT_EQ(diagnose("none", ENOENT).exit_status, 127);
  EXPECT_EQ(diagnose("none", ENOENT, "").text(),
            "exec: \"none\": executable file not found in $PATH (PATH is not set)");
  EXPECT_EQ(diagnose("", ENOENT).text(), "exec: \"\": executable file not found in $PATH (PATH is /sbin:/bin)");
  EXPECT_EQ(diagnose("none", ENOTDIR).exit_status, 127);
}

TEST_F(DiagnoseExec, NamesAMissingElfInterpreter) {
  root_.write("bin/app", program("/lib64/ld-linux-x86-64.so.2"), 0755);
  const Error diagnosis = diagnose("/bin/app", ENOENT);
  EXPECT_EQ(
      diagnosis.text(),
      "exec /bin/app: no such file or directory (its ELF interpreter /lib64/ld-linux-x86-64.so.2 does not exist in "
      "the rootfs)");
  EXPECT_EQ(diagnosis.exit_status, 127);
  EXPECT_EQ(diagnose("app", ENOENT).text(), diagnosis.text()) << "found along PATH";
}

TEST_F(DiagnoseExec, NamesAMissingScriptInterpreter) {
  EXPECT_EQ(
      of_content("#! /usr/bin/python3 -u\n", ENOENT),
      "exec /bin/x: no such file or directory (the interpreter of its \"#!\" line, /usr/bin/python3, does not exist "
      "in the rootfs)");
  EXPECT_EQ(
      of_content("#!/usr/bin/python3", ENOENT),
      "exec /bin/x: no such file or directory (the interpreter of its \"#!\" line, /usr/bin/python3, does not exist "
      "in the rootfs)");
}

TEST_F(DiagnoseExec, FollowsAnInterpreterToItsOwn) {
  root_.write("bin/sh", program("/lib/ld.so"), 0755);
  EXPECT_EQ(
      of_content("#!/bin/sh\n", ENOENT),
      "exec /bin/x: no such file or directory (the interpreter of its \"#!\" line, /bin/sh, cannot be executed: its "
      "ELF interpreter /lib/ld.so does not exist in the rootfs)");
}

TEST_F(DiagnoseExec, EndsWithInterpretersInACircle) {
  EXPECT_EQ(
      of_content("#!/bin/x\n", ELOOP),
      "exec /bin/x: too many levels of symbolic links (the interpreter of its \"#!\" line is a script itself, and so "
      "on, deeper than the kernel follows)");
  EXPECT_EQ(of_content("#!/bin/x\n", EACCES).find("exec /bin/x: permission denied"), 0U);
}

TEST_F(DiagnoseExec, SeesACarriageReturnAfterTheInterpreter) {
  root_.write("bin/sh", program(), 0755);
  EXPECT_EQ(
      of_content("#!/bin/sh\r\necho hello\r\n", ENOENT),
      "exec /bin/x: no such file or directory (its \"#!\" line ends in a carriage return (CRLF, as Windows writes), "
      "so its interpreter would be \"/bin/sh\\r\"; save it with plain line ends)");
}

TEST_F(DiagnoseExec, SaysWhichMachineAProgramIsFor) {
  const Error diagnosis = [&] {
    root_.write("bin/x", program("", kOther), 0755);
    return diagnose("/bin/x", ENOEXEC);
  }();
  EXPECT_EQ(diagnosis.text(), std::string("exec /bin/x: exec format error (") + kWrongMachine + ")");
  EXPECT_EQ(diagnosis.exit_status, 126);
  EXPECT_NE(of_content(elf<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32, EM_MIPS, "")).find("it is a program for MIPS, and"),
            std::string::npos);
  std::string big_endian = program("", EM_S390);
  big_endian[EI_DATA] = ELFDATA2MSB;
  EXPECT_NE(of_content(big_endian).find("for a big-endian machine"), std::string::npos);
}

TEST_F(DiagnoseExec, ReadsA32BitProgramsInterpreter) {
  constexpr unsigned kHost32 = kHost == EM_X86_64 ? EM_386 : EM_ARM;
  EXPECT_NE(of_content(elf<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32, kHost32, "/lib/ld-linux.so.2"), ENOENT)
                .find("its ELF interpreter /lib/ld-linux.so.2 does not exist"),
            std::string::npos);
}

TEST_F(DiagnoseExec, SaysThatAThirtyTwoBitProgramNeedsAKernelForIt) {
  constexpr unsigned kHost32 = kHost == EM_X86_64 ? EM_386 : EM_ARM;
  EXPECT_NE(of_content(elf<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32, kHost32, ""))
                .find("it is a 32-bit program, which this kernel does not run"),
            std::string::npos);
}

TEST_F(DiagnoseExec, SeesAFileWithoutExecutePermission) {
  root_.write("bin/x", program(), 0644);
  const Error diagnosis = diagnose("/bin/x", EACCES);
  EXPECT_EQ(diagnosis.text(), "exec /bin/x: permission denied (it has no execute permission: mode 0644)");
  EXPECT_EQ(diagnosis.exit_status, 126);
  EXPECT_EQ(diagnosis.kind, ErrorKind::exec);
  EXPECT_EQ(diagnosis.code, EACCES);
  EXPECT_EQ(diagnosis.details().call, "execve");
  EXPECT_EQ(diagnosis.details().path, "/bin/x");
  EXPECT_EQ(diagnosis.details().hints, std::vector<std::string>{"it has no execute permission: mode 0644"});
  EXPECT_EQ(diagnose("x", EACCES).text(), diagnosis.text()) << "found along PATH";
}

TEST_F(DiagnoseExec, NamesTheOwnerWhereOnlyOthersMayExecute) {
  root_.write("bin/x", program(), 0700);
  const std::string owner = std::to_string(geteuid()) + ":" + std::to_string(getegid());
  EXPECT_EQ(message("/bin/x", EACCES), "exec /bin/x: permission denied (mode 0700, owner " + owner +
                                           ": not for the user of the process, or a directory above it is not)");
}

TEST_F(DiagnoseExec, SeesAnInterpreterWithoutExecutePermission) {
  root_.write("bin/sh", program(), 0644);
  EXPECT_EQ(
      of_content("#!/bin/sh\n", EACCES),
      "exec /bin/x: permission denied (the interpreter of its \"#!\" line, /bin/sh, cannot be executed: it has no "
      "execute permission: mode 0644)");
}

TEST_F(DiagnoseExec, CallsADirectoryADirectory) {
  EXPECT_EQ(message("/bin", EACCES), "exec /bin: is a directory");
  EXPECT_EQ(diagnose("/bin", EACCES).exit_status, 126);
}

TEST_F(DiagnoseExec, DoesNotOpenWhatIsNoRegularFile) {
  ASSERT_EQ(mkfifo(root_.path("bin/fifo").c_str(), 0755), 0);  // a reading open would wait for a writer
  EXPECT_EQ(message("/bin/fifo", EACCES), "exec /bin/fifo: permission denied (it is a FIFO)");
}

TEST_F(DiagnoseExec, SeesAFileSystemMountedNoexec) {
  root_.write("app/x", program(), 0755);
  constexpr int kNoNamespace = 77;
  const pid_t pid = fork();  // the mount namespace is not to be that of the other tests
  if (pid == 0) {
    if (unshare(CLONE_NEWNS) < 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) _exit(kNoNamespace);
    const std::string app = root_.path("app");
    if (mount(app.c_str(), app.c_str(), nullptr, MS_BIND, nullptr) < 0 ||
        mount(nullptr, app.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_NOEXEC, nullptr) < 0)
      _exit(kNoNamespace);
    const UniqueFd root(open(root_.path().c_str(), O_PATH | O_CLOEXEC));
    const Error diagnosis = diagnose_exec({root.get(), "/app/x", "/", "", EACCES});
    _exit(diagnosis.text() == "exec /app/x: permission denied (it is on a file system mounted noexec)" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  if (status == kNoNamespace << 8) GTEST_SKIP() << "no private mount namespace: not root";
  EXPECT_EQ(status, 0);
}

TEST_F(DiagnoseExec, ExplainsWhatNoLoaderTakes) {
  EXPECT_NE(of_content("").find("(it is empty)"), std::string::npos);
  EXPECT_EQ(
      of_content("echo hello\n"),
      "exec /bin/x: exec format error (it is text without a \"#!\" line: a shell would run it, the kernel does not)");
  EXPECT_NE(of_content("\xEF\xBB\xBF#!/bin/sh\n").find("a byte order mark stands before its \"#!\""),
            std::string::npos);
  EXPECT_NE(of_content("MZ\x90").find("it is a Windows program"), std::string::npos);
  EXPECT_NE(of_content("\xCF\xFA\xED\xFE").find("it is a macOS program"), std::string::npos);
  EXPECT_NE(of_content("\x01\x02\x03").find("it is neither an ELF program nor a script"), std::string::npos);
  EXPECT_NE(of_content("#!\n").find("its \"#!\" line names no interpreter"), std::string::npos);
  EXPECT_NE(of_content("#!/" + std::string(300, 'a') + "\n").find("longer than the kernel's 255 bytes"),
            std::string::npos);
  EXPECT_EQ(diagnose("/bin/x", ENOEXEC).exit_status, 126);
}

TEST_F(DiagnoseExec, SeesAProgramCutShort) {
  const std::string whole = program("/bin/x");
  for (size_t size = SELFMAG; size + 1 < whole.size(); ++size) {
    const std::string text = of_content(whole.substr(0, size));
    ASSERT_NE(text.find("it is truncated: " + std::to_string(size) + " bytes"), std::string::npos) << text;
  }
}

TEST_F(DiagnoseExec, SeesObjectFilesAndDamage) {
  std::string object = program();
  object[offsetof(Elf64_Ehdr, e_type)] = ET_REL;
  EXPECT_NE(of_content(object).find("it is an object file that was not linked"), std::string::npos);
  std::string no_segments = program();
  no_segments[offsetof(Elf64_Ehdr, e_phnum)] = 0;
  EXPECT_NE(of_content(no_segments).find("its ELF header is damaged"), std::string::npos);
  std::string no_class = program();
  no_class[EI_CLASS] = 7;
  EXPECT_NE(of_content(no_class).find("its ELF header is damaged"), std::string::npos);
}

TEST_F(DiagnoseExec, LivesThroughAnyByteOfAProgramFlipped) {
  const std::string whole = program("/lib/ld.so");
  for (size_t i = 0; i < whole.size() * 8; ++i) {
    std::string damaged = whole;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(of_content(damaged).find("exec /bin/x: exec format error"), 0U);
  }
}

TEST_F(DiagnoseExec, StaysUnderTheContainersRoot) {
  // An absolute link and ".." end at the container's root; the host has /bin/sh, this rootfs does not.
  root_.link("bin/absolute", "/usr/lib/busybox");
  EXPECT_EQ(message("/bin/absolute", ENOENT),
            "exec /bin/absolute: no such file or directory (it is a symbolic link to /usr/lib/busybox, which does not "
            "exist in the rootfs)");
  root_.link("bin/up", "../../../../../../../bin/sh");
  EXPECT_NE(message("/bin/up", ENOENT).find("which does not exist in the rootfs"), std::string::npos);
  root_.link("bin/sh", "x");
  EXPECT_EQ(of_content("echo\n", ENOEXEC).find("exec /bin/x: exec format error (it is text"), 0U);
  EXPECT_EQ(message("/../../bin/up", ENOEXEC).find("exec /../../bin/up: exec format error (it is text"), 0U);
}

TEST_F(DiagnoseExec, DoesNotFollowMagicLinks) {
  root_.link("bin/self", "/proc/self/exe");
  EXPECT_EQ(diagnose_exec({AT_FDCWD, "/proc/self/exe", "/", "", ENOEXEC}).exit_status, 126);
  EXPECT_EQ(message("/bin/self", ENOEXEC), "exec /bin/self: exec format error");
}

TEST_F(DiagnoseExec, StartsARelativePathAtTheWorkingDirectory) {
  root_.write("app/run", program(), 0600);
  EXPECT_EQ(message("./run", EACCES), "exec ./run: permission denied (it has no execute permission: mode 0600)");
  EXPECT_EQ(diagnose("run", EACCES, ":/bin").text(),
            "exec /app//run: permission denied (it has no execute permission: mode 0600)");
}

TEST_F(DiagnoseExec, PrefersAnExecutableFileAlongPath) {
  root_.make_directory("sbin");
  root_.write("sbin/x", program(), 0600);
  root_.write("bin/x", program("/lib/ld.so"), 0755);
  EXPECT_EQ(message("x", ENOENT),
            "exec /bin/x: no such file or directory (its ELF interpreter /lib/ld.so does not exist in the rootfs)");
  root_.make_directory("sbin/only");
  EXPECT_EQ(message("only", EACCES), "exec: \"only\": executable file not found in $PATH (PATH is /sbin:/bin)");
}

TEST_F(DiagnoseExec, ShowsNoControlCharactersOfAnImage) {
  EXPECT_NE(of_content("#!/bin/\x1B[31mred\n", ENOENT).find("/bin/\\x1b[31mred"), std::string::npos);
  EXPECT_EQ(diagnose("/a\nb", ENOENT).text(), "exec /a\\x0ab: no such file or directory");
}

TEST_F(DiagnoseExec, HasTheErrnosWordsForTheRest) {
  root_.write("bin/x", program(), 0755);
  EXPECT_EQ(message("/bin/x", E2BIG), "exec /bin/x: argument list too long");
  EXPECT_EQ(message("/bin/x", ETXTBSY), "exec /bin/x: text file busy");
  EXPECT_EQ(message("/bin/x/y", ENOTDIR), "exec /bin/x/y: not a directory");
}

// What execve itself says in this rootfs, 0: it went well; -1: no chroot.
int errno_of_execve(const TemporaryDirectory& root, const char* path) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) < 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    int code = -1;
    if (chroot(root.path().c_str()) == 0 && chdir("/") == 0) {
      char* const none[] = {const_cast<char*>("x"), nullptr};
      execve(path, none, none + 1);
      code = errno;
    }
    _exit(write(pipe_ends[1], &code, sizeof code) == sizeof code ? 0 : 1);
  }
  close(pipe_ends[1]);
  int code = 0;
  const ssize_t n = read(pipe_ends[0], &code, sizeof code);
  close(pipe_ends[0]);
  waitpid(pid, nullptr, 0);
  return n == sizeof code ? code : 0;
}

TEST_F(DiagnoseExec, ExplainsTheErrnosThatTheKernelGives) {
  struct Case {
    std::string content;
    int code;
    const char* hint;
  };
  const Case cases[] = {
      {program("/lib/ld.so"), ENOENT, "its ELF interpreter /lib/ld.so does not exist"},
      {program("", kOther), ENOEXEC, kWrongMachine},
      {program("").substr(0, 40), ENOEXEC, "it is truncated"},
      {"#!/bin/none\n", ENOENT, "does not exist in the rootfs"},
      {"#!/app\n", EACCES, "cannot be executed: it is a directory"},
      {"#!/bin/y\r\n", ENOENT, "carriage return"},
      {"#!/bin/x\n", ELOOP, "deeper than the kernel follows"},
      {"#!\n", ENOEXEC, "names no interpreter"},
      {"#!/" + std::string(253, 'a') + "\n", ENOEXEC, "longer than the kernel's 255 bytes"},
      {"", ENOEXEC, "it is empty"},
      {"echo\n", ENOEXEC, "it is text"},
  };
  for (const Case& c : cases) {
    root_.write("bin/x", c.content, 0755);
    const int code = errno_of_execve(root_, "/bin/x");
    if (code == -1) GTEST_SKIP() << "no chroot: not root";
    EXPECT_EQ(code, c.code) << c.hint;
    EXPECT_NE(message("/bin/x", code).find(c.hint), std::string::npos) << message("/bin/x", code);
  }
  // One byte less, and the line fits: the interpreter is looked for.
  root_.write("bin/x", "#!/" + std::string(252, 'a') + "\n", 0755);
  EXPECT_EQ(errno_of_execve(root_, "/bin/x"), ENOENT);
  EXPECT_NE(message("/bin/x", ENOENT).find("does not exist in the rootfs"), std::string::npos);
}

TEST(Printable, IsBounded) {
  EXPECT_EQ(printable(std::string(200, 'a')), std::string(200, 'a'));
  EXPECT_EQ(printable(std::string(201, 'a')), std::string(200, 'a') + "...");
}

}  // namespace
}  // namespace minirun
