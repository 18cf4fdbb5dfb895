// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_edit.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "runtime/text/json.h"
#include "runtime/text/json_scan.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

// Whether the token of a pointer, as JsonValue::pointer() writes it, names the key.
bool names(std::string_view token, std::string_view key_text) {
  return token == pointer_token(decoded_string(key_text).value_or(""));
}

// The next token of a pointer.
std::string_view take_token(std::string_view* pointer) {
  pointer->remove_prefix(1);  // '/'
  std::string_view token = pointer->substr(0, pointer->find('/'));
  pointer->remove_prefix(token.size());
  return token;
}

size_t index_of(std::string_view token) {
  size_t index = 0;
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  return error == std::errc() && end == token.data() + token.size() ? index : SIZE_MAX;
}

Error wrong_type(std::string_view pointer, std::string_view wanted, std::string_view text) {
  auto document = JsonDocument::parse(text);
  std::string found = document.ok() ? (*document)->root().describe() : "something else";
  Error error = fail(ErrorKind::config, "{}: must be {}: found {}", pointer, wanted, found);
  error.change_details().pointer = pointer;
  return error;
}

}  // namespace

struct JsonEdit::Node {
  enum class Kind : uint8_t { raw, object, array };
  Kind kind = Kind::raw;
  bool changed = false;                     // it is printed from its children
  bool one_line = false;                    // its children stand in one line then
  std::string_view text;                    // as it was written
  std::string_view key;                     // of a member, with its quotes
  std::string_view colon;                   // between key and value
  std::optional<std::string_view> lead;     // what precedes it in its array or object; nothing: the style of the text
  std::string_view trail;                   // what follows it, before the comma
  std::string_view opening;                 // after the bracket, before the children that it had at first
  std::optional<std::string_view> closing;  // behind them; nothing: it had none
  std::optional<size_t> origin;             // its index among the children at first; nothing for one that a change made
  std::string label;                        // of the change that made it
  Node* parent = nullptr;
  std::vector<std::unique_ptr<Node>> children;

  bool is_object() const { return text.starts_with('{'); }
  bool is_array() const { return text.starts_with('['); }

  void add(std::unique_ptr<Node> child, size_t index) {
    child->parent = this;
    children.insert(children.begin() + static_cast<ptrdiff_t>(std::min(index, children.size())), std::move(child));
  }
  Node* child(std::string_view token) const {
    if (kind == Kind::array) {
      size_t index = index_of(token);
      return index < children.size() ? children[index].get() : nullptr;
    }
    auto found = std::find_if(children.begin(), children.end(), [&](const auto& c) { return names(token, c->key); });
    return found == children.end() ? nullptr : found->get();
  }
};

JsonEdit::JsonEdit() = default;
JsonEdit::JsonEdit(JsonEdit&&) noexcept = default;
JsonEdit& JsonEdit::operator=(JsonEdit&&) noexcept = default;
JsonEdit::~JsonEdit() = default;

std::string_view JsonEdit::keep(std::string text) {
  return texts_.emplace_back(std::move(text));
}

std::unique_ptr<JsonEdit::Node> JsonEdit::node_of(std::string_view text) {
  auto node = std::make_unique<Node>();
  node->text = text;
  return node;
}

// From the first member of the root.
void JsonEdit::detect_style(std::string_view text, Style* style) {
  size_t key = past_space(text, 1);
  if (text[key] != '"') return;
  std::string_view space = text.substr(1, key - 1);
  if (size_t line = space.find('\n'); line != space.npos) {
    style->line_end = line > 0 && space[line - 1] == '\r' ? "\r\n" : "\n";
    style->indent = space.substr(space.rfind('\n') + 1);
  }
  style->one_line = text.find('\n') == text.npos;
  size_t key_end = past_string(text, key);
  size_t value = past_space(text, past_space(text, key_end) + 1);
  std::string_view colon = text.substr(key_end, value - key_end);
  if (colon.find_first_of("\r\n") == colon.npos) style->colon = colon;
}

Result<JsonEdit> JsonEdit::parse(std::string_view text) {
  auto document = JsonDocument::parse(text);
  if (!document.ok()) return document.error();
  if ((*document)->root().type() != JsonType::object)
    return fail(ErrorKind::config, "1:1: must be an object: found {}", (*document)->root().describe());
  for (const JsonFlaw& flaw : (*document)->flaws())
    if (flaw.kind == JsonFlaw::Kind::duplicate_key) {
      Error error = fail(ErrorKind::config, "{}: must appear only once in its object", flaw.value.pointer());
      error.change_details().pointer = flaw.value.pointer();
      return error;
    }
  JsonEdit edit;
  std::string_view kept = edit.keep(std::string(text));
  size_t begin = kept.find('{');  // a byte order mark may come first
  size_t end = past_value(kept, begin);
  edit.before_ = kept.substr(0, begin);
  edit.after_ = kept.substr(end);
  edit.root_ = node_of(kept.substr(begin, end - begin));
  edit.root_->origin = 0;
  detect_style(edit.root_->text, &edit.style_);
  return edit;
}

// Splits the text of an array or object into its children, once.
void JsonEdit::open(Node& node) const {
  if (node.kind != Node::Kind::raw || (!node.is_object() && !node.is_array())) return;
  node.kind = node.is_object() ? Node::Kind::object : Node::Kind::array;
  std::string_view text = node.text;
  size_t before = 1;  // the end of what precedes the child
  for (size_t at = past_space(text, before); text[at] != '}' && text[at] != ']'; at = past_space(text, before)) {
    auto child = node_of({});
    child->lead = text.substr(before, at - before);
    if (node.is_object()) {
      size_t end = past_string(text, at);
      child->key = text.substr(at, end - at);
      at = past_space(text, past_space(text, end) + 1);
      child->colon = text.substr(end, at - end);
    }
    size_t end = past_value(text, at), next = past_space(text, end);
    child->text = text.substr(at, end - at);
    child->trail = text.substr(end, next - end);
    child->origin = node.children.size();
    node.add(std::move(child), SIZE_MAX);
    before = text[next] == ',' ? next + 1 : next;
  }
  node.one_line = style_.one_line || (!node.children.empty() && text.find('\n') == text.npos);
  if (node.children.empty()) return;
  node.opening = *node.children.front()->lead;
  node.closing = std::exchange(node.children.back()->trail, {});
}

// For a new value, which is laid out in the style of the text. As deep as a document may be (kMaxJsonDepth).
void JsonEdit::open_all(Node& node) {
  open(node);
  node.changed = node.kind != Node::Kind::raw;
  node.one_line = style_.one_line;
  node.origin.reset();
  node.lead.reset();
  node.closing.reset();
  node.opening = {};
  node.trail = {};
  if (!node.key.empty()) node.colon = style_.colon;
  node.label = label_;
  for (auto& child : node.children) open_all(*child);
}

std::unique_ptr<JsonEdit::Node> JsonEdit::fresh(std::string_view value) {
  auto node = node_of(keep(std::string(value)));
  open_all(*node);
  return node;
}

void JsonEdit::touch(Node* node) {
  for (; node != nullptr; node = node->parent) node->changed = true;
}

JsonEdit::Node* JsonEdit::find(std::string_view pointer) const {
  Node* node = root_.get();
  while (node != nullptr && !pointer.empty()) {
    open(*node);
    node = node->child(take_token(&pointer));
  }
  return node;
}

// The object or array that has, or gets, the pointer's last token. null counts as missing.
Result<JsonEdit::Node*> JsonEdit::make_way(std::string_view pointer, std::string_view* last) {
  Node* node = root_.get();
  std::string_view rest = pointer;
  for (;;) {
    open(*node);
    *last = take_token(&rest);
    if (rest.empty()) return node;
    Node* next = node->child(*last);
    std::string_view so_far = pointer.substr(0, pointer.size() - rest.size());
    if (next == nullptr || next->text == "null") {
      if (node->kind == Node::Kind::array) return wrong_type(so_far, "an element of the array", "null");
      TRY(set(so_far, "{}"));
      next = node->child(*last);
    }
    std::string_view behind = rest;
    const bool fits = next->is_object() || (next->is_array() && index_of(take_token(&behind)) != SIZE_MAX);
    if (!fits) return wrong_type(so_far, "an object", next->text);
    node = next;
  }
}

Result<JsonEdit::Node*> JsonEdit::array_at(std::string_view pointer) {
  Node* array = find(pointer);
  if (array == nullptr || array->text == "null") {
    TRY(set(pointer, "[]"));
    array = find(pointer);
  }
  if (!array->is_array()) return wrong_type(pointer, "an array", array->text);
  open(*array);
  return array;
}

std::optional<std::string> JsonEdit::get(std::string_view pointer) const {
  const Node* node = find(pointer);
  if (node == nullptr) return std::nullopt;
  std::string text;
  print(*node, 0, &text);
  return text;
}

std::optional<std::string> JsonEdit::string(std::string_view pointer) const {
  const Node* node = find(pointer);
  return node == nullptr ? std::nullopt : decoded_string(node->text);
}

size_t JsonEdit::size(std::string_view pointer) const {
  Node* node = find(pointer);
  if (node == nullptr) return 0;
  open(*node);
  return node->children.size();
}

Result<void> JsonEdit::set(std::string_view pointer, std::string_view value) {
  std::string_view last;
  Node* parent = TRY(make_way(pointer, &last));
  Node* old = parent->child(last);
  if (old != nullptr && without_space(*get(pointer)) == without_space(value)) return {};
  if (old == nullptr && parent->kind == Node::Kind::array)
    return wrong_type(pointer, "an element of the array", "null");
  auto node = fresh(value);
  node->parent = parent;
  if (old != nullptr) {
    node->key = old->key;
    node->colon = old->colon;
    node->lead = old->lead;
    node->trail = old->trail;
    auto place = std::find_if(parent->children.begin(), parent->children.end(),
                              [&](const auto& child) { return child.get() == old; });
    *place = std::move(node);
  } else {
    std::string name(last);
    node->key = keep(json_string(name));
    node->colon = style_.colon;
    parent->add(std::move(node), SIZE_MAX);
  }
  touch(parent);
  return {};
}

Result<void> JsonEdit::insert(std::string_view array, size_t index, std::string_view value) {
  Node* node = TRY(array_at(array));
  node->add(fresh(value), index);
  touch(node);
  return {};
}

Result<void> JsonEdit::append(std::string_view array, std::string_view value) {
  return insert(array, SIZE_MAX, value);
}

Result<void> JsonEdit::remove(std::string_view pointer) {
  Node* node = find(pointer);
  if (node == nullptr || node->parent == nullptr) return {};
  Node* parent = node->parent;
  std::erase_if(parent->children, [&](const auto& child) { return child.get() == node; });
  touch(parent);
  return {};
}

std::string JsonEdit::label_of(std::string_view pointer) const {
  Node* node = root_.get();
  std::string label;
  while (node != nullptr && !pointer.empty()) {
    open(*node);
    node = node->child(take_token(&pointer));
    if (node != nullptr && !node->label.empty()) label = node->label;
  }
  return label;
}

std::optional<std::string> JsonEdit::original(std::string_view pointer) const {
  Node* node = root_.get();
  std::string place;
  while (!pointer.empty()) {
    open(*node);
    std::string_view rest = pointer, token = take_token(&rest);
    Node* child = node->child(token);
    if (child == nullptr) return place + std::string(pointer);  // about something that is missing
    if (!child->origin) return std::nullopt;
    place += '/';
    place += node->kind == Node::Kind::array ? std::to_string(*child->origin) : std::string(token);
    node = child;
    pointer = rest;
  }
  return place;
}

void JsonEdit::print(const Node& node, size_t depth, std::string* out) const {
  if (!node.changed) {
    out->append(node.text);
    return;
  }
  auto new_line = [&](size_t indent) {
    out->append(style_.line_end);
    while (indent-- > 0) out->append(style_.indent);
  };
  const char* gap = style_.colon == ":" ? "" : " ";
  out->push_back(node.text[0]);
  for (size_t i = 0; i < node.children.size(); ++i) {
    const Node& child = *node.children[i];
    if (i > 0) out->append(",");
    if (node.one_line)
      out->append(i == 0 ? node.opening : child.lead && child.origin != 0 ? *child.lead : gap);
    else if (child.lead)
      out->append(*child.lead);
    else
      new_line(depth + 1);
    if (node.kind == Node::Kind::object) out->append(child.key).append(child.colon);
    print(child, depth + 1, out);
    out->append(child.trail);
  }
  if (!node.children.empty() && node.closing)
    out->append(*node.closing);
  else if (!node.children.empty() && !node.one_line)
    new_line(depth);
  out->push_back(node.text[0] == '{' ? '}' : ']');
}

std::string JsonEdit::text() const {
  std::string out(before_);
  print(*root_, 0, &out);
  return out.append(after_);
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace minirun
