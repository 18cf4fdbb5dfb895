// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <chrono>

#include "cgroups/systemd/client.h"
#include "tests/support/temporary_directory.h"

namespace minirun::systemd {
namespace {

using namespace std::chrono_literals;

Request full_request() {
  Request request;
  request.call = Call::start;
  request.user = true;
  request.unit = "a.scope";
  request.mark = "mark";
  request.pid = 7;
  request.properties = {number("A", kInfinity),
                        texts("B", {"x", ""}),
                        rates("C", {{"/dev/a", 1}}),
                        numbers32("D", {1, 2}),
                        bytes("E", std::string("\0\1", 2)),
                        boolean("F", true),
                        text("G", "g")};
  return request;
}

TEST(SystemdProtocol, HandsARequestOnAsItIs) {
  Request sent = full_request();
  auto got = decode_request(encode(sent));
  ASSERT_TRUE(got.ok()) << got.error().text();
  EXPECT_EQ(got->call, sent.call);
  EXPECT_EQ(got->user, sent.user);
  EXPECT_EQ(got->unit, sent.unit);
  EXPECT_EQ(got->mark, sent.mark);
  EXPECT_EQ(got->pid, sent.pid);
  EXPECT_EQ(got->properties, sent.properties);
}

TEST(SystemdProtocol, HandsAReplyOnAsItIs) {
  Reply sent;
  sent.error = "no";
  sent.code = 17;
  sent.version = 252;
  sent.cgroup = "/a";
  sent.load_state = "loaded";
  sent.description = "d";
  sent.pid = 9;
  auto got = decode_reply(encode(sent));
  ASSERT_TRUE(got.ok()) << got.error().text();
  EXPECT_EQ(got->error, "no");
  EXPECT_EQ(got->code, 17U);
  EXPECT_EQ(got->version, 252U);
  EXPECT_EQ(got->cgroup, "/a");
  EXPECT_EQ(got->load_state, "loaded");
  EXPECT_EQ(got->description, "d");
  EXPECT_EQ(got->pid, 9U);
}

TEST(SystemdProtocol, RefusesEveryShorterAndLongerMessage) {
  std::string request = encode(full_request()), reply = encode(Reply());
  for (size_t size = 0; size < request.size(); size++)
    EXPECT_FALSE(decode_request(request.substr(0, size)).ok()) << size;
  for (size_t size = 0; size < reply.size(); size++) EXPECT_FALSE(decode_reply(reply.substr(0, size)).ok()) << size;
  EXPECT_FALSE(decode_request(request + "x").ok());
  EXPECT_FALSE(decode_reply(reply + "x").ok());
}

TEST(SystemdProtocol, RefusesAnotherFormatWithBothNumbers) {
  std::string request = encode(full_request()), reply = encode(Reply());
  size_t format_at = std::endian::native == std::endian::little ? 0 : 3;
  EXPECT_EQ(request[format_at], kProtocolFormat);
  EXPECT_EQ(reply[format_at], kProtocolFormat);
  for (uint32_t other : {kProtocolFormat - 1, kProtocolFormat + 1, 255U}) {
    request[format_at] = reply[format_at] = static_cast<char>(other);
    std::string words = "minirun and minirun-systemd are of different releases: got a packet of format " +
                        std::to_string(other) + ", expected 1";
    EXPECT_EQ(decode_request(request).error().message, words);
    EXPECT_EQ(decode_reply(reply).error().message, words);
  }
  request[1] = reply[2] = 'x';
  EXPECT_EQ(decode_request(request).error().message, "no packet of minirun or minirun-systemd");
  EXPECT_EQ(decode_reply(reply).error().message, "no packet of minirun or minirun-systemd");
}

TEST(SystemdProtocol, RefusesAValueThatIsNotOfItsType) {
  for (Property wrong :
       {Property{"A", "t", "short"}, Property{"A", "s", std::string("\xff\xff\xff\xff", 4)}, Property{"A", "aas", ""},
        Property{"A", "(s", ""}, Property{"A", "", ""}, Property{"A", "b", std::string(5, '\0')},
        Property{"A", "a", ""}, Property{"A", "()", ""}, Property{"A", "h", std::string(4, '\0')}}) {
    Request request;
    request.properties = {wrong};
    EXPECT_FALSE(decode_request(encode(request)).ok()) << wrong.signature;
  }
}

// A helper that is a shell script: its stdin is the socket.
class SystemdClient : public ::testing::Test {
 protected:
  Result<Client> start(const std::string& script, const TimeLimits& limits = {10000ms, 20000ms}) {
    std::string path = directory_.path() + "/helper";
    UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
    std::string text = "#!/bin/sh\n" + script + "\n";
    EXPECT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    file.reset();
    return Client::start(path, {"PATH=/usr/bin:/bin"}, limits);
  }

  TemporaryDirectory directory_;
};

TEST_F(SystemdClient, ThatCannotBeExecutedIsToldAtOnce) {
  auto client = Client::start("/nonexistent/minirun-systemd", {});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().text(), "execute /nonexistent/minirun-systemd: no such file or directory");
}

TEST_F(SystemdClient, WaitsForAnAnswerOnlySoLong) {
  auto client = start("exec sleep 100", {100ms, 10000ms});
  ASSERT_TRUE(client.ok()) << client.error().text();
  auto before = std::chrono::steady_clock::now();
  auto reply = client->ask(Request());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ETIMEDOUT);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST_F(SystemdClient, WaitsForAllAnswersTogetherOnlySoLong) {
  auto client = start("exec sleep 100", {10000ms, 100ms});
  ASSERT_TRUE(client.ok()) << client.error().text();
  auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(client->ask(Request()).error().code, ETIMEDOUT);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST_F(SystemdClient, TellsWhatTheHelperWroteLast) {
  auto client = start("echo cannot load libsystemd.so.0 >&2; exit 127");
  ASSERT_TRUE(client.ok()) << client.error().text();
  auto reply = client->ask(Request());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().text(), "minirun-systemd has ended: cannot load libsystemd.so.0");
}

TEST_F(SystemdClient, RefusesAnAnswerThatIsNone) {
  auto client = start("printf nonsense >&0; sleep 100");
  ASSERT_TRUE(client.ok()) << client.error().text();
  auto reply = client->ask(Request());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().message, "no packet of minirun or minirun-systemd");
}

TEST_F(SystemdClient, RefusesToAskForMoreThanFits) {
  auto client = start("sleep 100");
  ASSERT_TRUE(client.ok()) << client.error().text();
  Request request;
  request.unit = std::string(kMostMessageBytes, 'x');
  EXPECT_EQ(client->ask(request).error().code, EMSGSIZE);
}

}  // namespace
}  // namespace minirun::systemd
