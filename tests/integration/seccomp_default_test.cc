// SPDX-License-Identifier: Apache-2.0
// The profile of `minirun spec --seccomp default`, on this kernel.
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class SeccompDefault : public MinirunTest {
 protected:
  // What spec writes into the bundle with these options, for a workload without a terminal.
  void write_spec(Bundle& bundle, Words options, const Words& command) const {
    (void)unlink((bundle.path() + "/config.json").c_str());
    options.insert(options.begin(), {"spec", "--bundle", bundle.path(), "--no-terminal", "--seccomp", "default"});
    options.emplace_back("--");
    options.insert(options.end(), command.begin(), command.end());
    Outcome outcome = call(options);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    bundle.config = json::parse(content(bundle.path() + "/config.json"));
    bundle.config["process"].erase("rlimits");  // raising one takes a capability
  }
  // The errno that the call gets.
  int errno_of(Bundle& bundle, long number, const Words& args = {}) const {
    Words words = {"syscall", std::to_string(number)};
    words.insert(words.end(), args.begin(), args.end());
    bundle.payload(words);
    Outcome outcome = run(bundle);
    int result = 0, code = -1;
    if (sscanf(outcome.out.c_str(), "%d %d", &result, &code) != 2) ADD_FAILURE() << number << describe(outcome);
    return code;
  }
};

struct Dangerous {
  const char* name;
  long number;
  bool opened_by_admin;  // by CAP_SYS_ADMIN
};

// Arguments of 0 do no harm where a call passes; the kernel then says something else than EPERM, or succeeds.
constexpr Dangerous kDangerous[] = {{"mount", SYS_mount, true},
                                    {"umount2", SYS_umount2, true},
                                    {"fsopen", SYS_fsopen, true},
                                    {"move_mount", SYS_move_mount, true},
                                    {"open_tree", SYS_open_tree, true},
                                    {"mount_setattr", SYS_mount_setattr, true},
                                    {"setns", SYS_setns, true},
                                    {"unshare", SYS_unshare, true},
                                    {"bpf", SYS_bpf, true},
                                    {"keyctl", SYS_keyctl, false},
                                    {"add_key", SYS_add_key, false},
                                    {"request_key", SYS_request_key, false},
                                    {"io_uring_setup", SYS_io_uring_setup, false},
                                    {"io_uring_enter", SYS_io_uring_enter, false},
                                    {"io_uring_register", SYS_io_uring_register, false},
                                    {"userfaultfd", SYS_userfaultfd, false},
                                    {"kexec_load", SYS_kexec_load, false},
                                    {"move_pages", SYS_move_pages, false},
                                    {"swapon", SYS_swapon, false},
                                    {"open_by_handle_at", SYS_open_by_handle_at, false},
                                    {"init_module", SYS_init_module, false}};

TEST_F(SeccompDefault, DangerousCallsAreRefused) {
  Bundle bundle;
  write_spec(bundle, {}, {"/bin/payload", "true"});
  EXPECT_EQ(errno_of(bundle, SYS_getppid), 0);
  for (const Dangerous& call : kDangerous) EXPECT_EQ(errno_of(bundle, call.number), EPERM) << call.name;
  EXPECT_EQ(errno_of(bundle, SYS_clone3), ENOSYS);
  EXPECT_EQ(errno_of(bundle, SYS_clone, {std::to_string(CLONE_NEWUSER | SIGCHLD)}), EPERM);
  EXPECT_EQ(errno_of(bundle, SYS_socket, {std::to_string(AF_VSOCK), "1"}), EPERM);
  EXPECT_EQ(errno_of(bundle, SYS_socket, {"0x100000028", "1"}), EPERM) << "AF_VSOCK in the lower half";
  EXPECT_EQ(errno_of(bundle, SYS_socket, {std::to_string(AF_INET), "1"}), 0);
  EXPECT_EQ(errno_of(bundle, SYS_personality, {"0x40000"}), EPERM);
  EXPECT_EQ(errno_of(bundle, SYS_personality, {"-1"}), 0);
  EXPECT_EQ(errno_of(bundle, 5000), ENOSYS);
}

TEST_F(SeccompDefault, SysAdminOpensItsCallsAndNoMore) {
  Bundle bundle;
  write_spec(bundle, {"--cap-add", "SYS_ADMIN"}, {"/bin/payload", "true"});
  for (const Dangerous& call : kDangerous) {
    int code = errno_of(bundle, call.number);
    if (call.opened_by_admin)
      EXPECT_NE(code, EPERM) << call.name;
    else
      EXPECT_EQ(code, EPERM) << call.name;
  }
  EXPECT_NE(errno_of(bundle, SYS_clone3), ENOSYS);
}

// The host's own programs, with its folders bound into an empty root.
TEST_F(SeccompDefault, ProgramsOfTheHostRun) {
  const std::pair<const char*, Words> programs[] = {
      {"/bin/sh",
       {"/bin/sh", "-c", "echo a | cat >/tmp/x && ls -l /tmp && test $(cat /tmp/x) = a && (sleep 0 & wait)"}},
      {"/usr/bin/perl",
       {"/usr/bin/perl", "-e",
        "use Socket; socket(S,PF_INET,SOCK_STREAM,0) or die; "
        "pipe(R,W); exit 1 unless defined(my $p=fork); exit 0 unless $p; "
        "waitpid $p,0; exit $?"}},
      {"/usr/bin/python3",
       {"/usr/bin/python3", "-c",
        "import subprocess,threading,socket,tempfile,os; t=threading.Thread(target=print); "
        "t.start(); t.join(); socket.socketpair(); tempfile.TemporaryFile(dir='/tmp'); "
        "assert subprocess.run(['true']).returncode==0; os.getrandom(8)"}},
      {"/usr/bin/node",
       {"/usr/bin/node", "-e",
        "const fs=require('fs');fs.readFile('/proc/self/stat',e=>{if(e)throw e;"
        "require('net').createServer().listen(0,function(){this.close()})})"}},
      {"/bin/busybox", {"/bin/busybox", "sh", "-c", "busybox ps; busybox df /tmp; busybox nslookup x; busybox true"}},
      {"/usr/bin/gcc", {"/bin/sh", "-c", "echo 'int main(void){return 0;}' | gcc -x c -o /tmp/a - && /tmp/a"}},
      {"/usr/bin/git", {"/bin/sh", "-c", "cd /tmp && git init -q r && cd r && git -c gc.auto=0 status >/dev/null"}}};
  int ran = 0;
  for (const auto& [program, command] : programs) {
    if (access(program, X_OK) != 0) continue;
    Bundle bundle;
    Words options = {"--tmpfs", "/tmp:exec", "--env", "HOME=/tmp", "--read-write"};
    for (const char* folder : {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"})
      if (access(folder, F_OK) == 0)
        options.insert(options.end(), {"--bind", std::string(folder) + ":" + folder + ":ro"});
    write_spec(bundle, options, command);
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 0) << program << describe(outcome);
    ++ran;
  }
  EXPECT_GT(ran, 0);
}

}  // namespace
}  // namespace minirun::testing
