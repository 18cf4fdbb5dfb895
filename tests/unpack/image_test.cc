// SPDX-License-Identifier: Apache-2.0
// From a source to an image: indexes, manifests, names, platforms, bounds.
#include "unpack/image.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"
#include "tests/unpack/image_maker.h"

namespace minirun::unpack {
namespace {

using testing::config_of;
using testing::TarMaker;
using testing::write_index;
using testing::write_layout;

class ImageTest : public ::testing::Test {
 protected:
  // The image's architecture and how many layers it has, or the error.
  std::string found(const Choice& choice = {}, const Limits& limits = {}) {
    auto source = open_source(work_.path());
    if (!source.ok()) return source.error().text();
    auto image = find_image(**source, choice, limits);
    if (!image.ok())
      return image.error().text().substr(image.error().text().find(work_.path()) == 0 ? work_.path().size() : 0);
    return fmt::format("{} {}", image->config.platform.architecture, image->layers.size());
  }
  std::string descriptor(const std::string& architecture, const std::string& platform, const std::string& name) {
    std::string text = "{" + write_layout(work_.path(), {{layer_}}, "{}", architecture);
    if (!platform.empty()) text += R"(,"platform":{"os":"linux","architecture":")" + platform + "\"}";
    if (!name.empty()) text += R"(,"annotations":{"org.opencontainers.image.ref.name":")" + name + "\"}";
    return text + "}";
  }
  static Choice named(const std::string& name) { return {name, std::nullopt}; }
  static Choice on(const std::string& platform) { return {"", *parse_platform(platform)}; }

  TemporaryDirectory work_;
  std::string layer_ = TarMaker().file("a").done();
};

TEST_F(ImageTest, TheOnlyOneIsFound) {
  write_layout(work_.path(), {{layer_}, {layer_, "gzip"}});
  EXPECT_EQ(found(on("linux/amd64")), "amd64 2");
  EXPECT_EQ(found(on("linux/arm64")),
            ": the image is for linux/amd64, not for linux/arm64 (--platform linux/amd64 unpacks it)");
}

TEST_F(ImageTest, AnIndexHasOneForEachPlatform) {
  write_index(work_.path(), descriptor("arm64", "arm64", "app") + "," + descriptor("amd64", "amd64", "app"));
  EXPECT_EQ(found(on("linux/amd64")), "amd64 1");
  EXPECT_EQ(found(on("linux/arm64")), "arm64 1");
  EXPECT_EQ(found(on("linux/s390x")),
            ": has no image for linux/s390x (--platform): it has \"linux/arm64\", \"linux/amd64\"");
}

TEST_F(ImageTest, AnIndexMayHoldAnIndex) {
  std::string inner = R"({"schemaVersion":2,"manifests":[)" + descriptor("amd64", "amd64", "") +
                      R"(,{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                      testing::sha256("x") + R"(","size":1,"platform":{"os":"unknown","architecture":"unknown"}}]})";
  auto outer = [&](const std::string& text) {
    return fmt::format(R"({{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{}","size":{}}})",
                       testing::write_blob(work_.path(), text), text.size());
  };
  write_index(work_.path(), outer(inner));
  EXPECT_EQ(found(on("linux/amd64")), "amd64 1");
  std::string text = inner;
  for (int i = 0; i < 5; i++) text = R"({"manifests":[)" + outer(text) + "]}";
  write_index(work_.path(), outer(text));
  EXPECT_EQ(found(on("linux/amd64")), ": must have at most 4 indexes in each other");
}

TEST_F(ImageTest, OneOfSeveralIsNamed) {
  write_index(work_.path(),
              descriptor("amd64", "", "docker.io/library/app:1.2") + "," + descriptor("arm64", "", "app:latest"));
  EXPECT_EQ(found(named("nothing")),
            ": has no image \"nothing\" (--image): it has \"docker.io/library/app:1.2\", \"app:latest\"");
  EXPECT_NE(found().find("has several images, of which one must be named (--image NAME[:TAG])"), std::string::npos);
  EXPECT_EQ(found({"app:1.2", *parse_platform("linux/amd64")}), "amd64 1");
  EXPECT_EQ(found({"app", *parse_platform("linux/arm64")}), "arm64 1");
}

TEST(ImageName, MayLackItsRegistryAndItsTag) {
  for (const char* name : {"app", "app:latest", "library/app", "docker.io/library/app:latest"})
    EXPECT_TRUE(names_image(name, "docker.io/library/app:latest")) << name;
  for (const char* name : {"pp", "app:1", "other/app", ""})
    EXPECT_FALSE(names_image(name, "docker.io/library/app:latest")) << name;
}

TEST_F(ImageTest, WhatIsWrongIsNamedWithItsPlace) {
  EXPECT_NE(found().find("must be an OCI image layout, which has an index.json"), std::string::npos);
  work_.write("index.json", "{");
  EXPECT_EQ(found().substr(0, 12), "index.json: ");
  work_.write("index.json", R"({"manifests":{}})");
  EXPECT_EQ(found(), "index.json: /manifests: must be an array: found an empty object");
  work_.write("index.json", R"({"manifests":[],"manifests":[]})");
  EXPECT_EQ(found(), "index.json: /manifests: must stand once in its object");
  work_.write("index.json", R"({"manifests":[]})");
  EXPECT_EQ(found(), ": has no image: it has none that has a name");
  write_index(work_.path(), R"({"digest":"sha256:../../x","size":1})");
  EXPECT_EQ(found().substr(0, 62), "index.json: /manifests/0/digest: must be sha256: and 64 hexade");
  std::string good = descriptor("amd64", "", "");
  work_.write("blobs/" + blob_path(*parse_digest(good.substr(good.find("sha256:"), 71))), "{}");
  EXPECT_NE(found().find(": must have "), std::string::npos) << found();
}

TEST_F(ImageTest, ABlobThatLeadsOutIsNotRead) {
  std::string good = descriptor("amd64", "", "");
  write_index(work_.path(), good);
  std::string blob = "blobs/" + blob_path(*parse_digest(good.substr(good.find("sha256:"), 71)));
  ASSERT_EQ(rename(work_.path(blob).c_str(), "/tmp/minirun-unpack-moved-blob"), 0);
  work_.link(blob, "/tmp/minirun-unpack-moved-blob");
  EXPECT_NE(found().find("no such file or directory"), std::string::npos) << found();
  (void)unlink("/tmp/minirun-unpack-moved-blob");
  (void)unlink(work_.path(blob).c_str());
  ASSERT_EQ(mkfifo(work_.path(blob).c_str(), 0600), 0);
  EXPECT_NE(found().find("must be a regular file"), std::string::npos) << found();
}

TEST_F(ImageTest, BoundsHold) {
  write_layout(work_.path(), {{layer_}, {layer_}, {layer_}});
  Limits few;
  few.layers = 2;
  EXPECT_EQ(found(on("linux/amd64"), few), ": must have at most 2 layers (--max-layers): found 3");
  Limits small;
  small.json = 100;
  EXPECT_NE(found(on("linux/amd64"), small).find("must have at most 100 bytes (--max-json)"), std::string::npos);
}

TEST_F(ImageTest, TheArchiveOfDockerSave) {
  std::string config = config_of({layer_, layer_});
  std::string name = testing::sha256(config).substr(7) + ".json";
  work_.write(name, config);
  work_.write("one.tar", layer_);
  work_.write(
      "manifest.json",
      R"([{"Config":")" + name +
          R"(","RepoTags":["app:1"],"Layers":["one.tar","one.tar"]},{"Config":"x","RepoTags":null,"Layers":[]}])");
  EXPECT_EQ(found({"app:1", *parse_platform("linux/amd64")}), "amd64 2");
  EXPECT_EQ(found(), ": has several images, of which one must be named (--image NAME[:TAG]): it has \"app:1\"");
  work_.write(name, config + " ");
  EXPECT_NE(found(named("app:1")).find("must have the digest sha256:"), std::string::npos) << "the name is a digest";
}

TEST(ImageConfig, EachFieldIsHeldAgainstItsType) {
  auto error = [](const std::string& config, const std::string& rootfs = R"({"type":"layers","diff_ids":[]})") {
    auto parsed = parse_image_config("c", R"({"config":)" + config + R"(,"rootfs":)" + rootfs + "}");
    return parsed.ok() ? "good" : parsed.error().message;
  };
  EXPECT_EQ(error("null"), "good");
  EXPECT_EQ(error(R"({"Env":null,"Cmd":null,"Labels":null,"Volumes":null,"User":null})"), "good");
  EXPECT_EQ(error(R"({"Env":"A=1"})"), "c: /config/Env: must be an array: found \"A=1\"");
  EXPECT_EQ(error(R"({"Env":["A"]})"), "c: /config/Env: must be a list of NAME=VALUE: found an array of 1");
  EXPECT_EQ(error(R"({"Cmd":[1]})"), "c: /config/Cmd/0: must be a string: found 1");
  EXPECT_EQ(error(R"({"Labels":{"a":1}})"), "c: /config/Labels/a: must be a string: found 1");
  EXPECT_EQ(error(R"({"ExposedPorts":[]})"), "c: /config/ExposedPorts: must be an object: found an empty array");
  EXPECT_EQ(error(R"({"User":7})"), "c: /config/User: must be a string: found 7");
  EXPECT_EQ(error(R"({"Cmd":["a\u0000b"]})"), "c: /config/Cmd/0: must not contain a NUL character");
  EXPECT_EQ(error("{}", R"({"type":"x"})"), "c: /rootfs/type: must be \"layers\": found \"x\"");
  EXPECT_EQ(error("{}", "null"), "c: /rootfs: must be an object (an artifact that is no image has none): missing");
  EXPECT_EQ(error("{}", R"({"type":"layers","diff_ids":["x"]})").substr(0, 23), "c: /rootfs/diff_ids/0: ");
}

}  // namespace
}  // namespace minirun::unpack
