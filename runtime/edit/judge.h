// SPDX-License-Identifier: Apache-2.0
// Whether a changed config.json is one that minirun accepts.
#pragma once

#include <string>
#include <string_view>

#include "runtime/edit/changes.h"
#include "runtime/text/json_edit.h"
#include "sys/result.h"

namespace minirun {

// The changed text, once parsed and validated as `run` does, except that the root filesystem need not be there yet. The
// error of kind config has a line for each problem. One that the text had before the change names its place in that
// text: "FILE: /linux/namespaces/5/type: ...". Another one names the option that it comes from: "--tmpfs: ...".
//
// before: the text that was changed. file: its name, for messages.
Result<std::string> judged_text(const JsonEdit& config, const SpecChanges& changes, std::string_view before,
                                const std::string& file);

}  // namespace minirun
