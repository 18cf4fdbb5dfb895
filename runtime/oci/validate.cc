// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/validate.h"

#include <linux/sched.h>

#include <algorithm>
#include <climits>

#include "runtime/oci/annotations.h"
#include "runtime/oci/checker.h"
#include "runtime/oci/container_path.h"
#include "runtime/text/json.h"

namespace minirun {

bool Checker::has_namespace(uint32_t type) const {
  for (const oci::Namespace& ns : spec.linux_.namespaces)
    if (ns.type == type || ns.type == 0) return true;
  return false;
}

void Checker::absolute_path(const std::string& pointer, const std::string& path) {
  if (path.empty() || path[0] != '/') problem(pointer, "must be an absolute path: found {}", quoted(path));
  if (path.size() >= PATH_MAX) problem(pointer, "must be shorter than {} bytes: found {}", PATH_MAX, path.size());
}

bool Checker::is_root(std::string_view path) {
  if (path.find("..") == std::string_view::npos) return path.find_first_not_of("/.") == std::string_view::npos;
  return clean_path(path) == "/";
}

void Checker::exec_string(const std::string& pointer, const std::string& text) {
  constexpr size_t kMaxBytes = 32 * 4096;
  if (text.size() >= kMaxBytes) problem(pointer, "must be shorter than {} bytes: found {}", kMaxBytes, text.size());
}

void Checker::environment(const std::string& pointer, const oci::Strings& env) {
  for (size_t i = 0; i < env.size(); ++i) {
    size_t equals = env[i].find('=');
    if (equals == std::string::npos || equals == 0)
      problem(at(pointer, i), "must be NAME=value: found {}", quoted(env[i]));
    exec_string(at(pointer, i), env[i]);
  }
}

// Takes a run of digits without a leading zero.
static bool take_number(std::string_view& text) {
  size_t end = text.find_first_not_of("0123456789");
  if (end == std::string_view::npos) end = text.size();
  bool sound = end > 0 && (end == 1 || text[0] != '0');
  text.remove_prefix(end);
  return sound;
}

// Identifiers of letters, digits and "-", with dots between.
static bool are_identifiers(std::string_view text) {
  bool part_empty = true;
  for (char c : text) {
    bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    if (!letter && (c != '.' || part_empty)) return false;
    part_empty = c == '.';
  }
  return !part_empty;
}

// SemVer 2.0.0 of major version 1; the specification promises that all versions 1.x are compatible.
static bool is_version_1(std::string_view text) {
  if (text.substr(0, 2) != "1.") return false;
  text.remove_prefix(2);
  if (!take_number(text) || text.empty() || text[0] != '.') return false;
  text.remove_prefix(1);
  if (!take_number(text)) return false;
  size_t plus = text.find('+');
  if (plus != std::string_view::npos && !are_identifiers(text.substr(plus + 1))) return false;
  std::string_view suffix = text.substr(0, plus);
  return suffix.empty() || (suffix[0] == '-' && are_identifiers(suffix.substr(1)));
}

// config.md, "Hostname" and "Domainname".
static void check_host_names(Checker& checker) {
  constexpr size_t kMaxName = 64;  // __NEW_UTS_LEN, sethostname(2)
  const struct {
    const char* pointer;
    const std::string& name;
  } names[] = {{"/hostname", checker.spec.hostname}, {"/domainname", checker.spec.domainname}};
  for (const auto& [pointer, name] : names) {
    if (!name.empty() && !checker.has_namespace(CLONE_NEWUTS))
      checker.problem(pointer, "needs a uts namespace in /linux/namespaces: the host's name would change: found {}",
                      quoted(name));
    if (name.size() > kMaxName) checker.problem(pointer, "must be at most {} bytes: found {}", kMaxName, name.size());
  }
}

static void check_hooks(Checker& checker) {
  const oci::Hooks& hooks = checker.spec.hooks;
  const struct {
    const char* pointer;
    const std::vector<oci::Hook>& list;
  } lists[] = {
      {"/hooks/prestart", hooks.prestart},
      {"/hooks/createRuntime", hooks.create_runtime},
      {"/hooks/createContainer", hooks.create_container},
      {"/hooks/startContainer", hooks.start_container},
      {"/hooks/poststart", hooks.poststart},
      {"/hooks/poststop", hooks.poststop},
  };
  for (const auto& [pointer, list] : lists)
    for (size_t i = 0; i < list.size(); ++i) {
      checker.absolute_path(at(pointer, i) + "/path", list[i].path);
      if (list[i].env) checker.environment(at(pointer, i) + "/env", *list[i].env);
    }
}

static void check_annotations(Checker& checker) {
  for (const auto& [key, value] : checker.spec.annotations) {
    for (const AnnotationRow& row : known_annotations())
      if (row.key == key && row.is_good != nullptr && !row.is_good(value))
        checker.problem("/annotations/" + key, "must be {}: found {}", row.must, quoted(value));
    if (is_unknown_own_annotation(key))
      checker.warning("/annotations/" + key, "is not an annotation that minirun knows and has no effect");
  }
}

Findings validate(const oci::Spec& spec) {
  Checker checker(spec);
  if (!is_version_1(spec.oci_version))
    checker.problem("/ociVersion", "must be a version 1.x.y of the runtime-spec: found {}", quoted(spec.oci_version));
  if (!spec.root)
    checker.problem("/root", "is required but missing");
  else if (spec.root->path.empty())
    checker.problem("/root/path", "must not be empty");
  check_host_names(checker);
  check_hooks(checker);
  check_annotations(checker);
  check_process(checker);
  check_mounts(checker);
  check_linux(checker);
  check_resources(checker);
  check_seccomp(checker);
  check_host_side(checker);
  check_unsupported(checker);
  return std::move(checker.findings);
}

}  // namespace minirun
