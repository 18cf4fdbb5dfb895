// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/end_page.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "namespaces/end_page.h"
#include "runtime/text/log.h"
#include "runtime/text/timestamp.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kPageName = "end";
constexpr int64_t kMostSignal = 64;

// waitpid(2) gives no other.
bool is_wait_status(int32_t status) {
  constexpr int32_t kSignalBits = 0x7f, kCoreDumped = 0x80, kCodeBits = 0xff00;
  const int32_t signal = status & kSignalBits;
  if (signal == 0) return (status & ~kCodeBits) == 0;
  return (status & ~(kSignalBits | kCoreDumped)) == 0 && signal <= kMostSignal;
}

std::optional<uint64_t> span_us(int64_t seconds, int64_t us) {
  constexpr int64_t kSecond = 1'000'000, kMostSeconds = int64_t{1} << 32;  // of CPU time: more than a century
  if (seconds < 0 || seconds > kMostSeconds || us < 0 || us >= kSecond) return std::nullopt;
  return static_cast<uint64_t>(seconds * kSecond + us);
}

std::optional<uint64_t> bytes_of(int64_t kib) {
  constexpr int64_t kMostKib = int64_t{1} << 42;  // what JSON readers still count exactly, in bytes
  if (kib < 0 || kib > kMostKib) return std::nullopt;
  return static_cast<uint64_t>(kib) * 1024;
}

std::string time_of(const EndPage& page, const std::string& created, const timespec& now) {
  constexpr int64_t kSecond = 1'000'000'000;
  if (page.seconds < 0 || page.nanoseconds < 0 || page.nanoseconds >= kSecond) return "";
  const bool later = page.seconds > now.tv_sec || (page.seconds == now.tv_sec && page.nanoseconds > now.tv_nsec);
  if (later) return "";
  const timespec time{page.seconds, page.nanoseconds};
  return rfc3339(time) < created ? "" : rfc3339(time, kMicroseconds);
}

}  // namespace

Result<UniqueFd> make_end_page(int state_fd) {
  auto make = [&]() -> Result<UniqueFd> {
    UniqueFd file = TRY(open_at(state_fd, kPageName, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    EndPage page{};
    page.magic = kEndPageMagic;
    page.format = kEndPageFormat;
    std::string bytes(kEndPageBytes, '\0');
    memcpy(bytes.data(), &page, sizeof page);
    TRY(write_all(file.get(), bytes, "the page of the container's end"));
    return file;
  };
  auto made = make();
  if (!made.ok()) return in_state_directory(state_fd, made.error());
  return made;
}

Result<UniqueFd> open_end_page(int state_fd) {
  return open_at(state_fd, kPageName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

// By a system call and not by a mapping: if it is cut, or the filesystem fails, that is no SIGBUS.
static Result<std::string> bytes_of_page(int state_fd) {
  UniqueFd file = TRY(open_end_page(state_fd));
  std::string bytes(sizeof(EndPage), '\0');
  ssize_t n = pread(file.get(), bytes.data(), bytes.size(), 0);
  if (n < 0) return fail(errno, "read the page of the container's end");
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

std::optional<OwnEnd> read_end_page(const StateDirectory& state, const ContainerRecord& record) {
  auto bytes = bytes_of_page(state.fd());
  if (!bytes.ok()) {
    if (bytes.error().code != ENOENT) log_debug("{}: {}", record.id, bytes.error().text());
    return std::nullopt;
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return parse_end_page(*bytes, record.created, now);
}

std::optional<OwnEnd> parse_end_page(std::string_view bytes, const std::string& created, const timespec& now) {
  EndPage page{};
  if (bytes.size() < sizeof page) return std::nullopt;
  memcpy(&page, bytes.data(), sizeof page);
  const bool known = page.magic == kEndPageMagic && page.format == kEndPageFormat && page.state == kEndWritten;
  if (!known || !is_wait_status(page.wait_status)) return std::nullopt;
  OwnEnd end;
  end.wait_status = page.wait_status;
  end.last_signal = page.last_signal <= kMostSignal ? static_cast<int>(page.last_signal) : 0;
  end.time = time_of(page, created, now);
  end.user_us = span_us(page.user_seconds, page.user_us);
  end.system_us = span_us(page.system_seconds, page.system_us);
  end.max_rss_bytes = bytes_of(page.max_rss_kib);
  return end;
}

}  // namespace minirun
