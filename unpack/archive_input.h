// SPDX-License-Identifier: Apache-2.0
// libarchive's callbacks upon a Stream: for the two files that know libarchive.
#pragma once

#include <archive.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "runtime/text/shown.h"
#include "sys/result.h"
#include "unpack/stream.h"

namespace minirun::unpack {

struct ArchiveDeleter {
  void operator()(struct archive* handle) const { (void)archive_read_free(handle); }
};

struct ArchiveInput {
  Stream& stream;
  std::string name;
  std::unique_ptr<struct archive, ArchiveDeleter> handle{archive_read_new()};
  std::optional<Error> error{};  // of the stream: libarchive passes on a text alone
  bool opened = false;

  Result<void> open() {
    if (opened) return {};
    opened = true;
    (void)archive_read_set_skip_callback(handle.get(), skip);
    if (archive_read_open(handle.get(), this, nullptr, read, nullptr) != ARCHIVE_OK) return failure();
    return {};
  }

  // What the last call has left.
  Error failure() const {
    if (error) return *error;
    const char* text = archive_error_string(handle.get());
    return fail(ErrorKind::config, "{}: {}", name, text != nullptr ? shown_line(text) : "cannot be read");
  }

  static la_ssize_t read(struct archive* /*handle*/, void* data, const void** block) {
    auto* self = static_cast<ArchiveInput*>(data);
    auto next = self->stream.next();
    if (!next.ok()) {
      self->error = next.error();
      archive_set_error(self->handle.get(), EIO, "the stream ended with an error");
      return ARCHIVE_FATAL;
    }
    *block = next->data();
    return static_cast<la_ssize_t>(next->size());
  }

  static la_int64_t skip(struct archive* /*handle*/, void* data, la_int64_t request) {
    return static_cast<la_int64_t>(static_cast<ArchiveInput*>(data)->stream.skip(static_cast<uint64_t>(request)));
  }
};

}  // namespace minirun::unpack
