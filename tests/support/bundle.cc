// SPDX-License-Identifier: Apache-2.0
#include "tests/support/bundle.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "sys/file.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

[[noreturn]] void give_up(const std::string& what) {
  (void)fprintf(stderr, "integration_tests: %s: %s\n", what.c_str(), errno_text(errno).c_str());
  abort();
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

int remove_entry(const char* path, const struct stat*, int, struct FTW*) {
  return remove(path);
}

}  // namespace

json default_config() {
  static const char* const kText = R"({
    "ociVersion": "1.3.0",
    "process": {
      "terminal": false,
      "user": {"uid": 0, "gid": 0},
      "args": ["/bin/payload", "true"],
      "env": ["PATH=/bin:/usr/bin", "TERM=dumb"],
      "cwd": "/",
      "capabilities": {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE"],
        "effective": ["CAP_CHOWN", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE"]
      },
      "noNewPrivileges": true
    },
    "root": {"path": "rootfs"},
    "hostname": "tested",
    "mounts": [
      {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
      {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
       "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
      {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
       "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
      {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
       "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
      {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
    ],
    "linux": {
      "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                     {"type": "cgroup"}]
    }
  })";
  return json::parse(kText);
}

Bundle::Bundle() : config(default_config()) {
  std::array<char, 32> name{"/run/tests/bundle-XXXXXX"};
  if (mkdtemp(name.data()) == nullptr) give_up("mkdtemp");
  path_ = name.data();
  // mkdtemp gives 0700: a workload that is not root could not reach its files.
  if (chmod(path_.c_str(), 0755) != 0) give_up("chmod " + path_);
  for (const char* folder : {"/bin", "/etc", "/proc", "/dev", "/sys", "/tmp"}) add_folder(folder);
  std::string source = program("PAYLOAD", "payload");
  if (!copy_program(source, rootfs() + "/bin/payload")) give_up("copy " + source);
  add_file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv/web:/bin/sh\n");
}

Bundle::~Bundle() {
  remove_tree(path_);
}

void Bundle::payload(const std::vector<std::string>& args) {
  config["process"]["args"] = {"/bin/payload"};
  for (const std::string& arg : args) config["process"]["args"].push_back(arg);
}

void Bundle::add_capability(const char* capability) {
  for (const char* set : {"bounding", "effective", "permitted"})
    config["process"]["capabilities"][set].push_back(capability);
}

void Bundle::add_file(const std::string& path, const std::string& content, unsigned mode) const {
  make_folders(rootfs() + parent_of(path));
  write_new_file(rootfs() + path, content, mode);
}

void Bundle::add_folder(const std::string& path) const {
  make_folders(rootfs() + path);
}

void Bundle::add_link(const std::string& path, const std::string& target) const {
  make_folders(rootfs() + parent_of(path));
  if (symlink(target.c_str(), (rootfs() + path).c_str()) != 0) give_up("symlink " + path);
}

bool Bundle::add_busybox(const std::vector<std::string>& applets) const {
  if (!copy_program("/bin/busybox", rootfs() + "/bin/busybox")) return false;
  for (const std::string& applet : applets) add_link("/bin/" + applet, "busybox");
  return true;
}

void Bundle::add_mount(const std::string& destination, const std::string& type, const std::string& source,
                       const std::vector<std::string>& options) {
  config["mounts"].push_back({{"destination", destination}, {"type", type}, {"source", source}, {"options", options}});
}

void Bundle::drop_namespace(const std::string& type) {
  json& list = config["linux"]["namespaces"];
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i]["type"] == type) {
      list.erase(i);
      return;
    }
  }
}

void Bundle::add_user_namespace(unsigned ids) {
  config["linux"]["namespaces"].push_back({{"type", "user"}});
  for (const char* maps : {"uidMappings", "gidMappings"})
    config["linux"][maps] = {{{"containerID", 0}, {"hostID", 100000}, {"size", ids}}};
  if (system(("chown -hR 100000:100000 " + rootfs()).c_str()) != 0) give_up("chown -hR " + rootfs());
}

void Bundle::join_namespace(const std::string& type, const std::string& path) {
  drop_namespace(type);
  config["linux"]["namespaces"].push_back({{"type", type}, {"path", path}});
}

void Bundle::write() const {
  write_raw(config.dump(2));
}

void Bundle::write_raw(const std::string& text) const {
  std::string path = path_ + "/config.json";
  (void)unlink(path.c_str());  // there from an earlier write, or not
  write_new_file(path, text, 0644);
}

std::string program(const char* variable, const std::string& name) {
  if (const char* path = getenv(variable)) return path;
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) give_up("readlink /proc/self/exe");
  return parent_of(self.data()) + "/" + name;
}

void write_new_file(const std::string& path, const std::string& content, unsigned mode) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd) give_up("create " + path);
  if (fchmod(fd.get(), mode) != 0) give_up("chmod " + path);
  for (size_t done = 0; done < content.size();) {
    ssize_t n = write(fd.get(), content.data() + done, content.size() - done);
    if (n < 0) give_up("write " + path);
    done += static_cast<size_t>(n);
  }
}

bool copy_program(const std::string& from, const std::string& to) {
  UniqueFd in(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return false;
  UniqueFd out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
  if (!out) give_up("create " + to);
  ssize_t n = 0;
  while ((n = sendfile(out.get(), in.get(), nullptr, 1 << 20)) > 0) {
  }
  if (n < 0) give_up("copy " + from);
  return true;
}

void make_folders(const std::string& path) {
  for (size_t slash = 1; slash != std::string::npos;) {
    slash = path.find('/', slash);
    std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) give_up("mkdir " + folder);
    if (slash != std::string::npos) ++slash;
  }
}

void remove_tree(const std::string& path) {
  (void)nftw(path.c_str(), remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);  // what stays is seen by the fixture
}

}  // namespace minirun::testing
