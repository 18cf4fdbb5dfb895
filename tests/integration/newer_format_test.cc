// SPDX-License-Identifier: Apache-2.0
// Containers of a newer minirun: every command refuses them with both versions, and delete --force takes them away.
#include <fcntl.h>
#include <unistd.h>

#include <functional>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class NewerFormat : public MinirunTest {
 protected:
  std::string record() const { return std::string(kState) + "/" + id() + "/state.json"; }
  // As a minirun of the next format might have written it.
  void rewrite(const std::function<void(json&)>& change) const {
    json text = json::parse(content(record()));
    text.erase("checksum");
    text["format"] = text["format"].get<int>() + 1;
    text["minirun"] = "9.8.7";
    change(text);
    ASSERT_EQ(unlink(record().c_str()), 0);
    write_new_file(record(), text.dump(), 0600);
  }
  void expect_refused_by_all() const {
    write_new_file("/run/tests/criu", "", 0755);  // looked for first, and never run
    StartOptions options;
    options.env = {"PATH=/run/tests"};
    for (const std::vector<std::string>& command : {std::vector<std::string>{"state"},
                                                    {"start"},
                                                    {"kill"},
                                                    {"stop"},
                                                    {"wait"},
                                                    {"pause"},
                                                    {"resume"},
                                                    {"ps"},
                                                    {"update", "--pids-limit", "7"},
                                                    {"events", "--stats"},
                                                    {"checkpoint"},
                                                    {"delete"}}) {
      std::vector<std::string> args = command;
      args.push_back(id());
      expect_refused(call(args, options),
                     {command[0] + " " + id(), "made by minirun 9.8.7, whose records have format 3",
                      ", which knows formats up to 2"});
    }
    Outcome outcome = call({"exec", id(), "/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 255) << describe(outcome);
    EXPECT_NE(outcome.err.find("made by minirun 9.8.7"), std::string::npos) << outcome.err;
    EXPECT_EQ(unlink("/run/tests/criu"), 0);
  }
  void expect_force_deletes() const {
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(call({"list", "-q"}).out, "");
  }
  Bundle bundle_;
};

TEST_F(NewerFormat, IsRefusedByEveryCommandAndDeletedByForce) {
  bundle_.payload({"pause"});
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    ASSERT_EQ(detach(bundle_, flags).code, 0);
    rewrite([](json& text) { text["more"] = {1, 2, 3}; });
    expect_refused_by_all();
    EXPECT_NE(call({"list"}).out.find("newer"), std::string::npos);
    expect_force_deletes();
  }
}

TEST_F(NewerFormat, WhoseMembersAreOthersIsDeletedByTheMarkOnItsCgroup) {
  bundle_.payload({"pause"});
  ASSERT_EQ(detach(bundle_).code, 0);
  rewrite([](json& text) { text["init"] = "whatever"; });
  expect_refused_by_all();
  expect_force_deletes();
}

TEST_F(NewerFormat, KeepsItsCgroup) {
  bundle_.payload({"pause"});
  bundle_.config["linux"]["cgroupsPath"] = "/theirs";
  ASSERT_EQ(detach(bundle_).code, 0);
  rewrite([](json&) {});
  bundle_.write();
  expect_refused(call({"run", "--detach", "--bundle", bundle_.path(), "other"}), {"/theirs"});
  expect_force_deletes();
}

}  // namespace
}  // namespace minirun::testing
