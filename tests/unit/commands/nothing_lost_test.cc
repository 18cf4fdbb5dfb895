// SPDX-License-Identifier: Apache-2.0
// Nothing asked for is lost: every property that the parser knows and every option that the commands know is shown to
// have an effect, a refusal or a warning. A new one without a line fails.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "runtime/commands/command_line.h"
#include "runtime/commands/command_table.h"
#include "runtime/compile/compile.h"
#include "runtime/compile/plan_print.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/parse.h"
#include "runtime/oci/validate.h"
#include "runtime/seccomp/filter.h"
#include "sys/file.h"

namespace minirun {
namespace {

using nlohmann::json;

std::string source_text(const std::string& path) {
  auto text = read_file(AT_FDCWD, MINIRUN_SOURCE_DIR + path, 1 << 20);
  return text.ok() ? *text : "";
}

// All that minirun says and plans for a config.
std::string consequences(const json& config) {
  auto document = JsonDocument::parse(config.dump());
  if (!document.ok()) return document.error().text();
  ParseOutcome parsed = parse_spec(**document);
  std::string text;
  for (const Problem& problem : parsed.problems) text += problem.pointer + ": " + problem.message + "\n";
  if (!parsed.problems.empty()) return text;
  const auto& process = parsed.spec.process;  // compile() wants what validate() has not refused
  if (!parsed.spec.root || !process || process->args.empty()) return text + "refused";
  Findings findings = validate(parsed.spec);
  for (const Problems& problems : {findings.problems, findings.warnings})
    for (const Problem& problem : problems) text += problem.pointer + ": " + problem.message + "\n";
  PlanFacts facts{{"id", "/bundle", "/bundle/rootfs", "/"}, {}};
  facts.host.capabilities = (uint64_t{1} << 41) - 1;
  if (parsed.spec.linux_.seccomp) {
    auto made = compile_seccomp(*parsed.spec.linux_.seccomp);
    if (!made.ok()) return text + made.error().text();
    facts.seccomp = std::move(made).value();
    text += std::string(reinterpret_cast<const char*>(facts.seccomp->filter.data()),
                        facts.seccomp->filter.size() * sizeof facts.seccomp->filter[0]);
    text += std::to_string(facts.seccomp->flags);
  }
  auto compiled = compile(parsed.spec, facts);
  if (!compiled.ok()) return text + compiled.error().text();
  text += plan_text(*compiled);
  for (const bpf_insn& instruction : compiled->device_filter)
    text += std::string(reinterpret_cast<const char*>(&instruction), sizeof instruction);
  return text;
}

// Without a value, or, where one is wanted, with another.
json without(json config, const json::json_pointer& pointer) {
  config[pointer.parent_pointer()].erase(pointer.back());
  return config;
}

json with_another(json config, const json::json_pointer& pointer) {
  json& value = config[pointer];
  if (value.is_boolean())
    value = !value.get<bool>();
  else if (value.is_number())
    value = value.get<int64_t>() + 1;
  else if (value.is_string())
    value = value.get<std::string>() + "x";
  else
    value.clear();
  return config;
}

// "/mounts/1/source": "/mounts/*/source".
std::string general(const std::string& pointer) {
  std::string out;
  for (size_t at = 0; at < pointer.size();) {
    size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    std::string token = pointer.substr(at + 1, end - at - 1);
    bool index = token.find_first_not_of("0123456789") == std::string::npos;
    bool name = out.ends_with("/netDevices") || out.ends_with("/rdma");
    out += "/" + (index || name ? "*" : token);
    at = end;
  }
  return out;
}

// What is not in the plan, with the test that shows it. The longest that a property begins with counts.
const std::map<std::string, std::string> kProperties = {
    {"/annotations", "StateRecord.ComesBackAsItWas"},
    {"/hooks", "Hooks.RunInTheirOrderAndPlaces"},
    {"/hooks/*/timeout", "Hooks.TimeoutOfAnyKindIsKeptAndLeavesNobody"},
    {"/linux/devices", "Devices.ListedOnesAreMadeAsSaid"},
    {"/linux/gidMappings", "UserNamespace.MapsAreThoseOfTheConfig"},
    {"/linux/intelRdt", "RdtSchemata.OldAndNewPropertiesAreWrittenOneAfterTheOther"},
    {"/linux/intelRdt/closID", "IntelRdt.AClassThatWasThereIsJoinedAndNeverRemoved"},
    {"/linux/intelRdt/enableMonitoring", "IntelRdt.AHostWithoutResctrlRefusesIt"},
    {"/linux/mountLabel", "SpecialMounts.MountLabelWithoutSelinuxIsAWarning"},
    {"/linux/netDevices", "NetDevices.AreInTheContainerUpAndWithTheirAddresses"},
    {"/linux/resources/blockIO/leafWeight", "Unsupported.ControlsOfCgroupV1AreErrorsUnlessTheyAskForNothing"},
    {"/linux/resources/memory/kernel", "Unsupported.ControlsOfCgroupV1AreErrorsUnlessTheyAskForNothing"},
    {"/linux/resources/memory/kernelTCP", "Unsupported.ControlsOfCgroupV1AreErrorsUnlessTheyAskForNothing"},
    {"/linux/resources/memory/useHierarchy", "Unsupported.ControlsOfCgroupV1AreErrorsUnlessTheyAskForNothing"},
    {"/linux/resources/network", "Unsupported.ControlsOfCgroupV1AreErrorsUnlessTheyAskForNothing"},
    {"/linux/rootfsPropagation", "CompileRoot.IsASlaveOfTheHostUnlessAskedOtherwise"},
    {"/linux/seccomp/architectures", "CompileSeccomp.LeavesOutArchitecturesThatThisMachineCannotRun"},
    {"/linux/seccomp/listener", "SeccompAgent.AnswersACallOfRun"},
    {"/linux/uidMappings", "UserNamespace.MapsAreThoseOfTheConfig"},
    {"/process/consoleSize", "Terminal.ConsoleSizeCountsWhereTheCallerHasNoTerminal"},
    {"/process/env", "Process.EnvironmentKeepsOrderAndTheLastOfDuplicatesAndTheCallersStaysOutside"},
    {"/process/execCPUAffinity", "ExecEngine.FinalCpuAffinityIsTheProcesses"},
    {"/process/oomScoreAdj", "Process.OomScoreAdjIsSetOrLeftAlone"},
    {"/process/scheduler", "CompileProcess.SchedulerIoPriorityAndPersonality"},
    {"/root/path", "BadInput.RootfsThatIsMissingOrNoFolder"},
};

// Options that no test of the program spells, with the test that gives them another way.
const std::map<std::string, std::string> kOptions = {
    {"checkpoint --", "CriuArguments.DumpTakesEveryFlag"},
    {"restore --", "CriuArguments.RestoreIsMinirunsChildAndTakesWhatIsOutside"},
    {"restore --no-pivot", "Checkpoint.OptionsThatRestoreCannotHonourAreWarnings"},
    {"restore --no-new-keyring", "Checkpoint.OptionsThatRestoreCannotHonourAreWarnings"},
    {"help --help", "Help.IsTheSameByAllItsNames"},
};

// Each annotation of the table, with the test that shows what it does.
const std::map<std::string, std::string> kActedOn = {
    {"org.criu.config", "Checkpoint.ConfigThatOthersMayChangeIsRefused"},
    {"org.minirun.init", "CreateStart.InitIsAskedForByAFlagOrAnAnnotation"},
    {"org.minirun.report", "Report.OfAnAnnotationGoesToTheDirectory"},
    {"org.opencontainers.image.stopSignal", "Stop.SignalIsTheFlagsElseTheImages"},
    {"org.systemd.property.", "SystemdCgroup.RefusesAPathAndPropertiesBeforeItAsksAnybody"},
    {"run.oci.delegate-cgroup", "Cgroups.DelegatedOneIsBelowTheOneWithTheLimits"},
    {"run.oci.hooks.stderr", "Hooks.OutputGoesToTheFilesOfTheAnnotations"},
    {"run.oci.hooks.stdout", "Hooks.OutputGoesToTheFilesOfTheAnnotations"},
    {"run.oci.keep_original_groups", "Process.KeepOriginalGroupsKeepsTheCallers"},
    {"run.oci.mount_context_type", "CompileMounts.MountLabelIsAContextOfNewFilesystems"},
    {"run.oci.pidfd_receiver", "Terminal.PidfdSocketReceivesThePidfd"},
    {"run.oci.systemd.subgroup", "SystemdCgroup.RefusesAPathAndPropertiesBeforeItAsksAnybody"},
};

const std::string* test_of(const std::map<std::string, std::string>& table, const std::string& name) {
  const std::string* found = nullptr;
  for (const auto& [beginning, test] : table)  // in order: a longer one comes later
    if (name.starts_with(beginning)) found = &test;
  return found;
}

// The hooks of all kinds are read alike.
std::string of_any_hook(const std::string& property) {
  size_t at = property.find("/*/");
  return property.starts_with("/hooks/") && at != std::string::npos ? "/hooks" + property.substr(at) : property;
}

std::vector<std::string> texts_below(std::initializer_list<const char*> folders) {
  std::vector<std::string> texts;
  for (const char* folder : folders)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(MINIRUN_SOURCE_DIR + std::string(folder)))
      if (entry.path().extension() == ".cc" || entry.path().extension() == ".h")
        texts.push_back(read_file(AT_FDCWD, entry.path().string(), 1 << 20).value());
  return texts;
}

TEST(NothingLost, EveryPropertyHasAnEffectARefusalOrAWarning) {
  json config = json::parse(source_text("/tests/unit/data/full-config.json"));
  std::string before = consequences(config);
  auto document = JsonDocument::parse(config.dump());
  ASSERT_TRUE(document.ok());
  std::map<std::string, bool> shown;
  for (const std::string& text : known_properties(**document)) {
    bool& is_shown = shown[general(text)];
    json::json_pointer pointer(text);
    if (is_shown || !config.contains(pointer)) continue;
    bool reported = before.find(text + ": ") != std::string::npos;  // a refusal or a warning
    is_shown = consequences(without(config, pointer)) != before &&
               (reported || consequences(with_another(config, pointer)) != before);
  }
  EXPECT_GT(shown.size(), 150U);
  for (const auto& [property, is_shown] : shown)
    EXPECT_TRUE(is_shown || test_of(kProperties, of_any_hook(property)) != nullptr)
        << property << ": full-config.json without it, or with another value, has the same plan and the same words";
}

// Of the rows in docs/conformance/: their names, and the properties that they say they speak of.
struct Rows {
  std::vector<std::string> names;
  std::vector<std::string> properties;
};

Rows rows_of_conformance() {
  Rows rows;
  for (const auto& entry : std::filesystem::directory_iterator(MINIRUN_SOURCE_DIR "/docs/conformance")) {
    std::istringstream lines(read_file(AT_FDCWD, entry.path().string(), 1 << 20).value());
    bool of_config = false;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("= ")) rows.names.push_back(line.substr(2));
      of_config = line.starts_with("config: ") || (of_config && line.starts_with("  "));
      std::istringstream words(of_config ? line.substr(line.find(' ')) : "");
      for (std::string word; words >> word;) rows.properties.push_back(word);
    }
  }
  return rows;
}

// "/a/b/**": /a/b and all below it. The lists of hooks are read alike: "/hooks/*/path".
bool speaks_of(std::string row, const std::string& property) {
  if (row.ends_with("/**")) {
    row.resize(row.size() - 3);
    if (property.starts_with(row + "/")) return true;
  }
  if (!row.starts_with("/hooks/*/")) return row == property;
  size_t list = property.find('/', 7);
  return property.starts_with("/hooks/") && list != std::string::npos && property.ends_with(row.substr(8)) &&
         property.size() - property.rfind('/') == row.size() - 8;
}

// An object needs no row of its own where each of its members has one.
bool has_members(const std::set<std::string>& properties, const std::string& property) {
  auto next = properties.upper_bound(property + "/");
  return next != properties.end() && next->starts_with(property + "/");
}

TEST(NothingLost, EveryPropertyHasARowOfConformance) {
  const Rows rows = rows_of_conformance();
  ASSERT_GT(rows.names.size(), 300U);
  auto document = JsonDocument::parse(source_text("/tests/unit/data/full-config.json"));
  ASSERT_TRUE(document.ok());
  std::set<std::string> properties;
  for (const std::string& text : known_properties(**document)) properties.insert(general(text));
  for (const std::string& property : properties)
    EXPECT_TRUE(has_members(properties, property) ||
                std::any_of(rows.properties.begin(), rows.properties.end(),
                            [&](const std::string& row) { return speaks_of(row, property); }))
        << property;
  for (const std::string& row : rows.properties)
    EXPECT_TRUE(std::any_of(properties.begin(), properties.end(),
                            [&](const std::string& property) { return speaks_of(row, property); }))
        << row << ": no such property";
  auto named = [&](const std::string& word) {
    return std::any_of(rows.names.begin(), rows.names.end(),
                       [&](const std::string& name) { return name.find(word) != std::string::npos; });
  };
  for (const AnnotationRow& row : known_annotations())
    EXPECT_TRUE(named('`' + std::string(row.key) + (row.key.ends_with('.') ? "*`" : "`"))) << row.key;
  for (const std::string& option : known_mount_options()) EXPECT_TRUE(named('`' + option + '`')) << option;
  for (const CommandEntry& command : read_command_table().commands)
    EXPECT_TRUE(named('`' + command.name + '`') || named(command.name + " COMMAND`")) << command.name;
}

TEST(NothingLost, EveryAnnotationIsActedOn) {
  json config = json::parse(source_text("/tests/unit/data/full-config.json"));
  for (const AnnotationRow& row : known_annotations()) {
    std::string key(row.key);
    EXPECT_TRUE(kActedOn.contains(key)) << key << ": no test shows what it does";
    if (row.is_good == nullptr) continue;
    config["annotations"] = {{key, "/no such value"}};
    EXPECT_NE(consequences(config).find("/annotations/" + key + ": must be "), std::string::npos) << key;
  }
  EXPECT_EQ(kActedOn.size(), known_annotations().size());
}

TEST(NothingLost, EveryOptionIsGivenByATest) {
  auto texts = texts_below({"/tests/integration", "/tests/attacks", "/tests/faults", "/tests/support"});
  auto given = [&](const std::string& command, const std::string& spelling) {
    return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
      auto has = [&](const std::string& word) { return text.find(word) != std::string::npos; };
      bool about = command.empty() || has("\"" + command + "\"") || has(command + "(");
      return about && (has("\"" + spelling + "\"") || has("\"" + spelling + "="));
    });
  };
  CommandTable table = read_command_table();
  table.commands.push_back({"", {}, table.options});
  for (const CommandEntry& command : table.commands)
    for (const OptionEntry& option : command.options) {
      bool any = std::any_of(option.spellings.begin(), option.spellings.end(),
                             [&](const std::string& spelling) { return given(command.name, spelling); });
      std::string name = command.name + " " + option.spellings.back();
      EXPECT_TRUE(any || test_of(kOptions, name) != nullptr) << name << ": no test gives it";
    }
}

TEST(NothingLost, TestsOfTheTablesAreThere) {
  std::string all;
  for (const std::string& text : texts_below({"/tests/unit", "/tests/integration"})) all += text;
  for (const auto* table : {&kProperties, &kOptions, &kActedOn})
    for (const auto& [name, test] : *table) {
      std::string head = test;
      head.replace(head.find('.'), 1, ", ");
      EXPECT_NE(all.find("(" + head + ")"), std::string::npos) << name << ": " << test;
    }
}

Invocation parse_words(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  return parse_command_line(static_cast<int>(words.size()), pointers.data());
}

TEST(NothingLost, DebugStaysBesideALogLevel) {
  EXPECT_TRUE(wants_debug(parse_words({"minirun", "--debug", "--log-level", "info", "list"}).global));
  EXPECT_TRUE(wants_debug(parse_words({"minirun", "--log-level", "debug", "list"}).global));
  EXPECT_FALSE(wants_debug(parse_words({"minirun", "--log-level", "error", "list"}).global));
}

}  // namespace
}  // namespace minirun
