// SPDX-License-Identifier: Apache-2.0
// What layers become: the image-spec's layer.md, rule by rule.
#include <sys/sysmacros.h>

#include "tests/unpack/fixture.h"

namespace minirun::unpack::testing {
namespace {

using Layers = UnpackTest;

TEST_F(Layers, FilesAreWhatTheArchiveSays) {
  TarEntry file = file_entry("d/file", 04751);
  file.uid = 12, file.gid = 34, file.mtime = 1234567890, file.mtime_ns = 123456789;
  file.xattrs = {{"user.note", std::string("a\0b", 3)}};
  TarEntry directory = directory_entry("d", 02775);
  directory.gid = 77, directory.mtime = 99;
  TarEntry link = link_entry("d/link", "/nowhere");
  link.uid = 5, link.mtime = 55;
  TarEntry fifo = file_entry("d/fifo", 0622);
  fifo.type = EntryType::fifo;
  std::string big(300'000, 'x');
  unpack_layer(TarMaker()
                   .add(directory)
                   .add(file, "content")
                   .add(link)
                   .add(fifo)
                   .file("d/big", big)
                   .hard_link("again", "d/file")
                   .done());
  auto tree = list_tree(rootfs());
  std::string content = "7 bytes " + sha256("content") + " user.note=610062";
  EXPECT_EQ(tree["d"], "42775 0:77 99.000000000");
  EXPECT_EQ(tree["again"], "104751 12:34 1234567890.123456789 " + content + " 2 names, the first again");
  EXPECT_EQ(tree["d/file"], "104751 12:34 1234567890.123456789 " + content + " 2 names, the first again");
  EXPECT_EQ(tree["d/link"], "120777 5:0 55.000000000 -> /nowhere");
  EXPECT_EQ(tree["d/fifo"], "10622 0:0 1600000000.000000000");
  EXPECT_EQ(tree["d/big"], "100644 0:0 1600000000.000000000 300000 bytes " + sha256(big))
      << "its group is the archive's";
}

TEST_F(Layers, AGroupIsNotInherited) {
  unpack_layer(TarMaker()
                   .add([] {
                     TarEntry d = directory_entry("d", 02775);
                     d.gid = 77;
                     return d;
                   }())
                   .file("d/f")
                   .directory("d/e")
                   .done());
  auto tree = list_tree(rootfs());
  EXPECT_EQ(tree["d/f"].substr(0, 11), "100644 0:0 ");
  EXPECT_EQ(tree["d/e"].substr(0, 10), "40755 0:0 ");
}

TEST_F(Layers, CapabilitiesOutliveTheOwner) {
  TarEntry file = file_entry("ping", 0755);
  file.uid = 7;
  // struct vfs_cap_data, revision 2: cap_net_raw=ep
  file.xattrs = {{"security.capability", std::string("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}};
  unpack_layer(TarMaker().add(file, "x").done());
  EXPECT_NE(list_tree(rootfs())["ping"].find("security.capability=0100000200200000"), std::string::npos);
}

TEST_F(Layers, LabelsOfTheHostsModulesAreLeftOut) {
  TarEntry file = file_entry("file");
  file.xattrs = {{"security.selinux", "x"},
                 {"trusted.overlay.opaque", "y"},
                 {"system.posix_acl_default", "z"},
                 {"user.good", "g"}};
  layout({{TarMaker().add(file).done()}});
  Ended ended = unpack();
  EXPECT_EQ(ended.status, 0);
  EXPECT_NE(ended.errors.find("extended attributes are left out"), std::string::npos) << ended.errors;
  EXPECT_EQ(list_tree(rootfs())["file"].substr(list_tree(rootfs())["file"].rfind(' ')), " user.good=67");
}

TEST_F(Layers, DevicesAreMadeByRoot) {
  TarEntry null = file_entry("null", 0666);
  null.type = EntryType::character, null.device_major = 1, null.device_minor = 3;
  TarEntry disk = file_entry("disk", 0660);
  disk.type = EntryType::block, disk.device_major = 7, disk.device_minor = 200, disk.gid = 6;
  unpack_layer(TarMaker().add(null).add(disk).done());
  EXPECT_EQ(list_tree(rootfs())["null"], "20666 0:0 1600000000.000000000 device 1:3");
  EXPECT_EQ(list_tree(rootfs())["disk"], "60660 0:6 1600000000.000000000 device 7:200");
}

TEST_F(Layers, NamesKeepTheirBytes) {
  // Composed and decomposed, which are two names to Linux, and one that is no UTF-8. By tar: libarchive, which makes
  // the other archives here, composes them.
  Names names = {"cafe\xcc\x81", "caf\xc3\xa9", "latin\xe9", "new\nline", "tab\t", "file"};
  std::sort(names.begin(), names.end());
  work_.make_directory("image/files");
  for (const std::string& name : names) work_.write("image/files/" + name, std::string(5000, name[0]));
  ASSERT_EQ(symlink("latin\xe9", work_.path("image/files/link\xe9").c_str()), 0);
  for (const char* format : {"--format=pax", "--format=gnu"}) {
    std::string tar = work_.path("image/names.tar");
    Ended made = run(start_of({"/bin/tar", format, "-C", work_.path("image/files"), "-cf", tar, "."}));
    ASSERT_EQ(made.status, 0) << made.errors;
    unpack_layer(read(tar));
    Names found = names_in("");
    EXPECT_EQ(std::erase(found, "link\xe9"), 1u) << format;
    EXPECT_EQ(found, names) << format;
    EXPECT_EQ(std::filesystem::read_symlink(rootfs("link\xe9")).string(), "latin\xe9");
    for (const std::string& name : names) EXPECT_EQ(read(rootfs(name)), std::string(5000, name[0])) << name;
    std::filesystem::remove_all(bundle());
  }
}

TEST_F(Layers, WhiteoutsRemoveWhatIsBelow) {
  std::string lower =
      TarMaker().directory("d").file("d/keep").file("d/gone").directory("d/tree").file("d/tree/a").file("e").done();
  unpack_layers(
      {{lower},
       {TarMaker().file("d/.wh.gone").file("d/.wh.tree").file(".wh.e").file("d/.wh.never").file("no/.wh.x").done()}});
  EXPECT_EQ(names_in(""), Names({"d"}));
  EXPECT_EQ(names_in("d"), Names({"keep"}));
}

TEST_F(Layers, AWhiteoutSparesItsOwnLayer) {
  std::string lower = TarMaker().directory("d").file("d/both", "old").directory("d/t").file("d/t/old").done();
  unpack_layers(
      {{lower},
       {TarMaker().file("d/both", "new").directory("d/t").file("d/t/new").file("d/.wh.both").file("d/.wh.t").done()}});
  EXPECT_EQ(read(rootfs("d/both")), "new");
  EXPECT_EQ(names_in("d/t"), Names({"new"}));
}

TEST_F(Layers, AnOpaqueDirectoryHidesWhatIsBelowInEitherOrder) {
  std::string lower = TarMaker().directory("d").file("d/old").directory("d/t").file("d/t/old").file("other").done();
  for (bool first : {true, false}) {
    TarMaker upper;
    upper.directory("d");
    if (first) upper.file("d/.wh..wh..opq");
    upper.file("d/new").directory("d/t").file("d/t/new");
    if (!first) upper.file("d/.wh..wh..opq");
    unpack_layers({{lower}, {upper.done()}});
    EXPECT_EQ(names_in("d"), Names({"new", "t"})) << first;
    EXPECT_EQ(names_in("d/t"), Names({"new"})) << first;
    EXPECT_EQ(names_in(""), Names({"d", "other"}));
    EXPECT_EQ(list_tree(rootfs())["d"], "40755 0:0 1600000000.000000000");
    std::filesystem::remove_all(bundle());
  }
}

TEST_F(Layers, ALaterEntryTakesThePlaceOfAnyOther) {
  std::string lower = TarMaker().directory("dir").file("dir/a").file("file").link("link", "file").done();
  std::string upper =
      TarMaker().file("dir", "now a file").directory("file").file("file/in").directory("link").file("link/in").done();
  unpack_layers({{lower}, {upper}});
  EXPECT_EQ(read(rootfs("dir")), "now a file");
  EXPECT_EQ(names_in("file"), Names({"in"}));
  EXPECT_EQ(names_in("link"), Names({"in"})) << "the link is gone, not followed";
}

TEST_F(Layers, AFileMayBeNamedTwiceInOneLayer) {
  unpack_layer(TarMaker().file("a", "first").file("a", "second").hard_link("b", "a").hard_link("b", "a").done());
  EXPECT_EQ(read(rootfs("a")), "second");
  EXPECT_EQ(read(rootfs("b")), "second");
}

TEST_F(Layers, AHardLinkThatIsReplacedLeavesTheOtherName) {
  std::string lower = TarMaker().file("a", "old").hard_link("b", "a").done();
  unpack_layers({{lower}, {TarMaker().file("b", "new").done()}});
  EXPECT_EQ(read(rootfs("a")), "old");
  EXPECT_EQ(read(rootfs("b")), "new");
}

TEST_F(Layers, DirectoriesThatAreNotNamedAreMade) {
  unpack_layer(TarMaker().file("a/b/c").done());
  EXPECT_EQ(list_tree(rootfs())["a"], "40755 0:0 0.000000000");
  EXPECT_EQ(list_tree(rootfs())["a/b"], "40755 0:0 0.000000000");
}

TEST_F(Layers, ADirectoryKeepsItsTimeWhenALayerChangesWhatIsInIt) {
  std::string lower = TarMaker().directory("d").file("d/a").directory("d/e").done();
  unpack_layers({{lower}, {TarMaker().file("d/b").file("d/.wh.a").file("d/e/c").done()}});
  EXPECT_EQ(list_tree(rootfs())["d"], "40755 0:0 1600000000.000000000");
  EXPECT_EQ(list_tree(rootfs())["d/e"], "40755 0:0 1600000000.000000000");
}

TEST_F(Layers, TheRootHasAnEntryOrTheOldestTime) {
  TarEntry root = directory_entry("./", 0711);
  root.uid = 9;
  unpack_layer(TarMaker().file("a").add(root).done());
  EXPECT_EQ(list_tree(rootfs())["."], "40711 9:0 1600000000.000000000");
  std::filesystem::remove_all(bundle());
  unpack_layer(TarMaker().file("a").done());
  EXPECT_EQ(list_tree(rootfs())["."], "40755 0:0 0.000000000");
}

TEST_F(Layers, FilesGoThroughTheImagesOwnLinks) {
  std::string lower =
      TarMaker().directory("usr").directory("usr/lib").link("lib", "usr/lib").link("abs", "/usr").done();
  unpack_layers({{lower}, {TarMaker().file("lib/a", "1").file("abs/lib/b", "2").done()}});
  EXPECT_EQ(names_in("usr/lib"), Names({"a", "b"}));
}

TEST_F(Layers, EachCompressionAndNone) {
  unpack_layers(
      {{TarMaker().file("a").done()}, {TarMaker().file("b").done(), "gzip"}, {TarMaker().file("c").done(), "zstd"}});
  EXPECT_EQ(names_in(""), Names({"a", "b", "c"}));
}

TEST_F(Layers, HolesAreHoles) {
  // GNU tar's sparse files, by the tar that the archive names in its header.
  std::string tar = work_.path("image/sparse.tar");
  Ended made = run(start_of(
      {"/bin/sh", "-c",
       "cd " + image() +
           " && truncate -s 5M hole && printf x >> hole && tar -S --format=pax -cf sparse.tar hole && rm hole"}));
  ASSERT_EQ(made.status, 0) << made.errors;
  unpack_layer(read(tar));
  struct stat facts {};
  ASSERT_EQ(stat(rootfs("hole").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_size, (5 << 20) + 1);
  EXPECT_LT(facts.st_blocks, 100);
}

}  // namespace
}  // namespace minirun::unpack::testing
