// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/bad_configs.h"

#include <algorithm>
#include <vector>

#include "tests/support/nullable.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

const std::string kHole = "\"<hole>\"";

// Every value of a document with its pointer, the root last.
void collect(const json& value, const std::string& pointer, std::vector<std::string>& pointers) {
  if (value.is_object())
    for (const auto& [key, child] : value.items()) {
      std::string token = key;
      for (size_t at = 0; (at = token.find_first_of("~/", at)) != std::string::npos; at += 2)
        token.replace(at, 1, token[at] == '~' ? "~0" : "~1");
      collect(child, pointer + "/" + token, pointers);
    }
  if (value.is_array())
    for (size_t i = 0; i < value.size(); ++i) collect(value[i], pointer + "/" + std::to_string(i), pointers);
  pointers.push_back(pointer);
}

class Generator {
 public:
  Generator(const json& complete, const json& valid, const std::function<void(const BadConfig&)>& judge)
      : complete_(complete), valid_(valid), judge_(judge) {
    collect(complete, "", pointers_);
  }

  void wrong_types();
  void unknown_names();
  void missing();
  void twice();
  void bad_strings();
  void bad_keys();
  void nesting();
  void truncated();
  void garbage();
  void ranges();

 private:
  const json& at(const std::string& pointer) const { return complete_.at(json::json_pointer(pointer)); }

  // The valid document with raw text in the place of a value.
  std::string with(const std::string& pointer, const std::string& raw) const {
    json changed = valid_;
    changed[json::json_pointer(pointer)] = "<hole>";
    std::string text = changed.dump();
    return text.replace(text.find(kHole), kHole.size(), raw);
  }
  void put(const std::string& pointer, const std::string& raw) {
    judge_({pointer + ": " + raw.substr(0, 60), pointer.empty() ? raw : with(pointer, raw),
            pointer.empty() ? "/" : pointer});
  }
  // The same where the text as a whole is wrong.
  void put_unreadable(const std::string& pointer, const std::string& raw) {
    judge_({pointer + ": " + raw.substr(0, 60), pointer.empty() ? raw : with(pointer, raw), ""});
  }

  const json& complete_;
  const json& valid_;
  const std::function<void(const BadConfig&)>& judge_;
  std::vector<std::string> pointers_;
};

void Generator::wrong_types() {
  for (const std::string& pointer : pointers_) {
    const json& value = at(pointer);
    std::vector<std::string> wrong = {"1.5", "18446744073709551616", "-9223372036854775809"};
    if (!test::takes_null(pointer)) wrong.push_back("null");
    if (!value.is_boolean()) wrong.insert(wrong.end(), {"true", "false"});
    if (!value.is_number()) wrong.insert(wrong.end(), {"0", "1", "-1"});
    if (!value.is_string()) wrong.insert(wrong.end(), {"\"\"", "\"x\"", "\"1\"", "\"true\""});
    if (!value.is_array()) wrong.insert(wrong.end(), {"[]", "[0]", "[\"x\"]", "[{}]"});
    if (!value.is_object()) wrong.insert(wrong.end(), {"{}", "{\"a\":0}", "{\"a\":\"b\"}"});
    for (const std::string& raw : wrong) put(pointer, raw);
  }
}

// Values of a list of names.
void Generator::unknown_names() {
  for (const char* pointer :
       {"/ociVersion", "/process/rlimits/0/type", "/process/scheduler/policy", "/process/scheduler/flags/0",
        "/process/ioPriority/class", "/linux/namespaces/0/type", "/linux/devices/0/type", "/linux/rootfsPropagation",
        "/linux/resources/devices/1/type", "/linux/resources/devices/1/access", "/linux/seccomp/defaultAction",
        "/linux/seccomp/architectures/0", "/linux/seccomp/flags/0", "/linux/seccomp/syscalls/0/action",
        "/linux/seccomp/syscalls/0/args/0/op", "/linux/memoryPolicy/mode", "/linux/memoryPolicy/flags/0",
        "/linux/personality/domain"}) {
    std::string name = at(pointer);
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    std::vector<std::string> wrong = {"nonsense", name + "x", " " + name,        name + " ",
                                      "x" + name, "\x7f",     "\xf0\x9f\x92\xa3"};
    if (lower != name) wrong.push_back(lower);
    for (const std::string& other : wrong) put(pointer, json(other).dump());
  }
}

void Generator::missing() {
  for (const std::string pointer : {"/ociVersion",
                                    "/root/path",
                                    "/mounts/0/destination",
                                    "/mounts/0/uidMappings/0/containerID",
                                    "/mounts/0/uidMappings/0/hostID",
                                    "/mounts/0/uidMappings/0/size",
                                    "/hooks/prestart/0/path",
                                    "/process/cwd",
                                    "/process/args",
                                    "/process/rlimits/0/type",
                                    "/process/rlimits/0/soft",
                                    "/process/rlimits/0/hard",
                                    "/process/consoleSize/height",
                                    "/process/consoleSize/width",
                                    "/process/scheduler/policy",
                                    "/process/ioPriority/class",
                                    "/linux/namespaces/0/type",
                                    "/linux/uidMappings/0/size",
                                    "/linux/gidMappings/0/hostID",
                                    "/linux/devices/0/type",
                                    "/linux/devices/0/path",
                                    "/linux/resources/hugepageLimits/0/pageSize",
                                    "/linux/resources/hugepageLimits/0/limit",
                                    "/linux/resources/blockIO/throttleReadBpsDevice/0/major",
                                    "/linux/resources/blockIO/throttleReadBpsDevice/0/minor",
                                    "/linux/resources/blockIO/throttleReadBpsDevice/0/rate",
                                    "/linux/seccomp/defaultAction",
                                    "/linux/seccomp/syscalls/0/names",
                                    "/linux/seccomp/syscalls/0/action",
                                    "/linux/seccomp/syscalls/0/args/0/index",
                                    "/linux/seccomp/syscalls/0/args/0/value",
                                    "/linux/seccomp/syscalls/0/args/0/op",
                                    "/linux/memoryPolicy/mode",
                                    "/linux/personality/domain"}) {
    json changed = valid_;
    size_t slash = pointer.rfind('/');
    changed[json::json_pointer(pointer.substr(0, slash))].erase(pointer.substr(slash + 1));
    judge_({pointer + " is not there", changed.dump(), pointer});
  }
}

// A duplicate member: readers differ on which one counts.
void Generator::twice() {
  for (const std::string& pointer : pointers_) {
    size_t slash = pointer.rfind('/');
    if (slash == std::string::npos || !complete_.at(json::json_pointer(pointer.substr(0, slash))).is_object()) continue;
    json changed = valid_;
    changed[json::json_pointer(pointer)] = "<hole>";
    std::string text = changed.dump();
    std::string key = json(json::json_pointer(pointer).back()).dump();
    const json value =
        valid_.contains(json::json_pointer(pointer)) ? valid_.at(json::json_pointer(pointer)) : at(pointer);
    text.replace(text.find(kHole), kHole.size(), value.dump() + "," + key + ":" + value.dump());
    judge_({pointer + " twice", text, pointer});
  }
}

void Generator::bad_strings() {
  for (const std::string& pointer : pointers_) {
    if (!at(pointer).is_string()) continue;
    std::string inside = at(pointer).dump();
    inside = inside.substr(1, inside.size() - 2);
    put(pointer, "\"" + inside + "\\u0000\"");
    put(pointer, "\"\\u0000" + inside + "\"");
    for (const char* tail : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\\ud800", "\\udfff\\ud800",
                             "\\x41", "\\u12", "\n", "\t", "\x01", "\\"})
      put_unreadable(pointer, "\"" + inside + tail + "\"");
  }
}

void Generator::bad_keys() {
  for (const std::string& pointer : pointers_) {
    if (!at(pointer).is_object()) continue;
    const json::json_pointer here(pointer);
    json changed = valid_;
    changed[here]["<hole>"] = 0;
    std::string text = changed.dump();
    for (const char* key : {"\"a\\u0000b\"", "\"\\u0000\""}) {
      std::string other = text;
      judge_({pointer + " has " + key, other.replace(other.find(kHole), kHole.size(), key),
              pointer.empty() ? "/" : pointer});
    }
    for (const char* key : {"\"\xff\"", "\"\\ud800\"", "a", "1", "null", ""}) {
      std::string other = text;
      judge_({pointer + " has " + key, other.replace(other.find(kHole), kHole.size(), key), ""});
    }
  }
}

void Generator::nesting() {
  for (const std::string& pointer : pointers_) {
    constexpr size_t kDeep = 1000;
    std::string objects;
    for (size_t i = 0; i < kDeep; ++i) objects += "{\"a\":";
    put_unreadable(pointer, std::string(kDeep, '[') + std::string(kDeep, ']'));
    put_unreadable(pointer, objects + "0" + std::string(kDeep, '}'));
  }
}

void Generator::truncated() {
  std::string text = valid_.dump(1);
  for (size_t size = 0; size < text.size(); size += 7)
    judge_({"the first " + std::to_string(size) + " bytes", text.substr(0, size), ""});
}

void Generator::garbage() {
  std::string text = valid_.dump();
  for (const char* tail : {"}", "{}", ",", "x", "\x01", "0", "null", "//", "/* */", "]"})
    judge_({std::string("and then ") + tail, text + tail, ""});
  for (const char* head : {"\xfe\xff", "x", "[", "\x01", ",", "//\n", "#\n"})
    judge_({std::string("first ") + head, head + text, ""});
  for (const char* number : {"01", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity", "-", "1_000", "1e999999"})
    put_unreadable("/process/user/uid", number);
}

// Numbers and texts of the right type that nothing can be made of.
void Generator::ranges() {
  const std::vector<std::pair<const char*, std::vector<const char*>>> cases = {
      {"/process/user/uid", {"-1", "4294967295", "4294967296", "1e3", "1.0"}},
      {"/process/user/gid", {"-1", "4294967295", "4294967296"}},
      {"/process/user/umask", {"-1", "512", "4294967296"}},
      {"/process/user/additionalGids/0", {"-1", "4294967295", "4294967296"}},
      {"/process/oomScoreAdj", {"-1001", "1001", "9223372036854775807"}},
      {"/process/ioPriority/priority", {"-1", "8"}},
      {"/process/consoleSize/height", {"-1", "65536"}},
      {"/process/rlimits/0/soft", {"-1", "18446744073709551616"}},
      {"/process/cwd", {"\"\"", "\"relative\"", "\"../up\""}},
      {"/process/args", {"[]", "[\"\"]"}},
      {"/process/env", {"[\"NOVALUE\"]", "[\"=x\"]", "[\"\"]"}},
      {"/root/path", {"\"\"", "\"/no/such/place\"", "\"config.json\""}},
      {"/mounts/0/destination",
       {"\"\"", "\"/\"", "\"//.\"", "\"/a/..\"", "\"/proc\"", "\"/proc/sys\"", "\"/x/../proc/1\""}},
      {"/linux/cgroupsPath", {"\"/\"", "\"..\"", "\"/a/../b\"", "\"a//b\"", "\"/a/.\"", "\"a/\"", "\"/a\\n\""}},
      {"/linux/devices/0/major", {"-2", "4294967296", "4096"}},
      {"/linux/devices/0/path", {"\"\"", "\"relative\"", "\"/\""}},
      {"/linux/devices/0/fileMode", {"-1", "4294967296"}},
      {"/linux/resources/cpu/shares", {"-1", "18446744073709551616"}},
      {"/linux/resources/cpu/cpus",
       {"\"3-1\"", "\"x\"", "\"0-3:2\"", "\"0-3:2/0\"", "\"0-3:5/4\"", "\"0--3\"", "\"99999999999\"", "\"-\"",
        "\"1-\""}},
      {"/linux/resources/blockIO/weight", {"-1", "9", "1001", "65536"}},
      {"/linux/seccomp/syscalls/0/args/0/index", {"-1", "6", "4294967296"}},
      {"/linux/seccomp/defaultErrnoRet", {"-1", "65536", "4294967296"}},
      {"/linux/uidMappings/0/size", {"0", "-1", "4294967296"}},
      {"/linux/timeOffsets/monotonic/nanosecs", {"-1", "1000000000"}},
      {"/linux/maskedPaths/0", {"\"\"", "\"relative\"", "\"/\"", "\"/.\""}},
      {"/linux/readonlyPaths/0", {"\"\"", "\"relative\"", "\"/\"", "\"//\""}},
      {"/linux/sysctl",
       {"{\"kernel.core_pattern\":\"x\"}", "{\"net/../kernel/x\":\"1\"}", "{\"\":\"1\"}", "{\"vm.swappiness\":\"1\"}"}},
      {"/linux/resources/unified", {"{\"../x\":\"1\"}", "{\"a/b\":\"1\"}", "{\"\":\"1\"}", "{\"..\":\"1\"}"}},
      {"/hooks/prestart/0/path", {"\"\"", "\"relative\""}},
      {"/hooks/prestart/0/timeout", {"0", "-1"}},
  };
  for (const auto& [pointer, values] : cases)
    for (const char* raw : values) put(pointer, raw);
}

}  // namespace

void each_null(const json& valid, const std::function<void(const NullConfig&)>& judge) {
  std::vector<std::string> pointers;
  collect(valid, "", pointers);
  for (const std::string& pointer : pointers) {
    if (!test::takes_null(pointer)) continue;
    json null = valid, absent = valid;
    null[json::json_pointer(pointer)] = nullptr;
    size_t slash = pointer.rfind('/');
    absent[json::json_pointer(pointer.substr(0, slash))].erase(pointer.substr(slash + 1));
    judge({pointer, null.dump(), absent.dump()});
  }
}

void each_bad_config(const json& complete, const json& valid, const std::function<void(const BadConfig&)>& judge) {
  Generator generator(complete, valid, judge);
  generator.wrong_types();
  generator.unknown_names();
  generator.missing();
  generator.twice();
  generator.bad_strings();
  generator.bad_keys();
  generator.nesting();
  generator.truncated();
  generator.garbage();
  generator.ranges();
}

}  // namespace minirun::testing
