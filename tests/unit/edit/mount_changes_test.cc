// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runtime/edit/changes.h"
#include "runtime/oci/default_spec.h"
#include "tests/unit/edit/changed_text.h"

namespace minirun {
namespace {

const SpecCaller kInHome = {nullptr, "/home/me"};

std::string bound(const std::string& bind, const std::string& directory = "/home/me") {
  return changed_text("{\"mounts\":[]}", [&](JsonEdit& edit) { return change_bind(edit, bind, {nullptr, directory}); });
}

std::string bind_mount(const std::string& source, const std::string& destination, const std::string& options) {
  return fmt::format(R"({{"mounts":[{{"destination":"{}","type":"bind","source":"{}","options":[{}]}}]}})", destination,
                     source, options);
}

TEST(MountChanges, BindHasAnAbsoluteSourceAndOptions) {
  EXPECT_EQ(bound("/a:/b"), bind_mount("/a", "/b", R"("rbind")"));
  EXPECT_EQ(bound("a/../c:/b"), bind_mount("/home/me/a/../c", "/b", R"("rbind")"));
  EXPECT_EQ(bound("././a:/b"), bind_mount("/home/me/a", "/b", R"("rbind")"));
  EXPECT_EQ(bound(".:/b"), bind_mount("/home/me", "/b", R"("rbind")"));
  EXPECT_EQ(bound("./:/b"), bind_mount("/home/me", "/b", R"("rbind")"));
  EXPECT_EQ(bound("..:/b", "/"), bind_mount("/..", "/b", R"("rbind")"));
  EXPECT_EQ(bound("/a:/b:ro,nosuid"), bind_mount("/a", "/b", R"("rbind","rro","nosuid")"));
  EXPECT_EQ(bound("/a:/b:bind,rw"), bind_mount("/a", "/b", R"("bind","rw")"));
}

TEST(MountChanges, WrongBindsAreNamed) {
  for (const char* wrong : {"", "/a", ":/b", "/a:/b:ro:x"})
    EXPECT_EQ(bound(wrong).find("--bind: must be SOURCE:DESTINATION or SOURCE:DESTINATION:OPTIONS"), 0U) << wrong;
  for (const char* wrong : {"/a:", "/a:b", "/a:/", "/a:/x/..", "/a:.:ro"})
    EXPECT_EQ(bound(wrong).find("--bind: the destination must be an absolute path below the root"), 0U) << wrong;
  for (const char* wrong : {"/a:/b:", "/a:/b:ro,", "/a:/b:readonly", "/a:/b:size=1m"})
    EXPECT_NE(bound(wrong).find("is not an option of a bind mount"), std::string::npos) << wrong;
}

std::string tmpfs_options(const std::string& tmpfs) {
  std::string text = changed_text("{\"mounts\":[]}", [&](JsonEdit& edit) { return change_tmpfs(edit, tmpfs); });
  const std::string head =
      R"({"mounts":[{"destination":"/t","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev","noexec")";
  return text.starts_with(head) ? text.substr(head.size(), text.size() - head.size() - 4) : text;
}

TEST(MountChanges, TmpfsHasSafeOptionsAndTheGivenOnes) {
  EXPECT_EQ(tmpfs_options("/t"), "");
  EXPECT_EQ(tmpfs_options("/t:size=64m,exec,mode=1777"), R"(,"size=64m","exec","mode=1777")");
  EXPECT_EQ(tmpfs_options("/t:size=50%,nr_inodes=4k,uid=7,gid=8,huge=never,noswap,ro,tmpcopyup"),
            R"(,"size=50%","nr_inodes=4k","uid=7","gid=8","huge=never","noswap","ro","tmpcopyup")");
  for (const char* wrong : {"/t:", "/t:sise=1m", "/t:size=", "/t:size=x", "/t:size=1mb", "/t:mode=9", "/t:uid=root",
                            "/t:bind", "/t:remount", "/t:nr_inodes=1%", "/t:size=1m,", "/t:size"})
    EXPECT_NE(tmpfs_options(wrong).find("is not an option of a tmpfs"), std::string::npos) << wrong;
  for (const char* wrong : {"", "t", "/", "//", "/./", ":size=1m"})
    EXPECT_EQ(tmpfs_options(wrong).find("--tmpfs: the destination must be an absolute path below"), 0U) << wrong;
}

std::vector<std::string> destinations_after(const std::string& destinations, const std::string& added) {
  std::string list;
  for (char c : destinations)
    list += fmt::format(R"({}{{"destination":"/{}"}})", list.empty() ? "" : ",", c == 'x' ? "a/x/" : std::string(1, c));
  auto edit = JsonEdit::parse("{\"mounts\":[" + list + "]}");
  EXPECT_TRUE(change_tmpfs(*edit, added).ok());
  std::vector<std::string> after;
  for (size_t i = 0; i < edit->size("/mounts"); ++i)
    after.push_back(*edit->string(fmt::format("/mounts/{}/destination", i)));
  return after;
}

TEST(MountChanges, AMountReplacesOneAtItsPlaceAndHidesNoneBelowIt) {
  using List = std::vector<std::string>;
  EXPECT_EQ(destinations_after("abc", "/b"), (List{"/a", "/b", "/c"}));
  EXPECT_EQ(destinations_after("abc", "/./b/"), (List{"/a", "/./b/", "/c"})) << "the same place in other words";
  EXPECT_EQ(destinations_after("aba", "/a"), (List{"/a", "/b", "/a"})) << "the last one is the visible one";
  EXPECT_EQ(destinations_after("abc", "/a/y"), (List{"/a", "/b", "/c", "/a/y"})) << "after what it is in";
  EXPECT_EQ(destinations_after("bxc", "/a"), (List{"/b", "/a", "/a/x/", "/c"})) << "before what is in it";
  EXPECT_EQ(destinations_after("bxc", "/a/xy"), (List{"/b", "/a/x/", "/c", "/a/xy"}));
}

TEST(MountChanges, HostnameBringsItsNamespace) {
  auto named = [](const std::string& text) {
    return changed_text(text, [](JsonEdit& edit) { return change_hostname(edit, "n"); });
  };
  EXPECT_EQ(named(R"({"linux":{"namespaces":[{"type":"uts"}]}})"),
            R"({"linux":{"namespaces":[{"type":"uts"}]},"hostname":"n"})");
  EXPECT_EQ(named(R"({"hostname":"o","linux":{}})"), R"({"hostname":"n","linux":{"namespaces":[{"type":"uts"}]}})");
  auto edit = JsonEdit::parse("{}");
  EXPECT_EQ(change_hostname(*edit, "").error().text(), R"(--hostname: must be a name: found "")");
}

std::string network_after(const std::string& text, bool own) {
  return changed_text(text, [&](JsonEdit& edit) { return change_network(edit, own); });
}

TEST(MountChanges, HostNetworkHasNoNamespaceAndNoSysfsInAUserNamespace) {
  const std::string sysfs = R"("mounts":[{"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]}]})";
  EXPECT_EQ(network_after(R"({"linux":{"namespaces":[{"type":"network"},{"type":"pid"}]},)" + sysfs, false),
            R"({"linux":{"namespaces":[{"type":"pid"}]},)" + sysfs);
  EXPECT_EQ(
      network_after(R"({"linux":{"namespaces":[{"type":"user"},{"type":"network","path":"/x"}]},)" + sysfs, false),
      R"({"linux":{"namespaces":[{"type":"user"}]},"mounts":[{"destination":"/sys","type":"none","source":"/sys",)"
      R"("options":["rbind","ro"]}]})");
}

TEST(MountChanges, NoNetworkHasANewNamespace) {
  EXPECT_EQ(network_after(R"({"linux":{"namespaces":[{"type":"pid"}]}})", true),
            R"({"linux":{"namespaces":[{"type":"pid"},{"type":"network"}]}})");
  EXPECT_EQ(network_after(R"({"linux":{"namespaces":[{"type":"network","path":"/x"}]}})", true),
            R"({"linux":{"namespaces":[{"type":"network"}]}})");
  EXPECT_EQ(network_after(default_spec(std::nullopt), true), default_spec(std::nullopt));
  const std::string rootless = default_spec(RootlessOwner{1000, 1000});
  EXPECT_EQ(network_after(rootless, false), rootless);
}

}  // namespace
}  // namespace minirun
