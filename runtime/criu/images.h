// The directories that criu works in, and what minirun keeps beside its images.
#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace minirun {

struct ImagePaths {
  std::string images;  // absolute
  std::string work;    // absolute; criu's log and statistics
};

// For checkpoint: makes the directories where they are missing (0700). work: "" for the one of the images.
Result<ImagePaths> make_image_paths(const std::string& images, const std::string& work);
// For restore: the images must be there.
Result<ImagePaths> find_image_paths(const std::string& images, const std::string& work);

// --parent-path: relative to the images.
Result<void> check_parent_images(const ImagePaths& paths, const std::string& parent);

// descriptors.json: descriptor_names() of the container's first process.
Result<void> write_descriptors(const ImagePaths& paths, const std::vector<std::string>& names);
Result<std::vector<std::string>> read_descriptors(const ImagePaths& paths);

}  // namespace minirun
