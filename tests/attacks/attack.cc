// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/attack.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "sys/file.h"

namespace minirun::testing {
namespace {

std::vector<std::string>* g_seen = nullptr;  // nftw(3) has no argument for it

int see(const char* path, const struct stat* info, int, struct FTW*) {
  std::string line = std::string(path) + " " + std::to_string(info->st_ino) + " " + std::to_string(info->st_mode) +
                     " " + std::to_string(info->st_uid) + ":" + std::to_string(info->st_gid) + " " +
                     std::to_string(info->st_size);
  if (S_ISREG(info->st_mode)) line += " " + content(path);
  g_seen->push_back(std::move(line));
  return 0;
}

// What must stay as it is: names, inodes, modes, owners and content; and values of the kernel.
std::vector<std::string> canaries(const std::string& host) {
  std::vector<std::string> seen;
  g_seen = &seen;
  (void)nftw(host.c_str(), see, 16, FTW_PHYS);
  std::sort(seen.begin(), seen.end());
  for (const char* file : {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
                           "/proc/sys/vm/swappiness", "/proc/sys/net/ipv4/ip_forward"})
    seen.push_back(file + (" " + content(file)));
  return seen;
}

}  // namespace

Racer::Racer(const std::string& a, const std::string& b) {
  pid_ = fork();
  if (pid_ != 0) return;
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  constexpr unsigned kExchange = 2;  // RENAME_EXCHANGE
  for (;;) {
    if (renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), kExchange) != 0) _exit(1);
  }
}

Racer::~Racer() {
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, WNOHANG), 0) << "the racer could not exchange anything any more";
  (void)kill(pid_, SIGKILL);
  (void)waitpid(pid_, &status, 0);
}

void Attack::SetUp() {
  MinirunTest::SetUp();
  make_folders(std::string(kHost) + "/folder/deeper");
  for (const char* name : {"precious", "null", "ptmx", "console", "file"})
    write_new_file(std::string(kHost) + "/" + name, "precious", 0644);
  canaries_ = canaries(kHost);
}

void Attack::TearDown() {
  EXPECT_EQ(canaries(kHost), canaries_) << "the host was changed";
  remove_tree(kHost);
  MinirunTest::TearDown();
}

bool Attack::run_or_refuse(const Bundle& bundle, const std::vector<std::string>& flags) {
  Outcome outcome = run(bundle, flags);
  EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << describe(outcome);
  expect_nothing_of_the_host(outcome);
  if (outcome.code == 1) {
    EXPECT_NE(outcome.err, "");
  }
  return outcome.code == 0;
}

void Attack::expect_nothing_of_the_host(const Outcome& outcome) {
  EXPECT_EQ(outcome.out.find("precious"), std::string::npos) << describe(outcome);
}

Outcome Attack::exec(const std::vector<std::string>& flags, const std::vector<std::string>& command,
                     const StartOptions& options) const {
  std::vector<std::string> args = {"exec"};
  args.insert(args.end(), flags.begin(), flags.end());
  args.push_back(id());
  args.insert(args.end(), command.begin(), command.end());
  return call(args, options);
}

void Attack::start(Bundle& bundle, const std::vector<std::string>& payload, const std::vector<std::string>& flags) {
  bundle.payload(payload);
  std::vector<std::string> all = {"--pid-file", kPidFile};
  all.insert(all.end(), flags.begin(), flags.end());
  Outcome outcome = detach(bundle, all);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
}

void Attack::start_saying(const Bundle& bundle, const std::vector<std::string>& flags) {
  UniqueFd file(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  StartOptions options;
  options.stdout_fd = file.get();
  std::vector<std::string> all = {"--detach", "--pid-file", kPidFile};
  all.insert(all.end(), flags.begin(), flags.end());
  Outcome outcome = run(bundle, all, options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  ASSERT_TRUE(eventually([] { return content(kSaid).find("ready") != std::string::npos; })) << content(kSaid);
}

std::string Attack::end_and_hear(const std::string& awaited) {
  EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0);
  EXPECT_TRUE(eventually([&] { return content(kSaid).find(awaited) != std::string::npos; })) << content(kSaid);
  std::string said = content(kSaid);
  end();
  EXPECT_EQ(unlink(kSaid), 0);
  return said;
}

}  // namespace minirun::testing
