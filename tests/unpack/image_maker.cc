// SPDX-License-Identifier: Apache-2.0
#include "tests/unpack/image_maker.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <clocale>
#include <fstream>

#include "unpack/digest.h"

namespace minirun::unpack::testing {
namespace {

la_ssize_t append_bytes(struct archive* /*archive*/, void* data, const void* block, size_t size) {
  static_cast<std::string*>(data)->append(static_cast<const char*>(block), size);
  return static_cast<la_ssize_t>(size);
}

unsigned file_type_of(EntryType type) {
  switch (type) {
    case EntryType::directory:
      return AE_IFDIR;
    case EntryType::symlink:
      return AE_IFLNK;
    case EntryType::character:
      return AE_IFCHR;
    case EntryType::block:
      return AE_IFBLK;
    case EntryType::fifo:
      return AE_IFIFO;
    default:
      return AE_IFREG;
  }
}

void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  EXPECT_TRUE(file) << path;
}

}  // namespace

TarEntry file_entry(const std::string& path, uint32_t mode) {
  TarEntry entry;
  entry.type = EntryType::regular;
  entry.path = path;
  entry.mode = mode;
  entry.mtime = 1'600'000'000;
  return entry;
}

TarEntry directory_entry(const std::string& path, uint32_t mode) {
  TarEntry entry = file_entry(path, mode);
  entry.type = EntryType::directory;
  return entry;
}

TarEntry link_entry(const std::string& path, const std::string& target) {
  TarEntry entry = file_entry(path, 0777);
  entry.type = EntryType::symlink;
  entry.link = target;
  return entry;
}

TarEntry hard_link_entry(const std::string& path, const std::string& target) {
  TarEntry entry = link_entry(path, target);
  entry.type = EntryType::hard_link;
  return entry;
}

TarMaker::TarMaker() : archive_(archive_write_new()) {
  EXPECT_NE(setlocale(LC_CTYPE, "C.UTF-8"), nullptr);  // pax headers are UTF-8
  EXPECT_EQ(archive_write_set_format_pax_restricted(archive_), ARCHIVE_OK);
  EXPECT_EQ(archive_write_open(archive_, &bytes_, nullptr, append_bytes, nullptr), ARCHIVE_OK);
}

TarMaker::~TarMaker() {
  archive_write_free(archive_);
}

TarMaker& TarMaker::add(TarEntry entry, std::string_view content) {
  struct archive_entry* made = archive_entry_new();
  archive_entry_set_pathname(made, entry.path.c_str());
  archive_entry_set_filetype(made, file_type_of(entry.type));
  archive_entry_set_perm(made, entry.mode);
  archive_entry_set_uid(made, entry.uid);
  archive_entry_set_gid(made, entry.gid);
  archive_entry_set_mtime(made, entry.mtime, entry.mtime_ns);
  archive_entry_set_size(made, static_cast<int64_t>(entry.type == EntryType::regular ? content.size() : 0));
  if (entry.type == EntryType::symlink) archive_entry_set_symlink(made, entry.link.c_str());
  if (entry.type == EntryType::hard_link) archive_entry_set_hardlink(made, entry.link.c_str());
  archive_entry_set_rdevmajor(made, entry.device_major);
  archive_entry_set_rdevminor(made, entry.device_minor);
  for (const auto& [name, value] : entry.xattrs)
    archive_entry_xattr_add_entry(made, name.c_str(), value.data(), value.size());
  EXPECT_EQ(archive_write_header(archive_, made), ARCHIVE_OK) << entry.path << archive_error_string(archive_);
  if (!content.empty()) {
    EXPECT_EQ(archive_write_data(archive_, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
  }
  archive_entry_free(made);
  return *this;
}

std::string TarMaker::done() {
  EXPECT_EQ(archive_write_close(archive_), ARCHIVE_OK);
  return bytes_;
}

std::string compressed(std::string_view bytes, const char* filter) {
  std::string out;
  struct archive* archive = archive_write_new();
  archive_write_set_format_raw(archive);
  EXPECT_EQ(archive_write_add_filter_by_name(archive, filter), ARCHIVE_OK);
  EXPECT_EQ(archive_write_set_bytes_in_last_block(archive, 1), ARCHIVE_OK);
  EXPECT_EQ(archive_write_open(archive, &out, nullptr, append_bytes, nullptr), ARCHIVE_OK);
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  EXPECT_EQ(archive_write_header(archive, entry), ARCHIVE_OK);
  EXPECT_EQ(archive_write_data(archive, bytes.data(), bytes.size()), static_cast<la_ssize_t>(bytes.size()));
  EXPECT_EQ(archive_write_close(archive), ARCHIVE_OK);
  archive_entry_free(entry);
  archive_write_free(archive);
  return out;
}

std::string sha256(std::string_view bytes) {
  Hasher hasher(false);
  hasher.update(bytes);
  return "sha256:" + hasher.hex();
}

std::string config_of(const std::vector<std::string>& layers, const std::string& config,
                      const std::string& architecture) {
  std::string ids;
  for (const std::string& layer : layers) ids += fmt::format("{}\"{}\"", ids.empty() ? "" : ",", sha256(layer));
  return fmt::format(R"({{"os":"linux","architecture":"{}","config":{},"rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                     architecture, config, ids);
}

std::string write_blob(const std::string& directory, std::string_view bytes) {
  std::string digest = sha256(bytes);
  (void)mkdir((directory + "/blobs").c_str(), 0755);  // there after the first
  (void)mkdir((directory + "/blobs/sha256").c_str(), 0755);
  write_file(directory + "/blobs/sha256/" + digest.substr(7), bytes);
  return digest;
}

std::string write_layout(const std::string& directory, const std::vector<LayoutLayer>& layers,
                         const std::string& config, const std::string& architecture) {
  std::string list;
  std::vector<std::string> plain;
  for (const LayoutLayer& layer : layers) {
    std::string bytes = layer.filter.empty() ? layer.plain : compressed(layer.plain, layer.filter.c_str());
    plain.push_back(layer.plain);
    list += fmt::format(R"({}{{"mediaType":"application/vnd.oci.image.layer.v1.tar{}","digest":"{}","size":{}}})",
                        list.empty() ? "" : ",", layer.filter.empty() ? "" : "+" + layer.filter,
                        write_blob(directory, bytes), bytes.size());
  }
  std::string image = config_of(plain, config, architecture);
  std::string manifest = fmt::format(
      R"({{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{}]}})",
      write_blob(directory, image), image.size(), list);
  std::string descriptor =
      fmt::format(R"("mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{})",
                  write_blob(directory, manifest), manifest.size());
  write_index(directory, "{" + descriptor + "}");
  return descriptor;
}

void write_index(const std::string& directory, const std::string& descriptors) {
  write_file(directory + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  write_file(directory + "/index.json", R"({"schemaVersion":2,"manifests":[)" + descriptors + "]}");
}

}  // namespace minirun::unpack::testing
