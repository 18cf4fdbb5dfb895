// SPDX-License-Identifier: Apache-2.0
// Turns a JSON object into a struct by a table of its properties, each with the member that it fills. Used by
// parse_*.cc only.
//
//   constexpr Field<User> kUser[] = {{"uid", read_id<&User::uid>}, {"umask", read<&User::umask>}};
//   std::span<const Field<User>> fields_of(User*) { return kUser; }
//
// read_value() is an overload set over the types of spec.h; what a struct's properties are is found through fields_of()
// by argument-dependent look-up, so that lists and optionals of structs need no code.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/oci/parse.h"

namespace minirun::oci {

// Whether a property may be absent, and whether null, which Go's encoder writes for what was never set, counts as
// absent. It does only if a container without the property has no more power: a null limit or filter is refused.
enum class Presence : uint8_t {
  optional,
  required,
  nullable,            // null is the same as absent
  nullable_in_update,  // the same only in an update, in which absent properties stay unchanged
};

inline constexpr Presence kRequired = Presence::required;
inline constexpr Presence kNullable = Presence::nullable;
inline constexpr Presence kNullableInUpdate = Presence::nullable_in_update;

// Collects problems and unknown properties on the way.
class Reader {
 public:
  enum class For : uint8_t { container, update };
  explicit Reader(ParseOutcome& outcome, For purpose = For::container) : outcome_(outcome), purpose_(purpose) {}

  // "must be " and what, and what was found instead.
  void must_be(JsonValue value, std::string_view what);
  void missing(JsonValue object, std::string_view name);
  void unknown(JsonValue value, const Names& known);  // known: the names that its object may have
  void problem(std::string pointer, std::string message);

  // From here on collects the pointer of each property that could be read, whether the document has it or not.
  void collect_known(std::vector<std::string>* known) { known_ = known; }
  void known(JsonValue object, std::string_view name) {
    if (known_ != nullptr) known_->push_back(object.pointer() + "/" + std::string(name));
  }

  // Whether the value has that type; a problem if not.
  bool expect(JsonValue value, JsonType type);

  // Whether the value is a null that counts as absent.
  bool is_absent(JsonValue value, Presence presence) const;

 private:
  ParseOutcome& outcome_;
  std::vector<std::string>* known_ = nullptr;
  For purpose_;
};

template <class T>
struct Field {
  std::string_view name;
  void (*read)(Reader&, JsonValue, T&);
  Presence presence = Presence::optional;
};

// A name of the spec and its value: an enumerator or the kernel's constant.
template <class T>
struct Name {
  std::string_view name;
  T value;
};

void read_value(Reader& reader, JsonValue value, bool& out);
void read_value(Reader& reader, JsonValue value, std::string& out);
std::optional<int64_t> read_signed(Reader& reader, JsonValue value, int64_t least, int64_t most);
std::optional<uint64_t> read_unsigned(Reader& reader, JsonValue value, uint64_t most);

template <class T>
requires std::integral<T> &&(!std::same_as<T, bool>)void read_value(Reader& reader, JsonValue value, T& out) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_signed_v<T>) {
    if (auto number = read_signed(reader, value, Limits::min(), Limits::max())) out = static_cast<T>(*number);
  } else {
    if (auto number = read_unsigned(reader, value, Limits::max())) out = static_cast<T>(*number);
  }
}

template <class T>
void read_value(Reader& reader, JsonValue value, std::optional<T>& out);
template <class T>
void read_value(Reader& reader, JsonValue value, std::vector<T>& out);
template <class T>
void read_value(Reader& reader, JsonValue value, std::vector<std::pair<std::string, T>>& out);

// The first column of a table.
template <class Table>
Names names_of(const Table& table) {
  Names names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

// Structs.
template <class T>
requires requires(T* t) {
  fields_of(t);
}
void read_value(Reader& reader, JsonValue value, T& out) {
  if (!reader.expect(value, JsonType::object)) return;
  std::span<const Field<T>> fields = fields_of(&out);
  for (const Field<T>& field : fields) reader.known(value, field.name);
  uint64_t seen = 0;
  for (auto member = value.first(); member; member = member->next()) {
    size_t i = 0;
    while (i < fields.size() && fields[i].name != member->key()) ++i;
    if (i == fields.size()) {
      reader.unknown(*member, names_of(fields));
      continue;
    }
    if (reader.is_absent(*member, fields[i].presence)) continue;
    seen |= uint64_t{1} << i;
    fields[i].read(reader, *member, out);
  }
  for (size_t i = 0; i < fields.size(); ++i)
    if (fields[i].presence == Presence::required && (seen >> i & 1) == 0) reader.missing(value, fields[i].name);
}

template <class T>
void read_value(Reader& reader, JsonValue value, std::optional<T>& out) {
  read_value(reader, value, out.emplace());
}

// A wrong element keeps its place, so that indices in later messages match the file.
template <class T>
void read_value(Reader& reader, JsonValue value, std::vector<T>& out) {
  if (!reader.expect(value, JsonType::array)) return;
  out.clear();
  out.reserve(value.size());
  for (auto element = value.first(); element; element = element->next())
    read_value(reader, *element, out.emplace_back());
}

template <class T>
void read_value(Reader& reader, JsonValue value, std::vector<std::pair<std::string, T>>& out) {
  if (!reader.expect(value, JsonType::object)) return;
  out.clear();
  out.reserve(value.size());
  for (auto member = value.first(); member; member = member->next())
    read_value(reader, *member, out.emplace_back(std::string(member->key()), T{}).second);
}

template <class T, class M>
T class_of_member(M T::*);
template <auto Member>
using ClassOf = decltype(class_of_member(Member));

template <auto Member>
void read(Reader& reader, JsonValue value, ClassOf<Member>& object) {
  read_value(reader, value, object.*Member);
}

// User and group ids: -1 (4294967295) means "leave alone" to the kernel and is never an id.
inline constexpr uint64_t kMaxId = 4294967294;

template <auto Member>
void read_id(Reader& reader, JsonValue value, ClassOf<Member>& object) {
  if (auto number = read_unsigned(reader, value, kMaxId)) object.*Member = static_cast<uint32_t>(*number);
}

template <auto Member>
void read_ids(Reader& reader, JsonValue value, ClassOf<Member>& object) {
  if (!reader.expect(value, JsonType::array)) return;
  for (auto element = value.first(); element; element = element->next())
    (object.*Member).push_back(static_cast<uint32_t>(read_unsigned(reader, *element, kMaxId).value_or(0)));
}

// Integers with a range of their own.
template <auto Member, int64_t Least, int64_t Most = INT64_MAX>
void read_between(Reader& reader, JsonValue value, ClassOf<Member>& object) {
  if constexpr (requires { object.*Member = typename std::remove_cvref_t<decltype(object.*Member)>::value_type{}; }) {
    using T = typename std::remove_cvref_t<decltype(object.*Member)>::value_type;
    if (auto number = read_signed(reader, value, Least, Most)) object.*Member = static_cast<T>(*number);
  } else {
    using T = std::remove_cvref_t<decltype(object.*Member)>;
    if (auto number = read_signed(reader, value, Least, Most)) object.*Member = static_cast<T>(*number);
  }
}

// The index of the string in a table of names, or a problem that lists them.
std::optional<size_t> read_name_index(Reader& reader, JsonValue value, size_t count,
                                      std::string_view (*name_at)(size_t));

template <const auto& Names>
auto find_name(Reader& reader, JsonValue value) {
  using Value = std::remove_cvref_t<decltype(Names[0].value)>;
  auto index = read_name_index(reader, value, std::size(Names), [](size_t i) { return Names[i].name; });
  return index ? std::optional<Value>(Names[*index].value) : std::nullopt;
}

// One name of a table.
template <auto Member, const auto& Names>
void read_name(Reader& reader, JsonValue value, ClassOf<Member>& object) {
  using M = std::remove_cvref_t<decltype(object.*Member)>;
  if (auto found = find_name<Names>(reader, value)) object.*Member = static_cast<M>(*found);
}

// An array of names of a table, or'ed together.
template <auto Member, const auto& Names>
void read_flags(Reader& reader, JsonValue value, ClassOf<Member>& object) {
  if (!reader.expect(value, JsonType::array)) return;
  uint64_t all = 0;
  for (auto element = value.first(); element; element = element->next())
    if (auto found = find_name<Names>(reader, *element)) all |= static_cast<uint64_t>(*found);
  if constexpr (requires { (object.*Member).emplace(); })
    (object.*Member).emplace(static_cast<typename std::remove_cvref_t<decltype(object.*Member)>::value_type>(all));
  else
    object.*Member = static_cast<std::remove_cvref_t<decltype(object.*Member)>>(all);
}

template <class T>
std::string_view name_in(std::span<const Name<T>> names, T value) {
  for (const auto& entry : names)
    if (entry.value == value) return entry.name;
  return "unknown";
}

// Structs with tables in one file and uses in another.
std::span<const Field<Process>> fields_of(Process*);
std::span<const Field<Root>> fields_of(Root*);
std::span<const Field<Mount>> fields_of(Mount*);
std::span<const Field<IdMapping>> fields_of(IdMapping*);
std::span<const Field<Hooks>> fields_of(Hooks*);
std::span<const Field<Linux>> fields_of(Linux*);
std::span<const Field<Resources>> fields_of(Resources*);
std::span<const Field<Seccomp>> fields_of(Seccomp*);

}  // namespace minirun::oci
