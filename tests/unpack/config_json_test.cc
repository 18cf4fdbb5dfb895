// SPDX-License-Identifier: Apache-2.0
// config.json from an image's config: what minirun itself makes of it.
#include "unpack/config_json.h"

#include <gtest/gtest.h>

#include "runtime/oci/annotations.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/default_spec.h"
#include "runtime/text/json.h"

namespace minirun::unpack {
namespace {

ImageConfig image_with(const std::string& config) {
  return *parse_image_config(
      "c", R"({"os":"linux","architecture":"arm64","variant":"v8","author":"A","created":"2026-01-01T00:00:00Z",)"
           R"("rootfs":{"type":"layers","diff_ids":[]},"config":)" +
               config + "}");
}

struct Made {
  std::unique_ptr<JsonDocument> document;
  std::vector<std::string> notes;

  // As it is written, "" where it is missing.
  std::string at(const std::string& pointer) const {
    JsonValue value = document->nearest(pointer);
    if (value.pointer() != pointer) return "";
    std::string all;
    if (value.type() == JsonType::array || value.type() == JsonType::object) {
      for (auto child = value.first(); child; child = child->next())
        all += (all.empty() ? "" : " ") + std::string(child->text().empty() ? child->describe() : child->text());
      return all;
    }
    return value.describe();
  }
};

Made make(const std::string& config, const UserIds& user = {}, const BundleOwner& owner = {}) {
  Notes notes;
  auto text = make_config_json(image_with(config), user, owner, &notes);
  EXPECT_TRUE(text.ok());
  return {JsonDocument::parse(*text).value(), notes.lines()};
}

TEST(ConfigJson, HasTheImagesProcess) {
  Made made = make(R"({"Entrypoint":["/bin/app","-v"],"Cmd":["run"],"Env":["PATH=/x","A=1"],"WorkingDir":"/srv"})",
                   {33, 34, {40}});
  EXPECT_EQ(made.at("/process/args"), "/bin/app -v run");
  EXPECT_EQ(made.at("/process/env"), "PATH=/x A=1 TERM=xterm");
  EXPECT_EQ(made.at("/process/cwd"), "\"/srv\"");
  EXPECT_EQ(made.at("/process/user/uid"), "33");
  EXPECT_EQ(made.at("/process/user/gid"), "34");
  EXPECT_EQ(made.at("/process/user/additionalGids"), "40");
  EXPECT_EQ(made.at("/root/readonly"), "false");
  EXPECT_EQ(made.at("/process/terminal"), "false");
  EXPECT_TRUE(made.notes.empty());
}

TEST(ConfigJson, HasWhatMinirunSpecWritesWhereTheImageSaysNothing) {
  Made made = make("{}");
  EXPECT_EQ(made.at("/process/args"), "sh");
  EXPECT_EQ(made.at("/process/env"), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=xterm");
  EXPECT_EQ(made.at("/process/cwd"), "\"/\"");
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_EQ(made.notes[0], "the image names no program: config.json has sh (/process/args)");
  auto base = JsonDocument::parse(default_spec(std::nullopt)).value();
  for (const char* same :
       {"/mounts", "/linux", "/process/capabilities", "/process/rlimits", "/hostname", "/ociVersion"})
    EXPECT_EQ(made.document->nearest(same).size(), base->nearest(same).size()) << same;
}

TEST(ConfigJson, MinirunTakesIt) {
  for (const BundleOwner& owner :
       {BundleOwner{}, BundleOwner{{{0, 1000, 1}, {1, 100000, 65536}}, {{0, 1001, 1}, {1, 200000, 65536}}}}) {
    Notes notes;
    auto text =
        make_config_json(image_with(R"({"Labels":{"a":"b"},"StopSignal":"SIGQUIT"})"), {5, 6, {7}}, owner, &notes);
    auto bundle = parse_config(*text);
    EXPECT_TRUE(bundle.ok()) << (bundle.ok() ? "" : bundle.error().text());
  }
}

TEST(ConfigJson, AnUnprivilegedOwnerHasMaps) {
  BundleOwner owner{{{0, 1000, 1}, {1, 100000, 65536}}, {{0, 1001, 1}, {1, 200000, 65536}}};
  Made made = make("{}", {5, 6, {7}}, owner);
  EXPECT_EQ(made.at("/linux/uidMappings/1/hostID"), "100000");
  EXPECT_EQ(made.at("/linux/gidMappings/0/hostID"), "1001");
  EXPECT_EQ(made.at("/process/user/uid"), "5");
  EXPECT_EQ(made.at("/process/user/additionalGids"), "7");
  Made alone = make(R"({"Cmd":["x"]})", {5, 6, {7}}, {{{0, 1000, 1}}, {{0, 1001, 1}}});
  EXPECT_EQ(alone.at("/process/user/uid"), "0") << "no other user is mapped";
  EXPECT_EQ(alone.at("/process/user/additionalGids"), "");
  ASSERT_EQ(alone.notes.size(), 1u);
  EXPECT_EQ(alone.notes[0].substr(0, 37), "the image's user is 5:6, which is not");
}

TEST(ConfigJson, AnnotationsAreThoseOfTheImageSpec) {
  Notes notes;
  auto found = image_annotations(
      image_with(
          R"({"Labels":{"a":"b","org.opencontainers.image.author":"L"},"StopSignal":"SIGQUIT","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":{"/data":{}}})"),
      &notes);
  std::string all;
  for (const auto& [key, value] : found) all += key.substr(key.rfind('.') + 1) + "=" + value + " ";
  EXPECT_EQ(all,
            "os=linux architecture=arm64 variant=v8 created=2026-01-01T00:00:00Z stopSignal=SIGQUIT "
            "exposedPorts=80/tcp,53/udp volumes=/data a=b author=L ");
  EXPECT_TRUE(notes.lines().empty());
}

// CVE class: an image that commands the runtime.
TEST(ConfigJson, ALabelCommandsNothing) {
  for (std::string_view row : unsafe_annotations()) {
    Notes notes;
    std::string key = std::string(row) + (row.ends_with('.') ? "x" : "");
    auto found = image_annotations(image_with(R"({"Labels":{")" + key + R"(":"/bin/evil"}})"), &notes);
    for (const auto& [name, value] : found) EXPECT_NE(name, key);
    ASSERT_EQ(notes.lines().size(), 1u) << key;
    EXPECT_NE(notes.lines()[0].find(key), std::string::npos);
  }
}

}  // namespace
}  // namespace minirun::unpack
