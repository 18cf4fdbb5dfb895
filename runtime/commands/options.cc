// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace minirun {
namespace {

// The next one of "-t,--tty,!--no-tty", with its hyphens.
std::string_view take_spelling(std::string_view* names) {
  size_t end = std::min(names->find(','), names->size());
  std::string_view name = names->substr(0, end);
  names->remove_prefix(std::min(end + 1, names->size()));
  if (name.starts_with('!')) name.remove_prefix(1);
  return name;
}

std::vector<std::string> spellings_of(std::string_view names) {
  std::vector<std::string> spellings;
  while (!names.empty()) spellings.emplace_back(take_spelling(&names));
  return spellings;
}

// Whether word could name the option: "--x", "--x=1", "-x" with one hyphen more, or "-axe" for -x.
bool may_name(std::string_view word, std::string_view option) {
  if (word.size() < 2 || word[0] != '-') return false;
  if (option.size() == 2) return word[1] != '-' && word.find(option[1], 1) != word.npos;
  word.remove_prefix(word[1] == '-' ? 2 : 1);
  return word.substr(0, word.find('=')) == option.substr(2);
}

// Stands for the value that an option lacks. No command line can have it in a word.
const std::string kNoValue(1, '\0');
constexpr const char* kMayLackValue = "may lack its value";  // CLI11 keeps it with the option

template <class T>
constexpr bool kIsNumber = std::is_arithmetic_v<T>;
template <class T>
constexpr bool kIsNumber<std::optional<T>> = std::is_arithmetic_v<T>;

const CLI::App* subcommand_of(CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == name) return command;
  return nullptr;
}

// Accepts "-x" for "--x", and "--x=" for an empty value. Leaves alone what follows the id of exec and ps, and the "--"
// of a command that `cuts` there. Returns the place of that "--", or npos.
size_t rewrite_for_parser(CLI::App& app, std::vector<std::string>* arguments,
                          const std::function<bool(const std::string&)>& cuts) {
  const CLI::App* command = nullptr;
  bool is_value = false;
  for (size_t i = 0; i < arguments->size(); i++) {
    std::string& argument = (*arguments)[i];
    const CLI::App* where = command != nullptr ? command : &app;
    if (std::exchange(is_value, false)) continue;
    if (argument.empty() || argument[0] != '-') {
      if (command != nullptr && command->get_prefix_command()) return std::string::npos;
      if (command == nullptr) command = subcommand_of(app, argument);
      continue;
    }
    if (argument == "--" && command != nullptr && cuts(command->get_name())) return i;
    size_t equals = argument.find('=');
    bool empty_value = equals == argument.size() - 1;
    std::string name = argument.substr(0, equals);
    if (name.size() > 2 && name[1] != '-' && where->get_option_no_throw("-" + name) != nullptr) {
      argument.insert(0, "-");
      name.insert(0, "-");
    }
    const CLI::Option* option = where->get_option_no_throw(name);
    bool takes_value = option != nullptr && option->get_expected_min() > 0;
    if (takes_value && equals == std::string::npos && option->get_default_str() == kMayLackValue) {
      arguments->insert(arguments->begin() + static_cast<ptrdiff_t>(++i), kNoValue);
      continue;
    }
    is_value = takes_value && equals == std::string::npos;
    if (!takes_value || !empty_value) continue;
    argument.pop_back();  // "--x=": an empty value; CLI11 would take the next word
    arguments->insert(arguments->begin() + static_cast<ptrdiff_t>(++i), std::string());
  }
  return std::string::npos;
}

// The message of Go's flag packages, which podman matches. "" for another error.
std::string missing_value(const CLI::ParseError& error) {
  std::string text = error.what();
  size_t colon = text.find(": ");
  bool missing = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ArgumentMismatch) && text[0] == '-' &&
                 text.ends_with(" missing");
  return missing && colon != std::string::npos ? "flag needs an argument: " + text.substr(0, colon) : "";
}

std::string error_text(const CLI::ParseError& error, const std::string& command) {
  std::string missing = missing_value(error);
  if (!missing.empty()) return missing;
  return fmt::format("{} (minirun {})", error.what(), command.empty() ? "--help" : "help " + command);
}

}  // namespace

void Options::list(const char* names, std::string value, const char* text, std::vector<std::string> choices) {
  if (parser_ == nullptr) entries_.push_back({spellings_of(names), std::move(value), text, group_, std::move(choices)});
}

// CLI11 takes microseconds for each option, so it gets only those that the command line could name.
bool Options::parses(std::string_view names) const {
  if (parser_ == nullptr) return false;
  while (!names.empty()) {
    std::string_view name = take_spelling(&names);
    if (std::any_of(words_->begin(), words_->end(), [&](const std::string& word) { return may_name(word, name); }))
      return true;
  }
  return false;
}

std::vector<OptionEntry> Options::entries() const {
  std::vector<OptionEntry> all = entries_;
  all.push_back({{"-h", "--help"}, "", "print this help", "Options", {}});  // its reader has found it
  return all;
}

void Options::flag(const char* names, bool& place, const char* text) {
  list(names, "", text);
  if (parses(names)) parser_->add_flag(names, place);
}

// CLI11 would also set the variable of an absent flag.
void Options::flag(const char* names, std::optional<bool>& place, const char* text) {
  list(names, "", text);
  auto take = [&place](int64_t count) {
    if (count != 0) place = count > 0;
  };
  if (parses(names)) parser_->add_flag_function(names, take);
}

void Options::ignored_flag(const char* names, const char* text) {
  list(names, "", text);
  if (parses(names)) parser_->add_flag_function(names, [](int64_t) {});
}

void Options::version_flag(const char* names, const char* text) {
  list(names, "", text);
  if (parses(names)) parser_->set_version_flag(names, std::string());
}

template <class T>
void Options::value(const char* names, const char* value, T& place, const char* text) {
  list(names, value, text);
  if (!parses(names)) return;
  CLI::Option* option = parser_->add_option(names, place);
  // CLI11 treats an empty word as an absent optional number.
  if constexpr (kIsNumber<T>)
    option->check([](const std::string& word) { return word.empty() ? "must be a number" : std::string(); });
}
template void Options::value(const char*, const char*, std::string&, const char*);
template void Options::value(const char*, const char*, uint32_t&, const char*);
template void Options::value(const char*, const char*, std::optional<std::string>&, const char*);
template void Options::value(const char*, const char*, std::optional<int>&, const char*);
template void Options::value(const char*, const char*, std::optional<uint16_t>&, const char*);
template void Options::value(const char*, const char*, std::optional<int64_t>&, const char*);
template void Options::value(const char*, const char*, std::optional<uint64_t>&, const char*);

void Options::optional_value(const char* names, const char* value, std::optional<std::string>& place,
                             const char* text) {
  list(names, value, text);
  if (parser_ == nullptr) entries_.back().value_may_lack = true;
  if (!parses(names)) return;
  auto take = [&place](const std::string& word) { place = word == kNoValue ? "" : word; };
  parser_->add_option_function<std::string>(names, take)
      ->default_str(kMayLackValue)
      ->check([](const std::string& word) { return word.empty() ? "must not be empty" : std::string(); });
}

void Options::values(const char* names, const char* value, std::vector<std::string>& place, const char* text) {
  list(names, value, text);
  if (parses(names)) parser_->add_option(names, place)->allow_extra_args(false)->take_all();
}

void Options::choice(const char* names, std::initializer_list<const char*> words, std::string& place,
                     const char* text) {
  std::vector<std::string> choices(words.begin(), words.end());
  list(names, fmt::format("{}", fmt::join(choices, "|")), text, choices);
  if (parses(names)) parser_->add_option(names, place)->check(CLI::IsMember(choices));
}

void Options::id(std::string& place) {
  takes_id_ = true;
  new_id(place);
}

void Options::new_id(std::string& place) {
  id_ = &place;
  if (parser_ != nullptr) parser_->add_option("ID", place)->required();
}

void Options::ids(std::vector<std::string>& place) {
  takes_id_ = true;
  if (parser_ != nullptr) parser_->add_option("ID", place);
}

void Options::id_and_rest(std::string& id, std::vector<std::string>& rest) {
  takes_id_ = true;
  id_ = id_before_rest_ = &id;
  rest_ = &rest;
  if (parser_ != nullptr) parser_->prefix_command();
}

void Options::rest_after_dashes(std::vector<std::string>& rest) {
  rest_after_dashes_ = &rest;
}

void Options::split_rest() const {
  if (rest_ == nullptr) return;
  std::vector<std::string> words = parser_->remaining();
  if (words.empty()) throw CLI::RequiredError("ID");
  if (words[0].starts_with("-") && words[0].size() > 1) throw CLI::ExtrasError(parser_->get_name(), {words[0]});
  *id_before_rest_ = words[0];
  size_t first = words.size() > 1 && words[1] == "--" ? 2 : 1;
  rest_->assign(words.begin() + static_cast<ptrdiff_t>(first), words.end());
}

void Options::bundle(std::string& place) {
  takes_bundle_ = true;
  if (parser_ != nullptr) parser_->add_option("BUNDLE", place);
}

void Options::bundle_and_id(std::vector<std::string>& place) {
  takes_bundle_ = true;
  if (parser_ != nullptr) parser_->add_option("BUNDLE", place)->expected(0, 2);
}

void Options::word(const char* name, std::string& place) {
  if (parser_ != nullptr) parser_->add_option(name, place);
}

Parser::Parser(std::vector<std::string> words)
    : words_(std::move(words)), app_(std::make_unique<CLI::App>("", "minirun")), program_(*app_, words_) {
  app_->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // the commands inherit it
  app_->require_subcommand(0, 1);
}

Parser::~Parser() = default;

Options& Parser::program() {
  return program_;
}

Options& Parser::command(const std::string& name) {
  return commands_.try_emplace(name, *app_->add_subcommand(name), words_).first->second;
}

Parser::Answer Parser::parse() {
  Answer answer;
  std::vector<std::string> arguments = words_;
  auto cuts = [this](const std::string& name) { return commands_.at(name).rest_after_dashes_ != nullptr; };
  const size_t dashes = rewrite_for_parser(*app_, &arguments, cuts);
  std::vector<std::string> after_dashes;
  if (dashes != std::string::npos) {
    after_dashes.assign(arguments.begin() + static_cast<ptrdiff_t>(dashes) + 1, arguments.end());
    arguments.resize(dashes);
  }
  auto named = [this] {
    auto commands = app_->get_subcommands();
    return commands.empty() ? std::string() : commands[0]->get_name();
  };
  try {
    app_->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 wants them reversed
    if (!named().empty()) commands_.at(named()).split_rest();
    if (dashes != std::string::npos && after_dashes.empty()) answer.error = "no command follows --";
    if (!after_dashes.empty()) *commands_.at(named()).rest_after_dashes_ = std::move(after_dashes);
  } catch (const CLI::CallForHelp&) {
    answer.help = true;
  } catch (const CLI::CallForVersion&) {
    answer.version = true;
  } catch (const CLI::ParseError& error) {
    answer.error = error_text(error, named());
  }
  answer.command = named();
  auto command = commands_.find(answer.command);
  if (command != commands_.end() && command->second.id_ != nullptr) answer.id = *command->second.id_;
  std::vector<std::string> rest = app_->remaining();
  if (answer.command.empty() && !rest.empty() && !rest[0].starts_with('-')) answer.no_command = rest[0];
  return answer;
}

}  // namespace minirun
