// SPDX-License-Identifier: Apache-2.0
// minirun-unpack on images that the fuzzer makes up: an index, a manifest, an image's config, and layers. Whatever
// comes in, nothing outside of the root is touched.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "sys/directory.h"
#include "sys/file.h"
#include "tests/fuzz/fuzz.h"
#include "unpack/image.h"
#include "unpack/layer.h"
#include "unpack/tree.h"

namespace minirun::unpack {
namespace {

class Bytes final : public Stream {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  Result<std::string_view> next() override { return std::exchange(text_, {}); }

 private:
  std::string_view text_;
};

// The same bytes for each name.
class OneFile final : public Source {
 public:
  OneFile(std::string_view text, std::string_view others) : text_(text), others_(others) {}
  const std::string& name() const override { return name_; }
  Result<std::unique_ptr<Stream>> open(const std::string& path) override {
    return std::unique_ptr<Stream>(
        std::make_unique<Bytes>(path == "index.json" || path == "manifest.json" ? text_ : others_));
  }

 private:
  std::string name_ = "image";
  std::string_view text_, others_;
};

// A place with a root and a canary, once for all inputs: on a tmpfs, if possible.
struct Place {
  Place() {
    std::string name = access("/dev/shm", W_OK) == 0 ? "/dev/shm/minirun-fuzz-XXXXXX" : "/tmp/minirun-fuzz-XXXXXX";
    HOLDS(mkdtemp(name.data()) != nullptr, name);
    fd.reset(open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const char* folder : {"root", "trash", "canary"}) HOLDS(mkdirat(fd.get(), folder, 0755) == 0, folder);
    static std::string path = name;
    (void)atexit([] {
      UniqueFd parent(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      for (const char* folder : {"root", "trash", "canary"}) (void)unlinkat(parent.get(), folder, AT_REMOVEDIR);
      (void)rmdir(path.c_str());
    });
  }
  UniqueFd open_folder(const char* folder) const {
    UniqueFd opened(openat(fd.get(), folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    HOLDS(opened.get() >= 0, folder);
    return opened;
  }
  UniqueFd fd;
};

size_t entries_in(int directory) {
  size_t count = 0;
  auto read = for_each_entry(directory, ".", [&](const dirent&) -> Result<bool> {
    count++;
    return true;
  });
  HOLDS(read.ok(), "");
  return count;
}

void check_layers(std::string_view one, std::string_view two) {
  static Place place;
  Limits limits;
  limits.size = limits.entry_size = 1 << 20;
  limits.entries = 200;
  Usage usage;
  Notes notes;
  LayerSetting setting{limits, usage, {}};
  UniqueFd root = place.open_folder("root");
  {
    Tree tree(root.get(), place.open_folder("trash"), NodeMaker({false, false}, limits, &usage, &notes));
    for (std::string_view layer : {one, two}) {
      Bytes bytes(layer);
      if (!apply_entries(bytes, "layer", tree, setting).ok()) break;
    }
  }
  for (const std::string& line : notes.lines()) HOLDS(line.size() < 70'000, line);
  HOLDS(entries_in(place.fd.get()) == 3, "something beside the root");
  HOLDS(entries_in(place.open_folder("canary").get()) == 0, "something in the canary");
  Trash trash(place.open_folder("trash"));
  auto removed = trash.remove(place.fd.get(), "root");
  HOLDS(removed.ok(), removed.error().text());
  HOLDS(trash.empty().ok(), "");
  HOLDS(mkdirat(place.fd.get(), "root", 0755) == 0, "");
}

void check_texts(std::string_view index, std::string_view others, bool docker) {
  OneFile source(index, others);
  Limits limits;
  limits.layers = 4;
  Choice choice{"", Platform{"linux", "amd64", ""}};
  auto found =
      docker ? find_in_docker_archive(source, choice, limits, index) : find_in_layout(source, choice, limits, index);
  if (found.ok()) {
    HOLDS(found->layers.size() <= limits.layers, "");
    HOLDS(found->layers.size() == found->config.diff_ids.size(), "");
  }
  (void)parse_image_config("config", others);  // what is right of it the unit tests say
}

}  // namespace
}  // namespace minirun::unpack

FUZZ(input) {
  using namespace minirun::unpack;
  uint8_t kind = input.byte();
  if (kind % 4 == 0) return check_texts(input.part('\xff'), input.rest(), (kind & 4) != 0);
  size_t blocks = input.byte();
  size_t first = std::min(input.rest().size(), blocks * 512);
  check_layers(input.rest().substr(0, first), input.rest().substr(first));
}
