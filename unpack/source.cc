// SPDX-License-Identifier: Apache-2.0
#include "unpack/source.h"

#include <sys/stat.h>

#include <cerrno>
#include <map>

#include "runtime/text/json.h"
#include "runtime/text/shown.h"
#include "sys/file.h"
#include "sys/image_path.h"
#include "unpack/decompress.h"
#include "unpack/tar_reader.h"

namespace minirun::unpack {
namespace {

class DirectorySource final : public Source {
 public:
  DirectorySource(std::string name, UniqueFd fd) : name_(std::move(name)), fd_(std::move(fd)) {}

  const std::string& name() const override { return name_; }

  // Its links lead to no file outside of it. O_NONBLOCK: a FIFO must not hold minirun-unpack up.
  Result<std::unique_ptr<Stream>> open(const std::string& path) override {
    std::string noun = name_ + "/" + path;
    UniqueFd fd = open_in_image(fd_.get(), path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!fd) return fail(errno, "open {}", noun);
    uint64_t size = TRY(FileStream::size_of(fd.get(), noun));
    return std::unique_ptr<Stream>(std::make_unique<FileStream>(std::move(fd), noun, size));
  }

 private:
  std::string name_;
  UniqueFd fd_;
};

// The path without "." and empty names; "" where it has a "..".
std::string plain_path(std::string_view path) {
  std::string plain;
  while (!path.empty()) {
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name == "..") return "";
    if (!name.empty() && name != ".") (plain += plain.empty() ? "" : "/") += name;
  }
  return plain;
}

// What a link's text means from where the link stands.
std::string linked_path(const std::string& link, std::string_view target) {
  std::string folder = link.substr(0, link.find('/') == std::string::npos ? 0 : link.rfind('/'));
  while (target.starts_with("../")) {
    target.remove_prefix(3);
    folder.erase(folder.find('/') == std::string::npos ? 0 : folder.rfind('/'));
  }
  return plain_path(folder + "/" + std::string(target));
}

// The content of one entry of the archive.
class EntryStream final : public Stream {
 public:
  EntryStream(int fd, const std::string& archive, uint64_t position, uint64_t size, const std::string& path)
      : file_(fd, archive, position, size), reader_(file_, archive), path_(path) {}

  Result<void> begin() {
    auto entry = TRY(reader_.next());
    if (!entry || entry->type != EntryType::regular || plain_path(entry->path) != path_)
      return fail(ErrorKind::host, "{}: was changed meanwhile", path_);
    return {};
  }

  Result<std::string_view> next() override {
    TarBlock block = TRY(reader_.next_block());
    if (block.data.empty()) return block.data;
    // The digest would be that of other bytes.
    if (block.offset != seen_) return fail(ErrorKind::config, "{}: must not be a sparse file in the archive", path_);
    seen_ += block.data.size();
    return block.data;
  }

 private:
  FileStream file_;
  TarReader reader_;
  std::string path_;
  uint64_t seen_ = 0;
};

class ArchiveSource final : public Source {
 public:
  ArchiveSource(std::string name, UniqueFd fd, uint64_t size)
      : name_(std::move(name)), fd_(std::move(fd)), size_(size) {}

  const std::string& name() const override { return name_; }

  // Reads the headers; the content of files is skipped.
  Result<void> read_index() {
    constexpr size_t kMostEntries = 100'000;
    FileStream file(fd_.get(), name_, 0, size_);
    TarReader reader(file, name_);
    while (auto entry = TRY(reader.next())) {
      if (entries_.size() >= kMostEntries)
        return fail(ErrorKind::config, "{}: has more than {} entries", name_, kMostEntries);
      std::string path = plain_path(entry->path);
      Place place{reader.header_position(), ""};
      if (entry->type == EntryType::symlink) place.link = linked_path(path, entry->link);
      if (entry->type == EntryType::hard_link) place.link = plain_path(entry->link);
      bool is_file = entry->type == EntryType::regular || !place.link.empty();
      if (path.empty() || !is_file) continue;
      if (!entries_.emplace(path, place).second)
        return fail(ErrorKind::config, "{}: has {} twice", name_, shown_line(path));
    }
    return {};
  }

  // `docker save` and `podman save` write a layer once and link to it.
  Result<std::unique_ptr<Stream>> open(const std::string& path) override {
    constexpr int kMostLinks = 8;
    std::string wanted = plain_path(path);
    for (int i = 0; i < kMostLinks; i++) {
      auto found = entries_.find(wanted);
      if (found == entries_.end()) return fail(ENOENT, "find {} in {}", path, name_);
      if (found->second.link.empty()) {
        auto stream = std::make_unique<EntryStream>(fd_.get(), name_, found->second.position, size_, wanted);
        TRY(stream->begin());
        return std::unique_ptr<Stream>(std::move(stream));
      }
      wanted = found->second.link;
    }
    return fail(ELOOP, "find {} in {}", path, name_);
  }

 private:
  struct Place {
    uint64_t position;
    std::string link;
  };

  std::string name_;
  UniqueFd fd_;
  uint64_t size_;
  std::map<std::string, Place> entries_;
};

Result<std::unique_ptr<Source>> open_archive(const std::string& path, UniqueFd fd) {
  uint64_t size = TRY(FileStream::size_of(fd.get(), path));
  FileStream start(fd.get(), path, 0, size);
  Compression compression = compression_of(TRY(start.next()));
  if (compression != Compression::none)
    return fail(ErrorKind::config, "{}: must be an archive that is not compressed: {} makes it one", path,
                compression == Compression::gzip ? "gunzip" : "unzstd");
  auto source = std::make_unique<ArchiveSource>(path, std::move(fd), size);
  TRY(source->read_index());
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace

Result<std::unique_ptr<Source>> open_source(const std::string& path) {
  UniqueFd fd = TRY(open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat {}", path);
  if (S_ISDIR(facts.st_mode)) return std::unique_ptr<Source>(std::make_unique<DirectorySource>(path, std::move(fd)));
  if (!S_ISREG(facts.st_mode))
    return fail(ErrorKind::usage, "{}: must be a directory or a regular file: an archive is not read in order", path);
  return open_archive(path, std::move(fd));
}

Result<std::string> read_small(Stream& stream, const std::string& name, uint64_t most_bytes) {
  std::string text;
  while (true) {
    std::string_view block = TRY(stream.next());
    if (block.empty()) return text;
    if (text.size() + block.size() > most_bytes)
      return fail(ErrorKind::config, "{}: must have at most {} bytes (--max-json): it has more", name, most_bytes);
    text += block;
  }
}

Result<std::string> read_small(Source& source, const std::string& path, uint64_t most_bytes) {
  auto stream = TRY(source.open(path));
  return read_small(*stream, source.name() + "/" + path, most_bytes);
}

}  // namespace minirun::unpack
