// SPDX-License-Identifier: Apache-2.0
// What `start` makes of the answer of an init that may be another release's.
#include "runtime/container/start_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "runtime/text/version.h"
#include "sys/file.h"
#include "sys/socket_message.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

class StartSocketAnswer : public ::testing::Test {
 protected:
  // Connects to an init that says this format, and sends the file tests/unit/data/formats/NAME.
  Result<StartConnection> connect(int32_t format, const std::string& name) {
    TemporaryDirectory state;
    auto made = make_start_socket(state.fd());
    EXPECT_TRUE(made.ok());
    std::thread init([&] {
      UniqueFd connection(accept4(made->listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      answer(connection.get(), format, name);
    });
    auto connected = connect_for_start(state.fd(), "9.8.7");
    init.join();
    remove_start_socket(state.fd());
    return connected;
  }

 private:
  static void answer(int connection, int32_t format, const std::string& name) {
    auto image = read_file(AT_FDCWD, MINIRUN_SOURCE_DIR "/tests/unit/data/formats/" + name);
    EXPECT_TRUE(image.ok()) << name;
    UniqueFd plan(memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(write(plan.get(), image->data(), image->size()), static_cast<ssize_t>(image->size()));
    EXPECT_EQ(fcntl(plan.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    Envelope envelope{Message::plan, format};
    int fd = plan.get();
    EXPECT_TRUE(send_message(connection, {reinterpret_cast<const char*>(&envelope), sizeof envelope}, {&fd, 1}).ok());
  }
};

TEST_F(StartSocketAnswer, OfAnOlderAndOfThisFormatIsTaken) {
  auto older = connect(0, "plan.2");
  ASSERT_TRUE(older.ok()) << older.error().text();
  EXPECT_EQ(older->memory.step_count(), 55U);
  auto numbered = connect(4, "plan.4");
  ASSERT_TRUE(numbered.ok()) << numbered.error().text();
  EXPECT_EQ(numbered->memory.step_count(), 56U);
  auto own = connect(static_cast<int32_t>(kPlanFormat), "plan.5");
  ASSERT_TRUE(own.ok()) << own.error().text();
  EXPECT_EQ(own->memory.step_count(), 59U);
}

TEST_F(StartSocketAnswer, OfANewerFormatIsRefusedWithBothVersions) {
  for (int32_t format : {6, 7, 0x7fffffff}) {
    auto connected = connect(format, "plan.5");
    ASSERT_FALSE(connected.ok());
    EXPECT_EQ(connected.error().text(), "the container was created by minirun 9.8.7 and waits in format " +
                                            std::to_string(format) + "; this is minirun " + minirun_version() +
                                            ", which knows formats up to 5");
  }
}

TEST_F(StartSocketAnswer, ThatMakesNoSenseIsRefused) {
  for (int32_t format : {1, 3, 5, -1}) EXPECT_EQ(connect(format, "plan.4").error().code, EPROTO) << format;
  EXPECT_EQ(connect(4, "plan.2").error().code, EPROTO);
  EXPECT_EQ(connect(0, "plan.4").error().code, EPROTO);
  EXPECT_EQ(connect(4, "record.2").error().code, EPROTO);
}

}  // namespace
}  // namespace minirun
