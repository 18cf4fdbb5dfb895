// SPDX-License-Identifier: Apache-2.0
// Images for tests, with whatever names and numbers a test wants.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "unpack/tar_reader.h"

struct archive;  // of libarchive

namespace minirun::unpack::testing {

TarEntry file_entry(const std::string& path, uint32_t mode = 0644);
TarEntry directory_entry(const std::string& path, uint32_t mode = 0755);
TarEntry link_entry(const std::string& path, const std::string& target);
TarEntry hard_link_entry(const std::string& path, const std::string& target);

// A tar archive (pax).
class TarMaker {
 public:
  TarMaker();
  ~TarMaker();
  TarMaker(const TarMaker&) = delete;
  TarMaker& operator=(const TarMaker&) = delete;

  TarMaker& add(TarEntry entry, std::string_view content = "");
  TarMaker& file(const std::string& path, std::string_view content = "") { return add(file_entry(path), content); }
  TarMaker& directory(const std::string& path) { return add(directory_entry(path)); }
  TarMaker& link(const std::string& path, const std::string& target) { return add(link_entry(path, target)); }
  TarMaker& hard_link(const std::string& path, const std::string& target) { return add(hard_link_entry(path, target)); }
  // Once.
  std::string done();

 private:
  struct archive* archive_;
  std::string bytes_;
};

std::string compressed(std::string_view bytes, const char* filter);  // "gzip" or "zstd"
std::string sha256(std::string_view bytes);                          // "sha256:HEX"

// "diff_ids":[...] of layers as they are once decompressed.
std::string config_of(const std::vector<std::string>& layers, const std::string& config = "{}",
                      const std::string& architecture = "amd64");

struct LayoutLayer {
  std::string plain;        // tar
  std::string filter = "";  // "", "gzip", "zstd"
};

// Writes an image layout with one image into the directory, which must exist. Returns the manifest's descriptor.
std::string write_layout(const std::string& directory, const std::vector<LayoutLayer>& layers,
                         const std::string& config = "{}", const std::string& architecture = "amd64");
// Of several descriptors, joined by commas.
void write_index(const std::string& directory, const std::string& descriptors);
std::string write_blob(const std::string& directory, std::string_view bytes);  // its digest

}  // namespace minirun::unpack::testing
