// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "runtime/oci/bundle.h"

namespace minirun {

TEST(UnknownProperty, NamesWhatItsObjectMayHave) {
  auto bundle = parse_config(R"({"ociVersion": "1.0.0", "root": {"path": "r"}, "process": {"cwd": "/", "args": ["a"],
 "agrs": [], "user": {"uid": 0, "gid": 0}}, "linux": {"maskedPath": [], "resources": {"memroy": {}}},
 "windows": {}})");
  ASSERT_TRUE(bundle.ok()) << bundle.error().text();
  std::string all;
  for (const UnknownProperty& property : bundle->unknown) all += property.pointer + "=" + property.meant + " ";
  EXPECT_EQ(all, "/process/agrs=args /linux/maskedPath=maskedPaths /linux/resources/memroy=memory /windows= ");
}

TEST(UnknownProperty, IsAProblemWithStrictAndNamedWhereItsNameIs) {
  constexpr std::string_view kText =
      "{\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \"r\"},\n \"process\": {\"cwd\": \"x\", \"args\": [\"a\"],\n"
      "  \"agrs\": []}}";
  auto bundle = parse_config(kText, Unknown::refused);
  ASSERT_FALSE(bundle.ok());
  EXPECT_EQ(bundle.error().text(),
            "config.json:2:21: /process/cwd: must be an absolute path: found \"x\"\n"
            "config.json:3:3: /process/agrs: is not a property that minirun knows, and has no effect (did you mean "
            "\"args\"?)");
}

}  // namespace minirun
