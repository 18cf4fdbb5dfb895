// SPDX-License-Identifier: Apache-2.0
// Images that are made to harm. Each has a canary beside the bundle, which the fixture looks at afterwards, and nothing
// may lie beside the bundle.
#include <sys/resource.h>

#include "tests/unpack/fixture.h"

namespace minirun::unpack::testing {
namespace {

class Attacks : public UnpackTest {
 protected:
  std::string outside(const std::string& name = "treasure") const { return work_.path("canary/" + name); }
  // The canary's path from the root of the image, by "..": rootfs is two levels down.
  const std::string up_ = "../../canary";
};

TEST_F(Attacks, NamesThatLeadUp) {
  for (const std::string& name :
       {up_ + "/new", std::string("a/../../../canary/new"), std::string(".."), std::string("a/..")})
    refuse({{TarMaker().directory("a").file(name, "x").done()}}, "must not contain \"..\"");
}

TEST_F(Attacks, AbsoluteNamesAreBelowTheRoot) {
  unpack_layer(TarMaker().file(outside("new"), "x").done());
  EXPECT_EQ(read(rootfs(outside("new").substr(1))), "x");
}

// CVE-2018-15664 and the like: a link in the way of a file.
TEST_F(Attacks, LinksInTheWay) {
  for (const std::string& target :
       {work_.path("canary"), up_, std::string("/../../../../../..") + work_.path("canary")}) {
    layout({{TarMaker().link("way", target).file("way/new", "x").done()}});
    Ended ended = unpack();
    // The target is looked for inside of the root, where it is not.
    EXPECT_EQ(ended.status, 1) << target;
    EXPECT_FALSE(bundle_exists());
  }
}

TEST_F(Attacks, LinksInTheWayInsideOfTheRoot) {
  unpack_layer(TarMaker().directory("canary").link("way", "../../canary").file("way/new", "x").done());
  EXPECT_EQ(names_in("canary"), Names({"new"})) << "as a chroot has it";
}

TEST_F(Attacks, ALayerReplacesADirectoryByALink) {
  std::string lower = TarMaker().directory("d").directory("d/e").file("d/e/a").done();
  for (const std::string& target : {work_.path("canary"), up_}) {
    layout({{lower}, {TarMaker().link("d", target).file("d/new", "x").done()}});
    EXPECT_EQ(unpack().status, 1);
    layout({{lower}, {TarMaker().file("d/e/b").link("d/e", target).file("d/e/new", "x").done()}});
    EXPECT_EQ(unpack().status, 1);
    EXPECT_FALSE(bundle_exists());
  }
}

TEST_F(Attacks, AFileOverALinkReplacesTheLink) {
  unpack_layers({{TarMaker().link("a", outside()).done()}, {TarMaker().file("a", "mine").done()}});
  EXPECT_EQ(read(rootfs("a")), "mine");
}

TEST_F(Attacks, ADirectoryOverALinkReplacesTheLink) {
  TarEntry directory = directory_entry("a", 0777);
  directory.uid = 5;
  unpack_layers(
      {{TarMaker().link("a", work_.path("canary")).done()}, {TarMaker().add(directory).file("a/new").done()}});
  EXPECT_EQ(names_in("a"), Names({"new"}));
}

TEST_F(Attacks, HardLinksToTheOutside) {
  for (const std::string& target : {outside(), outside().substr(1)})
    refuse({{TarMaker().hard_link("stolen", target).done()}}, "no such file or directory");
  refuse({{TarMaker().hard_link("stolen", "../../canary/treasure").done()}}, "must not contain");
  refuse({{TarMaker().link("way", work_.path("canary")).hard_link("stolen", "way/treasure").done()}},
         "no such file or directory");
}

// A hard link to a link, then written through.
TEST_F(Attacks, HardLinksToLinks) {
  unpack_layer(TarMaker().link("a", outside()).hard_link("b", "a").file("b", "mine").done());
  EXPECT_EQ(read(rootfs("b")), "mine");
  TarEntry mode = hard_link_entry("c", "a");
  mode.mode = 0777, mode.uid = 5;
  std::filesystem::remove_all(bundle());
  unpack_layer(TarMaker().link("a", outside()).add(mode).done());
}

TEST_F(Attacks, WhiteoutsThroughLinks) {
  for (const std::string& target : {work_.path("canary"), up_})
    for (const char* whiteout : {"way/.wh.treasure", "way/.wh..wh..opq"}) {
      unpack_layers({{TarMaker().link("way", target).done()}, {TarMaker().file(whiteout).done()}});
      std::filesystem::remove_all(bundle());
    }
}

TEST_F(Attacks, WhiteoutsOfDots) {
  for (const char* name : {".wh..", ".wh...", "a/.wh..", "a/.wh...", ".wh."})
    refuse({{TarMaker().directory("a").file(name).done()}}, "must name what the whiteout is for");
  unpack_layer(TarMaker().file("a").file(".wh..wh..opq").done());
  EXPECT_EQ(names_in(""), Names({"a"}));
}

TEST_F(Attacks, WhiteoutsDoNotEnterLinks) {
  std::string lower = TarMaker().directory("d").link("d/l", work_.path("canary")).done();
  unpack_layers({{lower}, {TarMaker().file(".wh.d").done()}});
  EXPECT_EQ(names_in(""), Names());
  std::filesystem::remove_all(bundle());
  unpack_layers(
      {{lower}, {TarMaker().link("d/l", work_.path("canary")).file("d/.wh.l").file("d/.wh..wh..opq").done()}});
}

TEST_F(Attacks, AttributesAndModesThroughLinks) {
  TarEntry link = link_entry("a", outside());
  link.mode = 0777, link.uid = 5, link.mtime = 7;
  link.xattrs = {{"user.mark", "x"}};
  layout({{TarMaker().add(link).done()}});
  EXPECT_EQ(unpack().status, 0);  // a link has no user.*: a line says so
  EXPECT_EQ(list_tree(rootfs())["a"], "120777 5:0 7.000000000 -> " + outside());
}

TEST_F(Attacks, TheRootIsNoLink) {
  for (const char* name : {"./", "/", "."})
    refuse({{TarMaker().link(name, work_.path("canary")).done()}}, "the root must be a directory");
}

TEST_F(Attacks, PasswdOfTheHost) {
  work_.write("canary/passwd", "evil:x:4242:4242::/:/bin/sh\n");
  keep_canary();
  layout({{TarMaker().directory("etc").link("etc/passwd", work_.path("canary/passwd")).done()}}, R"({"User":"evil"})");
  refuse_image("must name a user of the image's /etc/passwd, or an id: found \"evil\"");
}

TEST_F(Attacks, AFifoForPasswd) {
  TarEntry fifo = file_entry("etc/passwd");
  fifo.type = EntryType::fifo;
  layout({{TarMaker().add(fifo).done()}}, R"({"User":"evil"})");
  refuse_image("must name a user");
}

TEST_F(Attacks, DigestsThatAreOthers) {
  std::string layer = TarMaker().file("a", "good").done(), other = TarMaker().file("a", "evil").done();
  for (const char* filter : {"", "gzip"}) {
    layout({{layer, filter}});
    std::string bytes = *filter == '\0' ? layer : compressed(layer, filter);
    std::string evil = *filter == '\0' ? other : compressed(other, filter);
    work_.write("image/blobs/sha256/" + sha256(bytes).substr(7), evil);
    refuse_image("must have ");
    work_.write("image/blobs/sha256/" + sha256(bytes).substr(7), bytes + "more");
    refuse_image("as its descriptor says: it has more");
    work_.write("image/blobs/sha256/" + sha256(bytes).substr(7), bytes.substr(0, bytes.size() - 1));
    refuse_image("");
  }
}

// The manifest's digest is right, that of the config (diff_ids) is another layer's.
TEST_F(Attacks, ADiffIdThatIsAnothers) {
  std::string layer = TarMaker().file("a").done();
  work_.write("image/layer.tar", compressed(layer, "gzip"));
  work_.write("image/config.json", config_of({TarMaker().file("b").done()}));
  work_.write("image/manifest.json", R"([{"Config":"config.json","Layers":["layer.tar"]}])");
  refuse_image("layer layer.tar, decompressed: must have the digest sha256:");
}

TEST_F(Attacks, PathsOfADockerArchive) {
  std::string layer = TarMaker().file("a").done();
  work_.write("canary/layer.tar", layer);
  keep_canary();
  work_.write("image/config.json", config_of({layer}));
  for (const std::string& path : {std::string("../canary/layer.tar"), work_.path("canary/layer.tar")}) {
    work_.write("image/manifest.json", R"([{"Config":"config.json","Layers":[")" + path + "\"]}]");
    refuse_image("layer " + path);
  }
}

TEST_F(Attacks, BombsEndAtABound) {
  std::string zeros(70 << 20, '\0');
  std::string layer = TarMaker().file("zeros", zeros).done();
  refuse({{layer, "gzip"}}, "must have at most 200 bytes for each compressed one (--max-ratio)");
  refuse({{layer, "zstd"}}, "must have at most 200 bytes for each compressed one (--max-ratio)");
  refuse_image("(--max-size)", {"--max-ratio", "100000", "--max-size", "50m"});
  refuse_image("must have at most 1048576 bytes (--max-entry-size): found 73400320", {"--max-entry-size=1m"});
}

// Nothing follows a compression but tar.
TEST_F(Attacks, ABombInABomb) {
  std::string twice = compressed(compressed(std::string(1 << 20, '\0'), "gzip"), "gzip");
  work_.write("image/layer", twice);
  work_.write("image/config.json", config_of({compressed(std::string(1 << 20, '\0'), "gzip")}));
  work_.write("image/manifest.json", R"([{"Config":"config.json","Layers":["layer"]}])");
  refuse_image("layer layer: ");
}

TEST_F(Attacks, AHoleIsCountedAsWritten) {
  Ended made =
      run(start_of({"/bin/sh", "-c", "cd " + image() + " && truncate -s 6G hole && tar -S -cf s.tar hole && rm hole"}));
  ASSERT_EQ(made.status, 0) << made.errors;
  std::string tar = read(work_.path("image/s.tar"));
  refuse({{tar}}, "the files of the image must have at most 1073741824 bytes together (--max-size)", {"--max-size=1g"});
  refuse_image("(--max-entry-size)", {"--max-entry-size", "5g"});
}

TEST_F(Attacks, ManyFiles) {
  TarMaker many;
  for (int i = 0; i < 300; i++) many.file(fmt::format("f{}", i));
  refuse({{many.done()}}, "the image must have at most 299 files (--max-entries)", {"--max-entries", "299"});
}

// Deeper than a path is long, by a link to a deep directory: also what is removed.
TEST_F(Attacks, ATreeThatIsDeeperThanAPath) {
  std::string path = "d";
  for (int i = 0; i < 1000; i++) path += "/d";
  TarMaker deep;
  deep.directory(path).link("l1", path).directory("l1/" + path).link("l2", "l1/" + path).directory("l2/" + path);
  std::string layer = deep.done();
  unpack_layers({{layer}, {TarMaker().file(".wh.d").done()}});
  EXPECT_EQ(names_in(""), Names({"l1", "l2"}));
  std::filesystem::remove_all(bundle());
  refuse({{layer}, {TarMaker().file("..").done()}}, "must not contain");
}

TEST_F(Attacks, NamesThatNoFileCanHave) {
  refuse({{TarMaker().file(std::string(300, 'x')).done()}}, "must have names of at most 255 bytes");
  refuse({{TarMaker().file("a/" + std::string(5000, '/') + "x").done()}}, "");
}

TEST_F(Attacks, AHardLinkToADirectory) {
  refuse({{TarMaker().directory("d").hard_link("e", "d").done()}}, "operation not permitted");
  refuse({{TarMaker().directory("d").hard_link("e", ".").done()}}, "must be a link to a file of the image");
}

TEST_F(Attacks, ANameForTheTerminal) {
  layout({{TarMaker().hard_link("\x1b]0;evil\x07", "nothing").done()}});
  Ended ended = unpack();
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.errors.find('\x1b'), std::string::npos);
}

TEST_F(Attacks, ABrokenArchive) {
  std::string layer = TarMaker().directory("d").file("d/a", std::string(5000, 'a')).done();
  for (size_t cut : {size_t{0}, size_t{100}, size_t{700}, size_t{1600}, size_t{3000}})
    refuse({{layer.substr(0, cut)}}, "layer sha256:");
  std::string gzip = compressed(layer, "gzip");
  work_.write("image/layer", gzip.substr(0, gzip.size() / 2));
  work_.write("image/config.json", config_of({layer}));
  work_.write("image/manifest.json", R"([{"Config":"config.json","Layers":["layer"]}])");
  (void)unlink(work_.path("image/index.json").c_str());
  refuse_image("layer layer");
}

}  // namespace
}  // namespace minirun::unpack::testing
