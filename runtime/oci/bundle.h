// SPDX-License-Identifier: Apache-2.0
// A bundle: the directory with config.json and, as a rule, the rootfs (runtime-spec, bundle.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/oci/parse.h"
#include "runtime/oci/problem.h"
#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// What happens to properties that minirun does not know (config.md, "Extensibility": a runtime must ignore them).
enum class Unknown : uint8_t { ignored, refused };  // refused: each is a problem, as --strict asks

struct Bundle {
  std::string path;                       // absolute, without symbolic links
  UniqueFd rootfs;                        // open_rootfs() of spec->root
  std::string text;                       // of config.json
  std::unique_ptr<const oci::Spec> spec;  // validated; everything derived from it is elsewhere
  std::vector<UnknownProperty> unknown;   // in the order of the file, with a place only after find_unknown()
  Problems warnings;
};

// Reads and validates path/config.json. All problems in it are one error of ErrorKind::config with a line for each, in
// the order of the file:
//   config.json:4:23: /process/cwd: must be an absolute path: found "tmp"
// with the line and column (in bytes) of the value, or of its nearest ancestor where it is missing.
// Refuses, without reading it, a config.json that is not a regular file or has more than kMaxJsonBytes.
Result<Bundle> load_bundle(const std::string& path, Unknown unknown = Unknown::ignored);

// The same for a text; `rootfs`, `text` and `path` of the result are empty.
Result<Bundle> parse_config(std::string_view text, Unknown unknown = Unknown::ignored);

// Finds the lines and columns of the bundle's unknown properties.
void find_unknown(Bundle* bundle);

// Adds the line and column of the value at the error's pointer, or of its nearest ancestor, to its details, and to its
// message if that begins with the pointer. An error without a pointer has the one that its message begins with, if
// config.json has a value there. config: the text of config.json.
Error with_position(Error error, std::string_view config);

// Opens the rootfs again, in another mount namespace than the one that the bundle was loaded in.
Result<void> reopen_rootfs(Bundle* bundle);

// The absolute path of the rootfs, for messages and for config.json's relative paths.
std::string rootfs_path(const Bundle& bundle);

// Opens the root filesystem (O_PATH), from the bundle where the path is relative. It must be a directory and not a
// symbolic link, as its last part may be exchanged between this check and the mount.
Result<UniqueFd> open_rootfs(int bundle_dir, const oci::Root& root);

}  // namespace minirun
