// SPDX-License-Identifier: Apache-2.0
// Id mappings as text, their problems, and the user namespaces that are made for them.
#include "namespaces/id_map.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "sys/file.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

TEST(IdMap, IsOneLineForEachRange) {
  EXPECT_EQ(id_map_text({}), "");
  EXPECT_EQ(id_map_text({{0, 100000, 65536}, {70000, 1, 4294967294u - 70000}}), "0 100000 65536\n70000 1 4294897294\n");
}

TEST(IdMap, WhatTheKernelWouldRefuseIsTold) {
  struct Case {
    IdMaps maps;
    const char* problem;
  };
  const Case kCases[] = {
      {{{0, 0, 0}}, "range 0 is empty"},
      {{{0, 0, 1}, {4294967295u, 1, 1}}, "range 1 goes beyond the highest id, 4294967294"},
      {{{0, 4294967290u, 6}}, "range 0 goes beyond the highest id, 4294967294"},
      {{{0, 0, 10}, {9, 100, 1}}, "ranges 0 and 1 overlap in the container"},
      {{{0, 100, 10}, {50, 7, 1}, {20, 91, 10}}, "ranges 0 and 2 overlap on the host"},
      {IdMaps(341, IdMap{0, 0, 1}), "more than 340 ranges: 341"},
  };
  IdMaps scattered;  // 170 lines of 24 bytes
  for (uint32_t i = 0; i < 171; i++) scattered.push_back({1000000000 + 2 * i, 2000000000 + 2 * i, 1});
  EXPECT_EQ(id_map_problem(scattered).value_or("none"),
            "171 ranges take 4104 bytes in the kernel's form, which has room for 4095: join ranges that adjoin");
  scattered.pop_back();
  EXPECT_FALSE(id_map_problem(scattered)) << id_map_text(scattered).size();
  for (const Case& c : kCases) EXPECT_EQ(id_map_problem(c.maps).value_or("none"), c.problem);
  EXPECT_FALSE(id_map_problem({}));
  EXPECT_FALSE(id_map_problem({{0, 1, 4294967294u}}));
  EXPECT_FALSE(id_map_problem({{0, 10, 10}, {10, 0, 10}, {20, 20, 1}}));
}

TEST(IdMap, OnlyTheOwnIdCanBeMappedWithoutHelp) {
  EXPECT_TRUE(maps_only({{0, 1000, 1}}, 1000));
  EXPECT_FALSE(maps_only({{0, 1000, 2}}, 1000));
  EXPECT_FALSE(maps_only({{0, 1001, 1}}, 1000));
  EXPECT_FALSE(maps_only({{0, 1000, 1}, {1, 5, 1}}, 1000));
}

// What a process inside reads: the namespace is entered by a child, which prints its maps.
std::string maps_inside(int user_namespace) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return "pipe2";
  pid_t pid = fork();
  if (pid == 0) {
    if (setns(user_namespace, CLONE_NEWUSER) < 0) _exit(1);
    for (const char* file : {"/proc/self/uid_map", "/proc/self/gid_map"}) {
      char text[256];
      int fd = open(file, O_RDONLY);
      ssize_t n = read(fd, text, sizeof text);
      if (n < 0 || write(ends[1], text, static_cast<size_t>(n)) != n) _exit(1);
    }
    _exit(0);
  }
  close(ends[1]);
  auto text = read_all(ends[0], 4096, "maps");
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  std::string squeezed;
  for (char c : text.ok() ? *text : text.error().text())
    if (c != ' ' || (!squeezed.empty() && squeezed.back() != ' ' && squeezed.back() != '\n')) squeezed += c;
  return squeezed;
}

TEST(UserNamespace, HasTheMappingsAndLeavesNoProcess) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: maps other ids";
  auto made = make_user_namespace({{0, 1000, 10}, {10, 5000, 1}}, {{0, 2000, 7}});
  if (!made.ok()) GTEST_SKIP() << "no user namespaces: " << made.error().text();
  EXPECT_EQ(maps_inside(made->get()), "0 1000 10\n10 5000 1\n0 2000 7\n");
  EXPECT_EQ(waitpid(-1, nullptr, __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(UserNamespace, RefusedMappingIsTold) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: maps other ids";
  auto made = make_user_namespace({{0, 0, 10}, {5, 100, 1}}, {{0, 0, 1}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().text(), "map ids (uid_map = 0 0 10,5 100 1): invalid argument");
  EXPECT_EQ(waitpid(-1, nullptr, __WALL), -1);
  EXPECT_EQ(make_user_namespace({{0, 0, 1}}, {}).error().code, EINVAL);
}

// In a child without privileges, with a PATH of its own; returns the error's text, or "fine".
std::string as_ordinary_user(const std::string& path, const IdMaps& uids, const IdMaps& gids) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return "pipe2";
  pid_t pid = fork();
  if (pid == 0) {
    setenv("PATH", path.c_str(), 1);
    if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0) _exit(1);
    prctl(PR_SET_DUMPABLE, 1);  // as a program that was started by that user
    auto made = make_user_namespace(uids, gids);
    std::string text = made.ok() ? "fine" : made.error().text();
    _exit(write(ends[1], text.data(), text.size()) < 0);
  }
  close(ends[1]);
  auto text = read_all(ends[0], 4096, "answer");
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return text.ok() ? *text : text.error().text();
}

TEST(UserNamespace, OfAnOrdinaryUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: becomes another user";
  TemporaryDirectory directory;
  std::string path = directory.path();
  ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  std::string own = as_ordinary_user(path, {{0, 1000, 1}}, {{0, 1000, 1}});
  if (own.starts_with("make a user namespace")) GTEST_SKIP() << "not for an ordinary user: " << own;
  EXPECT_EQ(own, "fine");
  EXPECT_EQ(as_ordinary_user(path, {{0, 1000, 1}, {1, 100000, 65536}}, {{0, 1000, 1}}),
            "newuidmap is not in PATH: without it ordinary users can map only their own id (Debian: package uidmap)");
  const char* shell = access("/bin/sh", X_OK) == 0 ? "/bin/sh" : "/bin/busybox sh";  // guests have no more
  std::ofstream(path + "/newgidmap") << "#!" << shell << "\n[ $# = 7 ] && echo \"no $2-$3-$4 $5-$6-$7\" >&2\nexit 1\n";
  ASSERT_EQ(chmod((path + "/newgidmap").c_str(), 0755), 0);
  EXPECT_EQ(as_ordinary_user(path, {{0, 1000, 1}}, {{0, 1000, 1}, {1, 100000, 65536}}),
            path + "/newgidmap: no 0-1000-1 1-100000-65536");
}

}  // namespace
}  // namespace minirun
