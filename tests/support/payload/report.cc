// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "tests/support/payload/payload.h"

extern char** environ;

namespace payload {
namespace {

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    std::array<char, 8> escaped{};
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      (void)snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escaped.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Lines of one JSON object.
class Object {
 public:
  void raw(const std::string& key, const std::string& json) { items_.emplace_back(quote(key) + ": " + json); }
  void text(const std::string& key, const std::string& value) { raw(key, quote(value)); }
  void number(const std::string& key, long long value) { raw(key, std::to_string(value)); }
  void list(const std::string& key, const std::vector<std::string>& values) {
    std::string json = "[";
    for (const std::string& value : values) json += (json.size() > 1 ? ", " : "") + quote(value);
    raw(key, json + "]");
  }
  std::string json() const {
    std::string all = "{";
    for (const std::string& item : items_) all += (all.size() > 1 ? ",\n " : "") + item;
    return all + "}";
  }

 private:
  std::vector<std::string> items_;
};

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  size_t start = 0;
  for (size_t end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
    out.push_back(text.substr(start, end - start));
  }
  return out;
}

std::string link_target(const std::string& path) {
  std::array<char, 4096> target;
  ssize_t n = readlink(path.c_str(), target.data(), target.size());
  return n < 0 ? std::string() : std::string(target.data(), static_cast<size_t>(n));
}

std::vector<std::string> list_folder(const char* path) {
  std::vector<std::string> names;
  DIR* dir = opendir(path);
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  return names;
}

void add_ids(Object& o) {
  uid_t u[3];
  gid_t g[3];
  if (getresuid(&u[0], &u[1], &u[2]) != 0 || getresgid(&g[0], &g[1], &g[2]) != 0) broken("getresuid");
  o.raw("uids", "[" + std::to_string(u[0]) + ", " + std::to_string(u[1]) + ", " + std::to_string(u[2]) + "]");
  o.raw("gids", "[" + std::to_string(g[0]) + ", " + std::to_string(g[1]) + ", " + std::to_string(g[2]) + "]");
  std::array<gid_t, 1024> groups;
  int n = getgroups(static_cast<int>(groups.size()), groups.data());
  std::string json = "[";
  for (int i = 0; i < n; ++i) json += (i > 0 ? ", " : "") + std::to_string(groups[static_cast<size_t>(i)]);
  o.raw("groups", json + "]");
  o.number("pid", getpid());
  o.number("ppid", getppid());
  o.number("pgid", getpgid(0));
  o.number("sid", getsid(0));
  mode_t mask = umask(0);
  o.number("umask", mask);
  umask(mask);
}

std::string hex(unsigned long long value) {
  std::array<char, 20> text;
  (void)snprintf(text.data(), text.size(), "%016llx", value);
  return text.data();
}

void add_capabilities(Object& o) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) broken("capget");
  auto both = [&](unsigned low, unsigned high) { return hex(low | static_cast<unsigned long long>(high) << 32); };
  o.text("cap_effective", both(data[0].effective, data[1].effective));
  o.text("cap_permitted", both(data[0].permitted, data[1].permitted));
  o.text("cap_inheritable", both(data[0].inheritable, data[1].inheritable));
  unsigned long long bounding = 0;
  unsigned long long ambient = 0;
  for (unsigned cap = 0; cap < 64; ++cap) {
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1) bounding |= 1ULL << cap;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) ambient |= 1ULL << cap;
  }
  o.text("cap_bounding", hex(bounding));
  o.text("cap_ambient", hex(ambient));
  o.number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  int death_signal = 0;
  (void)prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  o.number("death_signal", death_signal);
  o.number("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

void add_limits(Object& o) {
  constexpr std::pair<const char*, int> kLimits[] = {{"RLIMIT_AS", RLIMIT_AS},
                                                     {"RLIMIT_CORE", RLIMIT_CORE},
                                                     {"RLIMIT_CPU", RLIMIT_CPU},
                                                     {"RLIMIT_DATA", RLIMIT_DATA},
                                                     {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                                                     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                                                     {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                                                     {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                                                     {"RLIMIT_NICE", RLIMIT_NICE},
                                                     {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                                                     {"RLIMIT_NPROC", RLIMIT_NPROC},
                                                     {"RLIMIT_RSS", RLIMIT_RSS},
                                                     {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                                                     {"RLIMIT_RTTIME", RLIMIT_RTTIME},
                                                     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                                                     {"RLIMIT_STACK", RLIMIT_STACK}};
  Object limits;
  for (const auto& [name, number] : kLimits) {
    rlimit limit{};
    if (getrlimit(static_cast<__rlimit_resource_t>(number), &limit) != 0) broken("getrlimit");
    limits.raw(name, "[" + std::to_string(limit.rlim_cur) + ", " + std::to_string(limit.rlim_max) + "]");
  }
  o.raw("rlimits", limits.json());
}

void add_scheduling(Object& o) {
  o.number("nice", getpriority(PRIO_PROCESS, 0));
  o.number("policy", sched_getscheduler(0));
  sched_param parameter{};
  (void)sched_getparam(0, &parameter);
  o.number("priority", parameter.sched_priority);
  o.number("ioprio", syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, 0));
  o.number("personality", personality(0xffffffff));
  int mode = -1;
  std::array<unsigned long, 64> nodes{};
  (void)syscall(SYS_get_mempolicy, &mode, nodes.data(), nodes.size() * 64, nullptr, 0);
  o.number("memory_policy", mode);
  o.number("memory_nodes", static_cast<long long>(nodes[0]));
}

void add_surroundings(Object& o) {
  utsname names{};
  if (uname(&names) != 0) broken("uname");
  o.text("hostname", names.nodename);
  o.text("domainname", names.domainname);
  std::array<char, 4096> cwd{};
  o.text("cwd", getcwd(cwd.data(), cwd.size()) == nullptr ? "" : cwd.data());
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  o.list("env", environment);
  Object spaces;
  for (const char* name : {"pid", "net", "mnt", "ipc", "uts", "cgroup", "user", "time"}) {
    spaces.text(name, link_target(std::string("/proc/self/ns/") + name));
  }
  o.raw("namespaces", spaces.json());
  o.text("cgroup", slurp("/proc/self/cgroup"));
  o.list("mounts", lines(slurp("/proc/self/mountinfo")));
  o.list("status", lines(slurp("/proc/self/status")));
  o.text("oom_score_adj", slurp("/proc/self/oom_score_adj"));
  o.text("init_exe", link_target("/proc/1/exe"));
}

void add_descriptors(Object& o) {
  Object fds;
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat info {};
    if (fstat(fd, &info) == 0) fds.text(std::to_string(fd), link_target("/proc/self/fd/" + std::to_string(fd)));
  }
  o.raw("fds", fds.json());
  o.number("stdin_is_terminal", isatty(0));
}

void add_network(Object& o) {
  o.list("interfaces", list_folder("/sys/class/net"));
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  memcpy(request.ifr_name, "lo", 3);
  bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
  o.raw("loopback_up", up ? "true" : "false");
  if (fd >= 0) close(fd);
}

}  // namespace

int report(const Args& args) {
  Object o;
  add_descriptors(o);  // first, before anything else opens one
  add_ids(o);
  add_capabilities(o);
  add_limits(o);
  add_scheduling(o);
  add_surroundings(o);
  add_network(o);
  o.list("args", args);
  say(o.json() + "\n");
  return 0;
}

}  // namespace payload
