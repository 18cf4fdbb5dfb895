// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "runtime/text/json_edit.h"

namespace minirun {

// The text after the change, or the error. Fails unless the same change a second time changes nothing.
inline std::string changed_text(const std::string& text, const std::function<Result<void>(JsonEdit&)>& change) {
  auto edit = JsonEdit::parse(text);
  EXPECT_TRUE(edit.ok()) << text;
  auto done = change(*edit);
  if (!done.ok()) return done.error().text();
  const std::string once = edit->text();
  EXPECT_TRUE(change(*edit).ok());
  EXPECT_EQ(edit->text(), once) << "not the same when made twice";
  return once;
}

}  // namespace minirun
