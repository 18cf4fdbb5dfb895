// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fuse_server.h"

#include <fcntl.h>
#include <fmt/format.h>
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

#include "sys/fd.h"
#include "sys/file.h"
#include "tests/support/bundle.h"

namespace minirun::testing {
namespace {

constexpr const char* kDevice = "/dev/fuse";

[[noreturn]] void give_up(const char* what) {
  (void)fprintf(stderr, "integration_tests: %s: %s\n", what, errno_text(errno).c_str());
  ::abort();
}

bool answer_here(const FuseRequest& request) {
  if (request.header.opcode == FUSE_INIT) {
    fuse_init_out init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_write = 4096;
    request.answer(0, &init, sizeof init);
    return true;
  }
  if (request.header.opcode != FUSE_GETATTR || request.header.nodeid != FUSE_ROOT_ID) return false;
  fuse_attr_out out{};
  out.attr_valid = 1000;
  out.attr = FuseRequest::attributes(FUSE_ROOT_ID, S_IFDIR | 0755);
  request.answer(0, &out, sizeof out);
  return true;
}

[[noreturn]] void serve_all(int fd, const std::function<void(const FuseRequest&)>& serve) {
  alignas(fuse_in_header) static std::array<char, FUSE_MIN_READ_BUFFER + 4096> block;
  for (;;) {
    ssize_t n = read(fd, block.data(), block.size());
    if (n < 0 && errno == ENODEV) _exit(0);  // unmounted
    if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
    FuseRequest request{{}, block.data() + sizeof request.header, fd};
    memcpy(&request.header, block.data(), sizeof request.header);
    if (!answer_here(request)) serve(request);
  }
}

}  // namespace

void FuseRequest::answer(int error, const void* out, size_t size) const {
  fuse_out_header reply{static_cast<uint32_t>(sizeof reply + size), error, header.unique};
  iovec parts[] = {{&reply, sizeof reply}, {const_cast<void*>(out), size}};
  (void)!writev(device, parts, size == 0 ? 1 : 2);
}

fuse_attr FuseRequest::attributes(uint64_t node, uint32_t mode) {
  fuse_attr attributes{};
  attributes.ino = node;
  attributes.mode = mode;
  attributes.nlink = S_ISDIR(mode) ? 2 : 1;
  return attributes;
}

bool FuseServer::is_possible() {
  auto known = read_file(AT_FDCWD, "/proc/filesystems");
  return known.ok() && known->find("\tfuse\n") != std::string::npos && access(kDevice, R_OK | W_OK) == 0;
}

FuseServer::FuseServer(const std::string& path, std::function<void(const FuseRequest&)> serve) : path_(path) {
  make_folders(path_);
  UniqueFd fd(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!fd) give_up(kDevice);
  std::string options = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", fd.get());
  if (mount("of-a-test", path_.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) give_up("mount fuse");
  server_ = fork();
  if (server_ < 0) give_up("fork");
  if (server_ == 0) serve_all(fd.get(), serve);
}

void FuseServer::abort() {
  if (server_ <= 0) return;
  (void)kill(server_, SIGKILL);
  (void)waitpid(server_, nullptr, 0);
  server_ = -1;
}

FuseServer::~FuseServer() {
  abort();
  (void)umount2(path_.c_str(), MNT_DETACH);
}

}  // namespace minirun::testing
