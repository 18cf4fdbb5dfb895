// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/annotations.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "runtime/oci/validate.h"
#include "sys/file.h"

namespace minirun {
namespace {

oci::StringMap with_key(Annotation id, const std::string& value) {
  return {{"org.example.first", "x"}, {std::string(annotation_key(id)), value}};
}

// What validate() says of one annotation.
std::string said_of(const std::string& key, const std::string& value) {
  oci::Spec spec;
  spec.annotations = {{key, value}};
  Findings findings = validate(spec);
  std::string text;
  for (const Problem& problem : findings.problems)
    if (problem.pointer.starts_with("/annotations")) text += "problem " + problem.pointer + ": " + problem.message;
  for (const Problem& warning : findings.warnings)
    if (warning.pointer.starts_with("/annotations")) text += "warning " + warning.pointer + ": " + warning.message;
  return text;
}

TEST(Annotations, InitIsABoolean) {
  for (const char* yes : {"true", "1"}) EXPECT_TRUE(asks_for_init(with_key(Annotation::init, yes)));
  for (const char* no : {"false", "0"}) EXPECT_FALSE(asks_for_init(with_key(Annotation::init, no)));
  EXPECT_FALSE(asks_for_init({}));
  for (const char* good : {"true", "false", "1", "0"}) EXPECT_EQ(said_of("org.minirun.init", good), "") << good;
  for (const char* bad : {"", "yes", "TRUE", "true ", "2"})
    EXPECT_EQ(said_of("org.minirun.init", bad),
              "problem /annotations/org.minirun.init: must be true, false, 1 or 0: found \"" + std::string(bad) + "\"");
}

TEST(Annotations, ContextTypeIsAMountOption) {
  EXPECT_EQ(mount_context_type({}), "context");
  for (const char* good : {"context", "fscontext", "defcontext", "rootcontext"}) {
    EXPECT_EQ(mount_context_type(with_key(Annotation::mount_context, good)), good);
    EXPECT_EQ(said_of("run.oci.mount_context_type", good), "");
  }
  for (const char* bad : {"", "Context", "size", "context=a"})
    EXPECT_EQ(said_of("run.oci.mount_context_type", bad),
              "problem /annotations/run.oci.mount_context_type: must be context, fscontext, defcontext or "
              "rootcontext: found \"" +
                  std::string(bad) + "\"");
}

TEST(Annotations, SubgroupIsOneNameOfACgroup) {
  EXPECT_EQ(systemd_subgroup({}), std::nullopt);
  for (const char* good : {"", "container", "a.scope", "a-b"}) {
    EXPECT_EQ(systemd_subgroup(with_key(Annotation::systemd_subgroup, good)), good);
    EXPECT_EQ(said_of("run.oci.systemd.subgroup", good), "") << good;
  }
  for (const char* bad : {"/", "a/b", "../a", ".", "..", ".a", "cgroup.procs"})
    EXPECT_EQ(said_of("run.oci.systemd.subgroup", bad),
              "problem /annotations/run.oci.systemd.subgroup: must be one name of a cgroup: found \"" +
                  std::string(bad) + "\"");
}

TEST(Annotations, GroupsStayForAnyValueBut0) {
  EXPECT_FALSE(keeps_caller_groups({}));
  EXPECT_FALSE(keeps_caller_groups(with_key(Annotation::keep_groups, "0")));
  for (const char* yes : {"1", "true", ""}) EXPECT_TRUE(keeps_caller_groups(with_key(Annotation::keep_groups, yes)));
}

TEST(Annotations, EmptyDelegatedCgroupIsNone) {
  EXPECT_EQ(delegated_cgroup({}), std::nullopt);
  EXPECT_EQ(delegated_cgroup(with_key(Annotation::delegate_cgroup, "")), std::nullopt);
  EXPECT_EQ(delegated_cgroup(with_key(Annotation::delegate_cgroup, "a/b")), "a/b");
}

// Files, a socket and a signal are judged where they are used; nothing is taken for another row's.
TEST(Annotations, TextsAreThoseOfTheirKeyAlone) {
  std::vector<std::string> texts[2];
  for (bool given : {false, true}) {
    oci::StringMap all;
    if (given)
      for (const AnnotationRow& row : known_annotations()) all.emplace_back(row.key, std::string(row.value) + "!");
    HookOutputFiles files = hook_output_files(all);
    texts[given] = {criu_config_file(all), stop_signal(all), pidfd_receiver(all), files.out, files.err};
  }
  EXPECT_EQ(texts[false], std::vector<std::string>(5));
  EXPECT_EQ(texts[true], (std::vector<std::string>{"FILE!", "SIGNAL!", "SOCKET!", "FILE!", "FILE!"}));
  HookOutputFiles files = hook_output_files({{"run.oci.hooks.stderr", "/err"}, {"run.oci.hooks.stdout", "/out"}});
  EXPECT_EQ(files.out + files.err, "/out/err");
}

TEST(Annotations, PropertiesOfTheScopeComeInOrderWithoutTheirPrefix) {
  EXPECT_EQ(systemd_properties({{"org.systemd.property.B", "1"},
                                {"org.systemd.propertyC", "2"},
                                {"xorg.systemd.property.D", "3"},
                                {"org.systemd.property.", "4"},
                                {"org.systemd.property.A", "5"}}),
            (oci::StringMap{{"B", "1"}, {"", "4"}, {"A", "5"}}));
}

TEST(Annotations, UnknownOneOfMinirunsIsAWarning) {
  for (const char* unknown : {"org.minirun.", "org.minirun.nit", "org.minirun.init.x"})
    EXPECT_EQ(said_of(unknown, "true"), "warning /annotations/" + std::string(unknown) +
                                            ": is not an annotation that minirun knows and has no effect");
  for (const char* foreign : {"org.minirunx", "run.oci.handler", "org.example.key", ""})
    EXPECT_EQ(said_of(foreign, "true"), "") << foreign;
}

TEST(Annotations, RowsAreInOrderAndWhole) {
  std::set<Annotation> ids;
  std::string_view last;
  for (const AnnotationRow& row : known_annotations()) {
    EXPECT_LT(last, row.key);
    EXPECT_TRUE(ids.insert(row.id).second) << row.key;
    EXPECT_EQ(annotation_key(row.id), row.key);
    EXPECT_EQ(row.must.empty(), row.is_good == nullptr) << row.key;
    EXPECT_FALSE(row.value.empty() || row.effect.empty()) << row.key;
    last = row.key;
  }
  EXPECT_EQ(ids.size(), static_cast<size_t>(Annotation::systemd_subgroup) + 1);
}

// features.md: a reader searches a bundle for these.
TEST(Annotations, UnsafeOnesAreAllButTheStopSignal) {
  EXPECT_EQ(unsafe_annotations(),
            (std::vector<std::string_view>{"org.criu.config", "org.minirun.", "org.systemd.property.",
                                           "run.oci.delegate-cgroup", "run.oci.hooks.stderr", "run.oci.hooks.stdout",
                                           "run.oci.keep_original_groups", "run.oci.mount_context_type",
                                           "run.oci.pidfd_receiver", "run.oci.systemd.subgroup"}));
}

// The string literals of a source text, without its comments.
std::vector<std::string> literals_of(const std::string& text) {
  std::vector<std::string> literals;
  for (size_t at = 0; at < text.size(); at++) {
    if (text.compare(at, 2, "//") == 0) at = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 3, "'\"'") == 0) at += 3;
    if (at >= text.size() || text[at] != '"') continue;
    std::string literal;
    for (at++; at < text.size() && text[at] != '"'; at++) {
      if (text[at] == '\\') literal += text[at++];
      if (at < text.size()) literal += text[at];
    }
    literals.push_back(std::move(literal));
  }
  return literals;
}

std::string key_spelled_in(const std::string& text) {
  for (const std::string& literal : literals_of(text)) {
    for (const AnnotationRow& row : known_annotations())
      if (literal.find(row.key) != std::string::npos) return literal;
    for (const char* prefix : {"run.oci.", "org.minirun.", "org.criu.", "org.opencontainers."})
      if (literal.find(prefix) != std::string::npos) return literal;
  }
  return "";
}

TEST(Annotations, NoOtherFileSpellsAKey) {
  EXPECT_EQ(key_spelled_in("// \"run.oci.a\"\nx(\"a\\\"\", '\"', \"/annotations/run.oci.hooks.stdout\")"),
            "/annotations/run.oci.hooks.stdout");
  EXPECT_EQ(key_spelled_in("x(\"http://a\", \"org.minirun.b\");"), "org.minirun.b");
  size_t files = 0;
  for (const char* folder : {"/sys", "/cgroups", "/namespaces", "/runtime", "/packaging"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(MINIRUN_SOURCE_DIR + std::string(folder))) {
      std::string path = entry.path().string();
      bool source = path.ends_with(".cc") || path.ends_with(".h");
      if (!source || path.find("/runtime/oci/annotations.") != std::string::npos) continue;
      files++;
      EXPECT_EQ(key_spelled_in(read_file(AT_FDCWD, path, 1 << 20).value()), "") << path;
    }
  EXPECT_GT(files, 200U);
}

}  // namespace
}  // namespace minirun
