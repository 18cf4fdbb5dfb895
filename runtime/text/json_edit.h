// SPDX-License-Identifier: Apache-2.0
// A JSON text that is changed in place. What no change touches stays as it was written, byte for byte: the order of
// keys, numbers of any size and precision, escapes, white space and line ends. Only arrays and objects in which
// something changes are laid out anew, in the style of the text: its indentation, or one line where they were one line.
//
// A place is a JSON pointer (RFC 6901) of plain tokens. Each change may carry a label, such as the option that asked
// for it, so that an error about a place can name it.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

class JsonEdit {
 public:
  // Copies the text. Errors as JsonDocument::parse() has them; also an error where the root is not an object, and a
  // key that an object has twice, since a change of it would be ambiguous.
  static Result<JsonEdit> parse(std::string_view text);

  JsonEdit(JsonEdit&&) noexcept;
  JsonEdit& operator=(JsonEdit&&) noexcept;
  ~JsonEdit();

  // The value there as JSON text; nothing where it is missing.
  std::optional<std::string> get(std::string_view pointer) const;
  // A string's value; nothing where it is missing, or of another type.
  std::optional<std::string> string(std::string_view pointer) const;
  // How many elements or members it has; 0 if it has none, or is missing.
  size_t size(std::string_view pointer) const;

  // Puts the JSON text `value` there, in the place of the old value or as a new last member. Makes missing objects on
  // the way. An equal value stays as it is written. The error has kind config and the pointer: something on the way is
  // not an object, or an array lacks that index.
  Result<void> set(std::string_view pointer, std::string_view value);
  // Puts it into the array before the element of that index, or at its end. Makes a missing array.
  Result<void> insert(std::string_view array, size_t index, std::string_view value);
  Result<void> append(std::string_view array, std::string_view value);
  // Does nothing where nothing is.
  Result<void> remove(std::string_view pointer);

  // Following changes have this label; "" for none.
  void label(std::string label) { label_ = std::move(label); }
  // The label of the change that the place comes from; "" for none.
  std::string label_of(std::string_view pointer) const;
  // Where the value was in the text that was parsed: removed elements shift the ones behind them. Nothing for a value
  // that a change made.
  std::optional<std::string> original(std::string_view pointer) const;

  // The whole text as it is now.
  std::string text() const;

 private:
  struct Node;
  struct Style {
    std::string_view line_end = "\n";  // of a literal, or of the text
    std::string_view indent = "  ";
    std::string_view colon = ": ";
    bool one_line = false;
  };

  JsonEdit();
  std::string_view keep(std::string text);
  static void detect_style(std::string_view text, Style* style);
  static std::unique_ptr<Node> node_of(std::string_view text);
  void open(Node& node) const;
  void open_all(Node& node);
  Node* find(std::string_view pointer) const;
  Result<Node*> make_way(std::string_view pointer, std::string_view* last);
  Result<Node*> array_at(std::string_view pointer);
  void print(const Node& node, size_t depth, std::string* out) const;
  std::unique_ptr<Node> fresh(std::string_view value);
  void touch(Node* node);

  std::deque<std::string> texts_;  // what the nodes' views point into; a deque does not move them
  std::string_view before_;        // white space around the root, and a byte order mark
  std::string_view after_;
  std::unique_ptr<Node> root_;
  Style style_;
  std::string label_;
};

// "text" with quotes and escapes. The text must be UTF-8 (is_utf8()).
std::string json_string(std::string_view text);

}  // namespace minirun
