// SPDX-License-Identifier: Apache-2.0
// The options of a command: its describe() lists them here once. That list parses the command line; help, manual pages
// and completions print it. Only options.cc uses CLI11, the parser.
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

// An option for printing.
struct OptionEntry {
  std::vector<std::string> spellings;  // with their hyphens, short ones first
  std::string value;                   // the name of its value, such as FILE or text|json; "" for a flag
  std::string text;
  std::string group;
  std::vector<std::string> choices;  // the allowed values; empty: any
  bool value_may_lack = false;       // "--option" and "--option=VALUE"; the next word is not its value
};

// In all calls, names are the spellings of one option ("-f,--format"), and place receives its value.
class Options {
 public:
  Options() = default;  // to print
  // Parses words, the command line, which must outlive this object.
  Options(CLI::App& parser, const std::vector<std::string>& words) : parser_(&parser), words_(&words) {}

  // Puts the following options below this title.
  void group(const char* title) { group_ = title; }

  void flag(const char* names, bool& place, const char* text);
  // Leaves place unset without the flag: a process file or the container's config decides then. "!--no-x" in names
  // means false.
  void flag(const char* names, std::optional<bool>& place, const char* text);
  void ignored_flag(const char* names, const char* text);
  void version_flag(const char* names, const char* text);

  // value is its name in the help. FILE, DIR and SOCKET complete as paths. T is a string, a number or optional.
  template <class T>
  void value(const char* names, const char* value, T& place, const char* text);
  // The option alone sets place to "", which "--option=" does not: an empty value is an error.
  void optional_value(const char* names, const char* value, std::optional<std::string>& place, const char* text);
  // May be given several times.
  void values(const char* names, const char* value, std::vector<std::string>& place, const char* text);
  void choice(const char* names, std::initializer_list<const char*> words, std::string& place, const char* text);

  // The words after the options.
  void id(std::string& place);                                        // of a container, required
  void new_id(std::string& place);                                    // of a new container, required
  void id_and_rest(std::string& id, std::vector<std::string>& rest);  // options end at the id, which is required
  void rest_after_dashes(std::vector<std::string>& rest);             // all that follows the first "--"
  void ids(std::vector<std::string>& place);                          // any number
  void bundle(std::string& place);
  void bundle_and_id(std::vector<std::string>& place);  // either, both or none
  void word(const char* name, std::string& place);

  // The listed options, --help last.
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
  std::vector<std::string>* rest_after_dashes_ = nullptr;
};

// Parses a command line by the lists of its commands.
class Parser {
 public:
  struct Answer {
    std::string command;                    // "": none is named
    std::optional<std::string> id;          // of the container that the command is about
    std::optional<std::string> no_command;  // a word in place of a command
    bool help = false;
    bool version = false;
    std::string error;  // what else is wrong with the command line; "": nothing
  };

  // words: the command line without the program's name. Long options may have one hyphen, as in Go's flag package
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
