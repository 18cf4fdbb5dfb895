// SPDX-License-Identifier: Apache-2.0
#include "cgroups/controllers.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "cgroups/hierarchy.h"
#include "sys/file.h"

namespace minirun {
namespace {

// Why the kernel refused "+controller" in the cgroup's subtree_control; Documentation/admin-guide/cgroup-v2.rst.
const char* why_not_enabled(int code, std::string_view controller) {
  switch (code) {
    case EBUSY:
      return "it has processes of its own, and a cgroup with processes cannot pass controllers on";
    case EOPNOTSUPP:
      return "it is a threaded cgroup, and those pass on threaded controllers only";
    case EINVAL:
      return controller == "cpu" ? "it or a cgroup below has real-time processes, which the cpu controller cannot take"
                                 : "the kernel does not know the controller";
    case ENOENT:
      return "its own parent does not pass it on";
    case EROFS:
      return "the cgroup2 mount is read-only";
    default:
      return nullptr;
  }
}

Error cannot_enable(const ControllerNeed& need, const std::string& cgroup, int code) {
  const char* reason = why_not_enabled(code, need.controller);
  Error error = fail(code, "{} needs the {} controller, which cannot be enabled below cgroup {}{}{}{}", need.origin,
                     need.controller, cgroup, reason != nullptr ? " (" : "", reason != nullptr ? reason : "",
                     reason != nullptr ? ")" : "");
  ErrorDetail& detail = error.change_details();
  detail.pointer = need.origin;
  detail.path = cgroup;
  return error;
}

Error not_offered(const ControllerNeed& need) {
  auto text = read_file(AT_FDCWD, "/proc/cgroups");  // absent in kernels without cgroup v1
  std::string why =
      why_controller_missing(need.controller, text ? parse_proc_cgroups(*text) : std::vector<ControllerState>());
  Error error = fail(ErrorKind::host, "{} needs the {} controller, {}", need.origin, need.controller, why);
  error.change_details().pointer = need.origin;
  return error;
}

// The kernel also passes cpu, cpuset and pids on from a cgroup with processes, but that makes it the root of a threaded
// subtree: from then on its children are "domain invalid", and no process can be born in them (cgroup-v2.rst,
// "Threads"). The kernel's own root has no cgroup.type, and may have processes. In a threaded cgroup the write itself
// fails with EOPNOTSUPP.
Result<bool> has_processes(int root_fd, const std::string& directory) {
  auto type = read_file(root_fd, directory + "cgroup.type");
  if (!type && type.error().code == ENOENT) return false;
  if (!type) return type.error();
  auto processes = read_file(root_fd, directory + "cgroup.procs");
  if (!processes && processes.error().code == EOPNOTSUPP) return false;
  return !TRY(std::move(processes)).empty();
}

// directory: relative to root_fd, ends in "/" (for the root it is empty).
Result<void> enable_below(int root_fd, const std::string& directory, const std::vector<ControllerNeed>& needed) {
  std::string file = directory + "cgroup.subtree_control";
  std::string enabled = TRY(read_file(root_fd, file));
  std::optional<bool> busy;
  for (const ControllerNeed& need : needed) {
    if (lists_controller(enabled, need.controller)) continue;
    if (!busy) busy = TRY(has_processes(root_fd, directory));
    auto written = *busy ? Result<void>(fail(EBUSY, "")) : write_control(root_fd, file, "+" + need.controller);
    if (!written) return cannot_enable(need, "/" + directory.substr(0, directory.rfind('/')), written.error().code);
  }
  return {};
}

}  // namespace

namespace {

// The names in the first list that are not in the second.
std::vector<std::string> without(const std::string& list, std::string_view other) {
  std::vector<std::string> names;
  for (size_t start = 0; (start = list.find_first_not_of(" \n", start)) != list.npos;) {
    size_t end = std::min(list.find_first_of(" \n", start), list.size());
    std::string name = list.substr(start, end - start);
    if (!lists_controller(other, name)) names.push_back(std::move(name));
    start = end;
  }
  return names;
}

// Permanent refusals of the kernel, and a tree that the caller may not change.
bool stays_refused(int code) {
  return code == EBUSY || code == EOPNOTSUPP || code == EINVAL || code == EACCES || code == EPERM || code == EROFS ||
         code == ENOENT;
}

Result<void> offer_below(int root_fd, const std::string& directory, std::vector<std::string>* refused) {
  std::string file = directory + "cgroup.subtree_control";
  std::string offered = TRY(read_file(root_fd, directory + "cgroup.controllers"));
  std::vector<std::string> names = without(offered, TRY(read_file(root_fd, file)));
  if (names.empty()) return {};
  const std::string place = "/" + directory.substr(0, directory.rfind('/'));
  auto refuse = [&](const std::string& name, int code) {
    const char* why = why_not_enabled(code, name);
    refused->push_back(fmt::format("{} in {}: {}", name, place, why != nullptr ? why : errno_text(code)));
  };
  if (TRY(has_processes(root_fd, directory))) {
    for (const std::string& name : names) refuse(name, EBUSY);
    return {};
  }
  std::string all;
  for (const std::string& name : names) all.append(all.empty() ? "+" : " +").append(name);
  // One write for all costs the kernel one walk over the tree. It is all or nothing, so after a refusal each is tried
  // alone.
  auto written = write_control(root_fd, file, all);
  for (size_t i = 0; !written && i < names.size(); ++i) {
    if (!stays_refused(written.error().code)) return written;
    auto one = write_control(root_fd, file, "+" + names[i]);
    if (!one && !stays_refused(one.error().code)) return one;
    if (!one) refuse(names[i], one.error().code);
  }
  return {};
}

}  // namespace

bool lists_controller(std::string_view list, std::string_view controller) {
  for (size_t at = list.find(controller); at != list.npos; at = list.find(controller, at + 1)) {
    size_t end = at + controller.size();
    if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ' || list[end] == '\n')) return true;
  }
  return false;
}

Result<void> enable_controllers(int root_fd, const std::string& path, const std::vector<ControllerNeed>& needed) {
  // If the cgroup has them already, its ancestors need no check: true for every container but the first.
  std::string there = TRY(read_file(root_fd, path.substr(1) + "/cgroup.controllers"));
  std::vector<ControllerNeed> missing;
  for (const ControllerNeed& need : needed)
    if (!lists_controller(there, need.controller)) missing.push_back(need);
  if (missing.empty()) return {};

  std::string offered = TRY(read_file(root_fd, "cgroup.controllers"));
  for (const ControllerNeed& need : missing)
    if (!lists_controller(offered, need.controller)) return not_offered(need);
  for (size_t slash = 0; slash != path.npos; slash = path.find('/', slash + 1))
    TRY(enable_below(root_fd, path.substr(1, slash), missing));
  return {};
}

Result<std::vector<std::string>> enable_offered(int root_fd, const std::string& top, const std::string& path) {
  std::vector<std::string> refused;
  // Usually an earlier container has enabled them.
  std::string there = TRY(read_file(root_fd, path.substr(1) + "/cgroup.controllers"));
  std::string offered =
      TRY(read_file(root_fd, top.empty() ? "cgroup.controllers" : top.substr(1) + "/cgroup.controllers"));
  if (without(offered, there).empty()) return refused;
  for (size_t slash = top.size(); slash != path.npos; slash = path.find('/', slash + 1))
    TRY(offer_below(root_fd, path.substr(1, slash), &refused));
  return refused;
}

}  // namespace minirun
