// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/container_path.h"

#include <algorithm>

namespace minirun {

std::string clean_path(std::string_view path) {
  std::string clean;
  for (size_t start = 0; start < path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string_view part = path.substr(start, end - start);
    if (part == "..")
      clean.erase(std::min(clean.rfind('/'), clean.size()));
    else if (!part.empty() && part != ".")
      clean.append("/").append(part);
    start = end + 1;
  }
  return clean.empty() ? "/" : clean;
}

}  // namespace minirun
