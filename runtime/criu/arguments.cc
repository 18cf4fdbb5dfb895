// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/arguments.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "runtime/compile/mount_links.h"
#include "runtime/criu/config_file.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_options.h"
#include "sys/child_program.h"

namespace minirun {
namespace {

constexpr std::string_view kUsualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct NamespaceName {
  uint32_t type;
  const char* name;
  const char* key;
};
constexpr std::array kNamespaces = {NamespaceName{CLONE_NEWNET, "net", "extRootNetNS"},
                                    NamespaceName{CLONE_NEWPID, "pid", "extRootPidNS"},
                                    NamespaceName{CLONE_NEWUTS, "uts", ""},
                                    NamespaceName{CLONE_NEWIPC, "ipc", ""},
                                    NamespaceName{CLONE_NEWUSER, "user", ""},
                                    NamespaceName{0x80, "time", ""}};

using Arguments = std::vector<std::string>;

void add(Arguments& arguments, const char* option, std::string value) {
  arguments.emplace_back(option);
  arguments.push_back(std::move(value));
}

void add_if(Arguments& arguments, bool wanted, const char* option) {
  if (wanted) arguments.emplace_back(option);
}

// Also accepts runc's names where criu's own differ.
Result<void> add_empty_namespaces(Arguments& arguments, const oci::Strings& types) {
  for (const std::string& type : types) {
    if (type != "network") return fail(ErrorKind::usage, "--empty-ns {}: only network can be left empty", type);
    add(arguments, "--empty-ns", "net");
  }
  return {};
}

// minirun makes the cgroup and its limits itself, and starts criu inside it, so by default criu leaves cgroups alone.
Result<void> add_cgroups_mode(Arguments& arguments, const std::string& given, const std::string& cgroup_path,
                              bool restore) {
  constexpr std::array kModes = {"", "soft", "full", "strict", "ignore"};
  if (std::find(kModes.begin(), kModes.end(), given) == kModes.end())
    return fail(ErrorKind::usage, "--manage-cgroups-mode {}: must be soft, full, strict or ignore", given);
  std::string mode = given.empty() ? "ignore" : given;
  arguments.push_back("--manage-cgroups=" + mode);
  if (restore && mode != "ignore") add(arguments, "--cgroup-root", cgroup_path);
  return {};
}

void add_places(Arguments& arguments, const std::string& images, const std::string& work, const char* log,
                const std::string& root) {
  add(arguments, "--images-dir", images);
  add(arguments, "--work-dir", work);
  add(arguments, "--log-file", log);
  arguments.emplace_back("-v4");
  add(arguments, "--root", root);
}

// "HOST:PORT", "[ADDRESS]:PORT"
Result<void> add_page_server(Arguments& arguments, const std::string& server) {
  if (server.empty()) return {};
  size_t colon = server.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == server.size())
    return fail(ErrorKind::usage, "--page-server {}: must be ADDRESS:PORT", server);
  std::string address = server.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  arguments.emplace_back("--page-server");
  add(arguments, "--address", address);
  add(arguments, "--port", server.substr(colon + 1));
  return {};
}

Result<void> check_together(const DumpOptions& options) {
  if (options.pre_dump && options.lazy_pages)
    return fail(ErrorKind::usage, "--pre-dump and --lazy-pages exclude each other");
  if (!options.pre_dump && options.leave_running && options.lazy_pages)
    return fail(ErrorKind::usage,
                "--leave-running and --lazy-pages exclude each other: the memory is moved, not copied");
  if (options.parent_path.starts_with('/'))
    return fail(ErrorKind::usage, "--parent-path {}: must be relative to the directory of the images",
                options.parent_path);
  return {};
}

// The options that dump and restore share.
void add_shared_flags(Arguments& arguments, const CriuOptions& options) {
  add_if(arguments, options.tcp_established, "--tcp-established");
  add_if(arguments, options.ext_unix_sk, "--ext-unix-sk");
  add_if(arguments, options.shell_job, "--shell-job");
  add_if(arguments, options.file_locks, "--file-locks");
  add_if(arguments, options.auto_dedup, "--auto-dedup");
  add_if(arguments, options.lazy_pages, "--lazy-pages");
}

void add_dump_flags(Arguments& arguments, const DumpOptions& options) {
  add_if(arguments, options.leave_running && !options.pre_dump, "--leave-running");
  add_shared_flags(arguments, options);
  add_if(arguments, options.tcp_skip_in_flight, "--skip-in-flight");
  add_if(arguments, options.link_remap, "--link-remap");
  add_if(arguments, options.pre_dump || !options.parent_path.empty(), "--track-mem");
  if (!options.parent_path.empty()) add(arguments, "--prev-images-dir", options.parent_path);
  if (options.status_fd) add(arguments, "--status-fd", std::to_string(*options.status_fd));
}

}  // namespace

std::string criu_search_path() {
  const char* given = getenv("PATH");
  std::string path = given == nullptr ? "" : given;
  if (!path.empty()) path += ":";
  return path.append(kUsualPath);
}

bool in_search_path(const std::string& program) {
  return !find_program(program, criu_search_path()).empty();
}

Result<std::string> find_criu() {
  std::string path = find_program("criu", criu_search_path());
  if (path.empty()) return fail(ErrorKind::host, "criu is not installed: not found in {}", criu_search_path());
  return path;
}

std::vector<CriuMount> criu_mounts(const oci::Spec& spec, const std::string& bundle,
                                   const std::string& cgroup_directory, const std::string& console) {
  std::vector<CriuMount> mounts;
  for (const oci::Mount& mount : spec.mounts) {
    const MountOptions& options = mount.parsed;
    bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
    if (options.bind && !options.remount)
      mounts.push_back({mount.target, bind_source(mount, bundle)});
    else if (cgroup && !options.remount)
      mounts.push_back({mount.target, cgroup_directory});
  }
  for (const std::string& path : spec.linux_.masked_paths) mounts.push_back({clean_path(path), "/dev/null"});
  if (spec.process && spec.process->terminal) mounts.push_back({"/dev/console", console});
  return mounts;
}

std::vector<CriuNamespace> criu_namespaces(const oci::Spec& spec) {
  std::vector<CriuNamespace> joined;
  for (const oci::Namespace& ns : spec.linux_.namespaces) {
    if (ns.path.empty()) continue;
    for (const NamespaceName& known : kNamespaces)
      if (known.type == ns.type) joined.push_back({known.name, ns.path});
  }
  return joined;
}

std::string external_namespace_key(const std::string& type) {
  for (const NamespaceName& known : kNamespaces)
    if (type == known.name) return known.key;
  return "";
}

Result<std::vector<std::string>> dump_arguments(const DumpOptions& options, const DumpFacts& facts) {
  TRY(check_together(options));
  Arguments arguments = {options.pre_dump ? "pre-dump" : "dump", "--tree", std::to_string(facts.pid)};
  add_places(arguments, facts.images, facts.work, "dump.log", facts.rootfs);
  for (const CriuMount& mount : facts.mounts)
    add(arguments, "--external",
        fmt::format("mnt[{}]:{}", mount.at.empty() ? mount.destination : mount.at, mount.destination));
  for (const std::string& joined : facts.joined) add(arguments, "--external", joined);
  for (const std::string& of_init : {facts.init, facts.end_page})
    if (!of_init.empty()) add(arguments, "--external", of_init);
  Arguments added;
  for (const std::string& name : facts.descriptors) {
    // criu finds pipes and sockets itself; stdout and stderr are often the same.
    bool known = name.empty() || name.starts_with("pipe:") || name.starts_with("socket:");
    if (known || std::find(added.begin(), added.end(), name) != added.end()) continue;
    added.push_back(name);
    add(arguments, "--external", name);
  }
  TRY(add_cgroups_mode(arguments, options.manage_cgroups_mode, facts.cgroup_path, false));
  if (!facts.cgroup_directory.empty()) add(arguments, "--freeze-cgroup", facts.cgroup_directory);
  TRY(add_empty_namespaces(arguments, options.empty_ns));
  TRY(add_page_server(arguments, options.page_server));
  add_dump_flags(arguments, options);
  // criu blocks the peers of open connections with iptables. Without iptables it must not try.
  if (facts.config_fd >= 0) add(arguments, "--config", criu_config_path(facts.config_fd));
  if (!facts.iptables) add(arguments, "--network-lock", options.tcp_established ? "nftables" : "skip");
  return arguments;
}

Result<std::vector<std::string>> restore_arguments(const RestoreOptions& options, const RestoreFacts& facts) {
  // As minirun's child, so that minirun can wait for it.
  Arguments arguments = {"restore", "--restore-detached", "--restore-sibling", "--pidfile", facts.pid_file};
  add_places(arguments, facts.images, facts.work, "restore.log", facts.rootfs);
  for (const CriuMount& mount : facts.mounts)
    add(arguments, "--external", fmt::format("mnt[{}]:{}", mount.destination, mount.source));
  for (const InheritedFd& inherited : facts.inherited)
    add(arguments, "--inherit-fd", fmt::format("fd[{}]:{}", inherited.fd, inherited.name));
  for (const CriuNamespace& ns : facts.joined) add(arguments, "--join-ns", fmt::format("{}:{}", ns.type, ns.path));
  TRY(add_cgroups_mode(arguments, options.manage_cgroups_mode, facts.cgroup_path, true));
  TRY(add_empty_namespaces(arguments, options.empty_ns));
  add_shared_flags(arguments, options);
  if (facts.config_fd >= 0) add(arguments, "--config", criu_config_path(facts.config_fd));
  if (!options.lsm_profile.empty()) add(arguments, "--lsm-profile", options.lsm_profile);
  if (!options.lsm_mount_context.empty()) add(arguments, "--lsm-mount-context", options.lsm_mount_context);
  return arguments;
}

std::string criu_errors(std::string_view log) {
  constexpr size_t kMost = 3;
  std::vector<std::string> errors;
  for (size_t start = 0; start < log.size();) {
    size_t end = std::min(log.find('\n', start), log.size());
    std::string_view line = log.substr(start, end - start);
    start = end + 1;
    size_t error = line.find("Error (");
    // Logged at every start without CAP_SYS_RESOURCE, and harmless.
    if (error == std::string_view::npos || line.find("rlimit: Can't setup RLIMIT") != std::string_view::npos) continue;
    size_t text = line.find("): ", error);
    errors.emplace_back(text == std::string_view::npos ? line : line.substr(text + 3));
  }
  std::string joined;
  for (size_t i = errors.size() > kMost ? errors.size() - kMost : 0; i < errors.size(); i++)
    joined.append(joined.empty() ? "" : "; ").append(errors[i]);
  return joined;
}

}  // namespace minirun
