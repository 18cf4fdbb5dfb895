// SPDX-License-Identifier: Apache-2.0
// criu's directories, and the files that minirun keeps beside its images.
#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace minirun {

struct ImagePaths {
  std::string images;  // absolute
  std::string work;    // absolute; criu's log and statistics
};

// For checkpoint: makes missing directories (0700). work: "" means the images' directory.
Result<ImagePaths> make_image_paths(const std::string& images, const std::string& work);
// For restore: the images must be there.
Result<ImagePaths> find_image_paths(const std::string& images, const std::string& work);

// --parent-path: relative to the images.
Result<void> check_parent_images(const ImagePaths& paths, const std::string& parent);

// descriptors.json: descriptor_names() of the container's first process.
Result<void> write_descriptors(const ImagePaths& paths, const std::vector<std::string>& names);
Result<std::vector<std::string>> read_descriptors(const ImagePaths& paths);

// minirun's init in the container. criu does not save its program, which is in memory, on no mount of the container.
struct SavedInit {
  std::string name;      // in criu's words: "file[1f:400]"; "": the container has no init
  std::string program;   // the ELF file
  std::string end_page;  // the file of the page that it maps (namespaces/end_page.h), in criu's words; "": none
};
// Writes init.json and init, and removes those of an older checkpoint.
Result<void> write_init(const ImagePaths& paths, const SavedInit& init);
Result<SavedInit> read_init(const ImagePaths& paths);

}  // namespace minirun
