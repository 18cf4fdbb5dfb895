// SPDX-License-Identifier: Apache-2.0
// What a command takes: its describe() lists it here once. The command line is parsed by that list; help, manual pages
// and completions print it. CLI11, which parses, stays in options.cc.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace minirun {

// An option as it is printed.
struct OptionEntry {
  std::vector<std::string> spellings;  // with their hyphens, short ones first
  std::string value;                   // what it takes, such as FILE or text|json; "" for a flag
  std::string text;
  std::string group;
  std::vector<std::string> choices;  // that the value must be one of; empty: any
};

// In all calls, names are those of one option ("-f,--format"), and place gets what the command line gives for it.
class Options {
 public:
  Options() = default;  // to print
  // To parse words, the command line, which outlives this.
  Options(CLI::App& parser, const std::vector<std::string>& words) : parser_(&parser), words_(&words) {}

  // The options from here on stand below this title.
  void group(const char* title) { group_ = title; }

  void flag(const char* names, bool& place, const char* text);
  // Without the flag another source decides: a process file, or the container's config. "!--no-x" in names means false.
  void flag(const char* names, std::optional<bool>& place, const char* text);
  void ignored_flag(const char* names, const char* text);
  void version_flag(const char* names, const char* text);

  // value is its name in the help. FILE, DIR and SOCKET complete as paths. T is a string, a number or optional.
  template <class T>
  void value(const char* names, const char* value, T& place, const char* text);
  // May be given several times.
  void values(const char* names, const char* value, std::vector<std::string>& place, const char* text);
  void choice(const char* names, std::initializer_list<const char*> words, std::string& place, const char* text);

  // The words behind the options.
  void id(std::string& place);      // of a container, required
  void new_id(std::string& place);  // of a container that does not exist yet, required
  void id_and_rest(std::string& id, std::vector<std::string>& rest);  // options end at the id, which is required
  void bundle(std::string& place);
  void bundle_and_id(std::vector<std::string>& place);  // as many of both as the caller gives
  void word(const char* name, std::string& place);

  // What was listed, --help last.
  std::vector<OptionEntry> entries() const;
  bool takes_id() const { return takes_id_; }
  bool takes_bundle() const { return takes_bundle_; }

 private:
  friend class Parser;

  void list(const char* names, std::string value, const char* text, std::vector<std::string> choices = {});
  bool parses(std::string_view names) const;
  void split_rest() const;

  CLI::App* parser_ = nullptr;
  const std::vector<std::string>* words_ = nullptr;
  std::string group_ = "Options";
  std::vector<OptionEntry> entries_;
  bool takes_id_ = false;
  bool takes_bundle_ = false;
  const std::string* id_ = nullptr;
  std::string* id_before_rest_ = nullptr;
  std::vector<std::string>* rest_ = nullptr;
};

// Reads a command line by what its commands list.
class Parser {
 public:
  struct Answer {
    std::string command;                    // "": none is named
    std::optional<std::string> id;          // of the container that the command is about
    std::optional<std::string> no_command;  // a word that stands where a command should
    bool help = false;
    bool version = false;
    std::string error;  // what else is wrong with the command line; "": nothing
  };

  // words: the command line without the program's name. Long options may have one hyphen, as Go's flag package has it
  // ("-no-subreaper").
  explicit Parser(std::vector<std::string> words);
  ~Parser();

  Options& program();  // the options before a command
  Options& command(const std::string& name);

  Answer parse();

 private:
  std::vector<std::string> words_;
  std::unique_ptr<CLI::App> app_;
  Options program_;
  std::map<std::string, Options> commands_;
};

}  // namespace minirun
