// SPDX-License-Identifier: Apache-2.0
#include "unpack/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <clocale>

#include "unpack/archive_input.h"

namespace minirun::unpack {
namespace {

EntryType type_of(struct archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return EntryType::hard_link;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryType::regular;
    case AE_IFDIR:
      return EntryType::directory;
    case AE_IFLNK:
      return EntryType::symlink;
    case AE_IFCHR:
      return EntryType::character;
    case AE_IFBLK:
      return EntryType::block;
    case AE_IFIFO:
      return EntryType::fifo;
    default:
      return EntryType::other;
  }
}

std::string text_or_empty(const char* text) {
  return text != nullptr ? text : "";
}

// libarchive converts the names of pax headers, which are UTF-8, to the character set of the locale, and would write
// "?" in the place of what that does not have. glibc has C.UTF-8 without any file since 2.35.
void need_utf8() {
  [[maybe_unused]] static const char* locale = setlocale(LC_CTYPE, "C.UTF-8");
}

Result<uint32_t> id_of(const std::string& name, const char* what, int64_t value) {
  if (value < 0 || value >= UINT32_MAX)
    return fail(ErrorKind::config, "{}: must have {} from 0 to {}: found {}", name, what, UINT32_MAX - 1, value);
  return static_cast<uint32_t>(value);
}

void add_xattrs(struct archive_entry* entry, TarEntry* made) {
  (void)archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    std::string text = text_or_empty(name);
    // bsdtar writes each twice, in two notations.
    bool known =
        std::any_of(made->xattrs.begin(), made->xattrs.end(), [&](const auto& xattr) { return xattr.first == text; });
    if (!known) made->xattrs.emplace_back(text, std::string(static_cast<const char*>(value), size));
  }
}

}  // namespace

struct TarReader::State : ArchiveInput {};

TarReader::TarReader(Stream& stream, std::string name) : state_(new State{{stream, std::move(name)}}) {
  need_utf8();
  (void)archive_read_support_format_tar(state_->handle.get());
}

TarReader::TarReader(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<std::optional<TarEntry>> TarReader::next() {
  TRY(state_->open());
  struct archive_entry* entry = nullptr;
  int result = archive_read_next_header(state_->handle.get(), &entry);
  if (result == ARCHIVE_EOF) return std::optional<TarEntry>();
  // A warning is about a name or a number that libarchive could not read as it is.
  if (result != ARCHIVE_OK) return state_->failure();
  TarEntry made;
  made.type = type_of(entry);
  made.path = text_or_empty(archive_entry_pathname(entry));
  made.link = made.type == EntryType::hard_link ? text_or_empty(archive_entry_hardlink(entry))
              : made.type == EntryType::symlink ? text_or_empty(archive_entry_symlink(entry))
                                                : "";
  std::string noun = fmt::format("{}: {}", state_->name, shown_line(made.path));
  if (made.path.empty()) return fail(ErrorKind::config, "{}: has an entry without a name", state_->name);
  made.mode = static_cast<uint32_t>(archive_entry_perm(entry)) & 07777u;
  made.uid = TRY(id_of(noun, "an owner", archive_entry_uid(entry)));
  made.gid = TRY(id_of(noun, "a group", archive_entry_gid(entry)));
  made.mtime = archive_entry_mtime(entry);
  made.mtime_ns = archive_entry_mtime_nsec(entry);
  if (made.mtime_ns < 0 || made.mtime_ns > 999'999'999) made.mtime_ns = 0;
  if (made.type == EntryType::regular) {
    if (archive_entry_size(entry) < 0) return fail(ErrorKind::config, "{}: has a negative size", noun);
    made.size = static_cast<uint64_t>(archive_entry_size(entry));
  }
  made.device_major = static_cast<uint32_t>(archive_entry_rdevmajor(entry));
  made.device_minor = static_cast<uint32_t>(archive_entry_rdevminor(entry));
  add_xattrs(entry, &made);
  return std::optional(std::move(made));
}

Result<TarBlock> TarReader::next_block() {
  const void* data = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  while (size == 0) {  // a part may be empty
    int result = archive_read_data_block(state_->handle.get(), &data, &size, &offset);
    if (result == ARCHIVE_EOF) return TarBlock{};
    if (result != ARCHIVE_OK) return state_->failure();
  }
  return TarBlock{{static_cast<const char*>(data), size}, static_cast<uint64_t>(offset)};
}

uint64_t TarReader::header_position() const {
  return static_cast<uint64_t>(archive_read_header_position(state_->handle.get()));
}

}  // namespace minirun::unpack
