// SPDX-License-Identifier: Apache-2.0
// One list of options: what it prints, and what the parser makes of a command line.
#include "runtime/commands/options.h"

#include <gtest/gtest.h>

namespace minirun {
namespace {

struct GivenOptions {
  bool all = false;
  std::optional<bool> terminal;
  std::string file = "none";
  uint32_t count = 7;
  std::optional<int64_t> limit;
  std::optional<std::string> size;
  std::vector<std::string> env;
  std::string format = "text";
  std::string id;
  std::vector<std::string> rest;
};

void describe(Options& options, GivenOptions& given) {
  options.flag("-a,--all", given.all, "all of them");
  options.flag("-t,--tty,!--no-tty", given.terminal, "a terminal, or none");
  options.group("Values");
  options.value("--file", "FILE", given.file, "a file");
  options.value("--count", "N", given.count, "a number");
  options.value("--limit", "N", given.limit, "a limit");
  options.values("-e,--env", "NAME=VALUE", given.env, "a variable");
  options.choice("-f,--format", {"text", "json"}, given.format, "a format");
  options.ignored_flag("--old", "ignored");
  options.optional_value("--size", "SIZE", given.size, "a size or the usual one");
  options.id_and_rest(given.id, given.rest);
}

struct ParsedLine {
  Parser::Answer answer;
  GivenOptions given;
};

// A program with --root, and the commands `do` and `look`.
ParsedLine parse_line(std::vector<std::string> words) {
  ParsedLine parsed;
  std::string root, looked_at;
  Parser parser(std::move(words));
  parser.program().version_flag("-v,--version", "print the version");
  parser.program().value("--root", "DIR", root, "a directory");
  describe(parser.command("do"), parsed.given);
  parser.command("look").word("WORD", looked_at);
  parsed.answer = parser.parse();
  return parsed;
}

std::string wrong_in(std::vector<std::string> words) {
  return parse_line(std::move(words)).answer.error;
}

TEST(Options, AreListedAsTheyArePrinted) {
  Options options;
  GivenOptions given;
  describe(options, given);
  std::string text;
  for (const OptionEntry& option : options.entries()) {
    text += option.group + ":";
    for (const std::string& spelling : option.spellings) text += " " + spelling;
    text += " " + option.value + "; " + option.text;
    for (const std::string& choice : option.choices) text += ", " + choice;
    text += "\n";
  }
  EXPECT_EQ(text,
            "Options: -a --all ; all of them\n"
            "Options: -t --tty --no-tty ; a terminal, or none\n"
            "Values: --file FILE; a file\n"
            "Values: --count N; a number\n"
            "Values: --limit N; a limit\n"
            "Values: -e --env NAME=VALUE; a variable\n"
            "Values: -f --format text|json; a format, text, json\n"
            "Values: --old ; ignored\n"
            "Values: --size SIZE; a size or the usual one\n"
            "Options: -h --help ; print this help\n");
  EXPECT_TRUE(options.takes_id());
  EXPECT_FALSE(options.takes_bundle());
}

TEST(Options, SayWhatCompletionsOffer) {
  std::string place;
  std::vector<std::string> places;
  Options id, new_id, bundle, both, word;
  id.id(place);
  new_id.new_id(place);
  bundle.bundle(place);
  both.bundle_and_id(places);
  word.word("WORD", place);
  EXPECT_TRUE(id.takes_id());
  EXPECT_FALSE(new_id.takes_id());
  EXPECT_TRUE(bundle.takes_bundle());
  EXPECT_TRUE(both.takes_bundle());
  EXPECT_FALSE(word.takes_id() || word.takes_bundle());
}

TEST(Options, ValueThatMayLackIsNeverTheNextWord) {
  EXPECT_EQ(parse_line({"do", "web1"}).given.size, std::nullopt);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"do", "--size", "web1"},
                                                {"do", "-size", "web1"},
                                                {"do", "--size=8m", "--size", "web1"}}) {
    auto [answer, given] = parse_line(words);
    EXPECT_EQ(answer.error, "");
    EXPECT_EQ(given.size, "");
    EXPECT_EQ(given.id, "web1");
  }
  for (const char* word : {"--size=8m", "-size=8m"})
    EXPECT_EQ(parse_line({"do", word, "web1"}).given.size, "8m") << word;
  EXPECT_EQ(parse_line({"do", "--size", "--all", "web1"}).given.all, true);
  EXPECT_NE(wrong_in({"do", "--size=", "web1"}), "");
}

TEST(Options, ReachTheirPlaces) {
  auto [answer, given] =
      parse_line({"--root=/r", "do",  "-a", "-no-tty", "--file", "x",     "--count", "1",  "--count=2", "-limit", "-5",
                  "-e",        "A=1", "-e", "B=2",     "-fjson", "--old", "web1",    "-a", "--",        "sh"});
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(answer.command, "do");
  EXPECT_EQ(answer.id, "web1");
  EXPECT_TRUE(given.all);
  EXPECT_EQ(given.terminal, false);
  EXPECT_EQ(given.file, "x");
  EXPECT_EQ(given.count, 2U) << "the last one counts";
  EXPECT_EQ(given.limit, -5);
  EXPECT_EQ(given.env, (std::vector<std::string>{"A=1", "B=2"}));
  EXPECT_EQ(given.format, "json");
  EXPECT_EQ(given.id, "web1");
  EXPECT_EQ(given.rest, (std::vector<std::string>{"-a", "--", "sh"})) << "it is not minirun's to read";
}

TEST(Options, ShortFlagsStandTogether) {
  auto [answer, given] = parse_line({"do", "-at", "web1"});
  EXPECT_EQ(answer.error, "");
  EXPECT_TRUE(given.all);
  EXPECT_EQ(given.terminal, true);
  EXPECT_EQ(parse_line({"do", "-ate", "A=1", "web1"}).given.env, (std::vector<std::string>{"A=1"}));
  EXPECT_EQ(wrong_in({"do", "-ax", "web1"}), "The following argument was not expected: -x (minirun help do)");
}

TEST(Options, ThatAreNotGivenLeaveTheirPlaces) {
  auto [answer, given] = parse_line({"do", "web1", "--", "sh"});
  EXPECT_EQ(answer.error, "");
  EXPECT_FALSE(given.all);
  EXPECT_EQ(given.terminal, std::nullopt);
  EXPECT_EQ(given.file, "none");
  EXPECT_EQ(given.count, 7U);
  EXPECT_EQ(given.limit, std::nullopt);
  EXPECT_EQ(given.format, "text");
  EXPECT_EQ(given.rest, (std::vector<std::string>{"sh"}));
}

TEST(Options, AnEmptyWordIsATextAndNoNumber) {
  EXPECT_EQ(parse_line({"do", "--file", "", "web1"}).given.file, "");
  EXPECT_EQ(parse_line({"do", "--file=", "web1"}).answer.error, "");
  for (const char* number : {"--count", "--limit"})
    EXPECT_NE(wrong_in({"do", number, "", "web1"}).find("must be a number"), std::string::npos) << number;
}

TEST(Options, ThatAreWrongAreErrors) {
  EXPECT_EQ(wrong_in({"do"}), "ID is required (minirun help do)");
  EXPECT_EQ(wrong_in({"do", "--no-such", "x"}), "The following argument was not expected: --no-such (minirun help do)");
  EXPECT_EQ(wrong_in({"do", "-f", "yaml", "x"}), "--format: yaml not in {text,json} (minirun help do)");
  EXPECT_EQ(wrong_in({"do", "--count", "many", "x"}), "Could not convert: --count = many (minirun help do)");
  EXPECT_EQ(wrong_in({"do", "--file"}), "flag needs an argument: --file") << "podman looks for these words";
  EXPECT_EQ(wrong_in({"--root"}), "flag needs an argument: --root");
  EXPECT_EQ(wrong_in({"--no-such"}), "The following argument was not expected: --no-such (minirun --help)");
}

TEST(Options, AWordThatIsNoCommandIsNamed) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"foo"}, {"--root", "/r", "foo"}, {"foo", "--no-such"}, {"foo", "--root"}, {"foo", "bar"}}) {
    Parser::Answer answer = parse_line(words).answer;
    EXPECT_EQ(answer.no_command, "foo") << words[0];
    EXPECT_EQ(answer.command, "") << words[0];
  }
  for (const auto& words : std::vector<std::vector<std::string>>{{}, {"--root", "/r"}, {"--no-such"}, {"look", "foo"}})
    EXPECT_EQ(parse_line(words).answer.no_command, std::nullopt);
}

TEST(Options, HelpAndVersionComeBeforeErrors) {
  for (const char* flag : {"-h", "--help", "-help"}) {
    EXPECT_TRUE(parse_line({"do", flag}).answer.help) << flag;
    EXPECT_EQ(parse_line({"do", flag}).answer.command, "do") << flag;
    EXPECT_TRUE(parse_line({flag}).answer.help) << flag;
  }
  for (const char* flag : {"-v", "--version", "-version"}) EXPECT_TRUE(parse_line({flag}).answer.version) << flag;
}

}  // namespace
}  // namespace minirun
