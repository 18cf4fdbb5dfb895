#include "tests/support/hung_filesystem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "sys/file.h"
#include "tests/support/bundle.h"

namespace minirun::testing {
namespace {

constexpr const char* kDevice = "/dev/fuse";

[[noreturn]] void give_up(const char* what) {
  (void)fprintf(stderr, "integration_tests: %s: %s\n", what, errno_text(errno).c_str());
  ::abort();
}

void answer(int fd, uint64_t unique, int error, void* body, size_t size) {
  fuse_out_header header{static_cast<uint32_t>(sizeof header + size), error, unique};
  iovec parts[] = {{&header, sizeof header}, {body, size}};
  (void)!writev(fd, parts, size == 0 ? 1 : 2);
}

void serve_one(int fd, const fuse_in_header& request, std::atomic<int>* held) {
  if (request.opcode == FUSE_INIT) {
    fuse_init_out init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_write = 4096;
    return answer(fd, request.unique, 0, &init, sizeof init);
  }
  if (request.opcode == FUSE_GETATTR) {
    fuse_attr_out out{};
    out.attr_valid = 1000;
    out.attr.ino = FUSE_ROOT_ID;
    out.attr.mode = S_IFDIR | 0755;
    out.attr.nlink = 2;
    return answer(fd, request.unique, 0, &out, sizeof out);
  }
  // Read and never answered: who waits for it cannot be interrupted any more.
  if (request.opcode == FUSE_LOOKUP) ++*held;
  if (request.opcode == FUSE_LOOKUP || request.opcode == FUSE_FORGET || request.opcode == FUSE_INTERRUPT) return;
  answer(fd, request.unique, -ENOSYS, nullptr, 0);
}

[[noreturn]] void serve(int fd, std::atomic<int>* held) {
  alignas(fuse_in_header) static std::array<char, FUSE_MIN_READ_BUFFER + 4096> block;
  for (;;) {
    ssize_t n = read(fd, block.data(), block.size());
    if (n < 0 && errno == ENODEV) _exit(0);  // unmounted
    if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
    fuse_in_header request{};
    memcpy(&request, block.data(), sizeof request);
    serve_one(fd, request, held);
  }
}

}  // namespace

bool HungFilesystem::is_possible() {
  auto known = read_file(AT_FDCWD, "/proc/filesystems");
  return known.ok() && known->find("\tfuse\n") != std::string::npos && access(kDevice, R_OK | W_OK) == 0;
}

bool HungFilesystem::is_waited_for_by(pid_t pid) const {
  if (*held_ == 0) return false;
  auto where = read_file(AT_FDCWD, fmt::format("/proc/{}/wchan", pid));
  return where.ok() && (where->find("request_wait_answer") != std::string::npos || where->starts_with("fuse_"));
}

HungFilesystem::HungFilesystem(const std::string& path) : path_(path) {
  make_folders(path_);
  void* shared = mmap(nullptr, sizeof *held_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) give_up("mmap");
  held_ = new (shared) std::atomic<int>(0);
  UniqueFd fd(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!fd) give_up(kDevice);
  std::string options = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", fd.get());
  if (mount("hung", path_.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) give_up("mount fuse");
  server_ = fork();
  if (server_ < 0) give_up("fork");
  if (server_ == 0) serve(fd.get(), held_);
}

void HungFilesystem::abort() {
  if (server_ <= 0) return;
  (void)kill(server_, SIGKILL);
  (void)waitpid(server_, nullptr, 0);
  server_ = -1;
}

HungFilesystem::~HungFilesystem() {
  abort();
  (void)umount2(path_.c_str(), MNT_DETACH);
  (void)munmap(held_, sizeof *held_);
}

}  // namespace minirun::testing
