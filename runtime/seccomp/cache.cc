// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runtime/text/log.h"
#include "runtime/text/version.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr size_t kMaxFile = size_t{4} << 20;  // the longest filter is 32 KiB; the key is as long as the profile
constexpr char kMagic[4] = {'m', 'r', 's', 'c'};
// Raise it when the file's layout changes. A file of another format counts as missing.
constexpr uint32_t kFormat = 3;

// The file: this header, then key, filter, skipped names (each followed by a NUL). In the machine's own byte order,
// since the key names the machine.
struct Header {
  char magic[4];
  uint32_t format;
  uint64_t checksum;  // over everything after this member
  uint32_t flags;
  uint32_t key_size;  // the sizes in bytes
  uint32_t filter_size;
  uint32_t skipped_size;
};
static_assert(std::is_trivially_copyable_v<Header> && sizeof(Header) == 32);
constexpr size_t kChecked = 16;  // the offset after it

// Detects damage and makes file names; it does not stop attackers. A file counts only with the right owner and the
// whole key.
uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;
  uint64_t hash = kOdd ^ bytes.size();
  auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 29;
  };
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    mix(word);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes.data(), bytes.size());
  mix(rest);
  mix(hash >> 32);
  return hash;
}

// Lengths precede contents, so that no two sections have the same key.
class Key {
 public:
  void number(uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
  }
  void optional(const std::optional<uint32_t>& value) { number(value ? *value : UINT64_MAX); }
  void rule(const oci::SeccompRule& rule) {
    number(rule.names.size());
    for (const std::string& name : rule.names) text(name);
    number(static_cast<uint64_t>(rule.action));
    optional(rule.errno_ret);
    number(rule.args.size());
    for (const oci::SeccompArg& arg : rule.args) {
      number(arg.index);
      number(arg.value);
      number(arg.value_two);
      number(static_cast<uint64_t>(arg.op));
    }
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

bool is_private(const struct stat& status, mode_t type, mode_t permissions) {
  return (status.st_mode & S_IFMT) == type && status.st_uid == geteuid() && (status.st_mode & 07777) == permissions;
}

// An owned directory below `parent`; makes a missing one.
UniqueFd open_private_directory(int parent, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(openat(parent, name, kFlags));
  if (!fd && errno == ENOENT && mkdirat(parent, name, 0700) == 0) fd.reset(openat(parent, name, kFlags));
  struct stat status = {};
  if (fd && (fstat(fd.get(), &status) < 0 || !is_private(status, S_IFDIR, 0700))) fd.reset();
  return fd;
}

UniqueFd open_cache(int state_root_fd) {
  if (state_root_fd < 0) return UniqueFd();
  UniqueFd outer = open_private_directory(state_root_fd, ".cache");
  return outer ? open_private_directory(outer.get(), "seccomp") : UniqueFd();
}

std::string encode(const std::string& key, const SeccompProgram& program) {
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.format = kFormat;
  std::string skipped;
  for (const std::string& name : program.skipped_syscalls) skipped.append(name.c_str(), name.size() + 1);
  const std::string_view filter(reinterpret_cast<const char*>(program.filter.data()),
                                program.filter.size() * sizeof(sock_filter));
  header.flags = program.flags;
  header.key_size = static_cast<uint32_t>(key.size());
  header.filter_size = static_cast<uint32_t>(filter.size());
  header.skipped_size = static_cast<uint32_t>(skipped.size());
  std::string file(sizeof header, '\0');
  file.append(key).append(filter).append(skipped);
  std::memcpy(file.data(), &header, sizeof header);
  header.checksum = hash_bytes(std::string_view(file).substr(kChecked));
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

std::optional<SeccompProgram> decode(std::string_view file, const std::string& key) {
  Header header;
  if (file.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, file.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.format != kFormat) return std::nullopt;
  if (header.checksum != hash_bytes(file.substr(kChecked))) return std::nullopt;
  file.remove_prefix(sizeof header);
  if (file.size() != uint64_t{header.key_size} + header.filter_size + header.skipped_size) return std::nullopt;
  if (file.substr(0, header.key_size) != key || header.filter_size % sizeof(sock_filter) != 0) return std::nullopt;
  SeccompProgram program;
  program.flags = header.flags;
  program.filter.resize(header.filter_size / sizeof(sock_filter));
  std::memcpy(program.filter.data(), file.data() + header.key_size, header.filter_size);
  std::string_view skipped = file.substr(header.key_size + size_t{header.filter_size});
  for (size_t end = 0; (end = skipped.find('\0')) != std::string_view::npos; skipped.remove_prefix(end + 1))
    program.skipped_syscalls.emplace_back(skipped.substr(0, end));
  return program;
}

std::optional<SeccompProgram> look_up(int cache, const std::string& name, const std::string& key) {
  UniqueFd fd(openat(cache, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status = {};
  if (!fd || fstat(fd.get(), &status) < 0 || !is_private(status, S_IFREG, 0600)) return std::nullopt;
  auto file = read_all(fd.get(), kMaxFile, name);
  return file.ok() ? decode(*file, key) : std::nullopt;
}

// Makes room for one more. May remove a file that another start is about to use, which then compiles again.
void remove_oldest(int cache) {
  std::vector<std::pair<int64_t, std::string>> files;  // time of writing in nanoseconds, name
  auto read = for_each_entry(cache, ".", [&](const dirent& entry) -> Result<bool> {
    struct stat status = {};
    if (fstatat(cache, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(status.st_mode)) return true;
    files.emplace_back(int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec, entry.d_name);
    return true;
  });
  if (!read.ok() || files.size() < kMaxCachedFilters) return;  // the next time
  std::sort(files.begin(), files.end());
  files.resize(files.size() - kMaxCachedFilters + 1);
  for (const auto& [time, name] : files) (void)unlinkat(cache, name.c_str(), 0);  // gone already, or the next time
}

}  // namespace

std::string seccomp_cache_key(const oci::Seccomp& seccomp) {
  Key key;
  utsname system = {};
  (void)uname(&system);  // fails for a bad pointer only
  key.text(minirun_version());
  key.text(seccomp_generator());
  key.text(libseccomp_version());
  key.text(system.release);
  key.text(system.machine);
  key.number(static_cast<uint64_t>(seccomp.default_action));
  key.optional(seccomp.default_errno_ret);
  key.number(seccomp.architectures.size());
  for (oci::SeccompArch arch : seccomp.architectures) key.number(static_cast<uint64_t>(arch));
  key.optional(seccomp.flags);
  key.number(seccomp.syscalls.size());
  for (const oci::SeccompRule& rule : seccomp.syscalls) key.rule(rule);
  return key.take();
}

std::string seccomp_cache_name(const std::string& key) {
  return fmt::format("{:016x}", hash_bytes(key));
}

Result<SeccompProgram> cached_seccomp(int state_root_fd, const oci::Seccomp& seccomp) {
  UniqueFd cache = open_cache(state_root_fd);
  if (!cache) return compile_seccomp(seccomp);
  const std::string key = seccomp_cache_key(seccomp);
  const std::string name = seccomp_cache_name(key);
  if (auto found = look_up(cache.get(), name, key)) return std::move(*found);
  SeccompProgram program = TRY(compile_seccomp(seccomp));
  remove_oldest(cache.get());
  // A cache that cannot be written (full, read-only) only costs time.
  (void)replace_file(cache.get(), name, encode(key, program), 0600);
  return program;
}

Result<std::optional<SeccompProgram>> cached_seccomp(int state_root_fd, const std::optional<oci::Seccomp>& seccomp) {
  if (!seccomp) return std::optional<SeccompProgram>();
  SeccompProgram program = TRY(cached_seccomp(state_root_fd, *seccomp));
  for (const std::string& name : program.skipped_syscalls)
    log_debug("config.json: /linux/seccomp: system call {} is not known, no rule was made", name);
  return std::optional(std::move(program));
}

}  // namespace minirun
