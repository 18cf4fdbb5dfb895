// SPDX-License-Identifier: Apache-2.0
// criu(8), the program that saves processes to files and restores them: its path and its arguments. The argument lists
// are made from plain data, as a plan is; criu/run.h runs them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/criu/options.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// criu's path, from PATH and then from distributions' usual directories (engines pass a minimal environment). ENOENT:
// it is not installed.
Result<std::string> find_criu();
// Whether criu would find a program of this name.
bool in_search_path(const std::string& program);
// PATH for criu: the caller's, then the usual directories.
std::string criu_search_path();

// A mount that criu does not save: restore makes it again from `source` on the host.
struct CriuMount {
  std::string destination;  // inside the container, clean
  std::string source;
  std::string at{};  // where it is mounted, if the destination leads through a link
};

// All possible ones, in the order of the config: bind mounts, the cgroup filesystem (a bind mount of cgroup_directory),
// masked files (each covered by /dev/null), and with a terminal /dev/console, made from `console`.
std::vector<CriuMount> criu_mounts(const oci::Spec& spec, const std::string& bundle,
                                   const std::string& cgroup_directory, const std::string& console);

// A namespace that the config joins by path, which criu leaves alone.
struct CriuNamespace {
  std::string type;  // in criu's words: net, pid, uts, ipc, time, user
  std::string path;
};
std::vector<CriuNamespace> criu_namespaces(const oci::Spec& spec);

struct DumpFacts {
  pid_t pid = 0;
  std::string images;            // absolute
  std::string work;              // absolute
  std::string rootfs;            // absolute
  std::string cgroup_directory;  // on the host; "": nothing to freeze
  std::string cgroup_path;       // inside the cgroup2 mount
  std::vector<CriuMount> mounts;
  std::vector<std::string> descriptors;  // descriptor_names() of the workload
  std::string init;                      // SavedInit::name
  std::string end_page;                  // SavedInit::end_page
  std::vector<std::string> joined;       // "net[4026532]:extRootNetNS": namespaces that stay
  bool iptables = true;                  // iptables-restore(8) exists
  int config_fd = -1;                    // open_criu_config()
};

// The arguments of criu dump, or of criu pre-dump with --pre-dump. Errors: contradictory options, as criu or runc
// refuse them.
Result<std::vector<std::string>> dump_arguments(const DumpOptions& options, const DumpFacts& facts);

// A descriptor that the restored container takes from minirun.
struct InheritedFd {
  int fd = -1;
  std::string name;  // as in descriptor_names(), or a namespace's key
};

struct RestoreFacts {
  std::string images;
  std::string work;
  std::string rootfs;
  std::string pid_file;
  std::string cgroup_path;
  std::vector<CriuMount> mounts;
  std::vector<InheritedFd> inherited;
  std::vector<CriuNamespace> joined;  // those that criu joins itself
  int config_fd = -1;                 // open_criu_config()
};

Result<std::vector<std::string>> restore_arguments(const RestoreOptions& options, const RestoreFacts& facts);

// The key of a namespace of this type in the images; "" for types without one, which criu joins with --join-ns.
std::string external_namespace_key(const std::string& type);

// The last errors in criu's log, joined; "" if it has none.
std::string criu_errors(std::string_view log);

// criu's names for the descriptors 0, 1, 2 and following of a process that lead outside the container: "pipe:[8]",
// "file[3c:5]", "tty[8803:17]". "": criu saves it. Up to the last one with a name; at least three.
Result<std::vector<std::string>> descriptor_names(pid_t pid);

// The content of descriptors.json beside the images, as in runc.
std::string descriptors_to_json(const std::vector<std::string>& names);
Result<std::vector<std::string>> descriptors_from_json(std::string_view text);

}  // namespace minirun
