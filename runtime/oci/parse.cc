// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/parse.h"

#include <fmt/format.h>

#include "runtime/oci/parse_fields.h"
#include "runtime/text/similar.h"

namespace minirun {
namespace oci {

static constexpr size_t kMaxCollected = 200;

void Reader::problem(std::string pointer, std::string message) {
  if (outcome_.problems.size() < kMaxCollected) outcome_.problems.push_back({std::move(pointer), std::move(message)});
}

// A pointer takes a walk over all earlier elements: none is made for a problem that is not kept.
void Reader::must_be(JsonValue value, std::string_view what) {
  if (outcome_.problems.size() >= kMaxCollected) return;
  problem(value.pointer(), fmt::format("must be {}: found {}", what, value.describe()));
}

void Reader::missing(JsonValue object, std::string_view name) {
  if (outcome_.problems.size() >= kMaxCollected) return;
  problem(fmt::format("{}/{}", object.pointer(), name), "is required but missing");
}

void Reader::unknown(JsonValue value, const Names& known) {
  if (outcome_.unknown.size() >= kMaxCollected) return;
  outcome_.unknown.push_back({value.pointer(), std::string(similar_name(value.key(), known)), value.order()});
}

bool Reader::expect(JsonValue value, JsonType type) {
  static constexpr std::string_view kTypes[] = {"null",     "true or false", "an integer", "a number",
                                                "a string", "an array",      "an object"};
  if (value.type() == type) return true;
  must_be(value, kTypes[static_cast<size_t>(type)]);
  return false;
}

bool Reader::is_absent(JsonValue value, Presence presence) const {
  if (value.type() != JsonType::null) return false;
  return presence == Presence::nullable || (presence == Presence::nullable_in_update && purpose_ == For::update);
}

void read_value(Reader& reader, JsonValue value, bool& out) {
  if (reader.expect(value, JsonType::boolean)) out = value.boolean();
}

void read_value(Reader& reader, JsonValue value, std::string& out) {
  if (reader.expect(value, JsonType::string)) out = value.text();
}

std::optional<int64_t> read_signed(Reader& reader, JsonValue value, int64_t least, int64_t most) {
  auto number = value.int64();
  if (number && *number >= least && *number <= most) return number;
  reader.must_be(value, fmt::format("an integer from {} to {}", least, most));
  return std::nullopt;
}

std::optional<uint64_t> read_unsigned(Reader& reader, JsonValue value, uint64_t most) {
  auto number = value.uint64();
  if (number && *number <= most) return number;
  reader.must_be(value, fmt::format("an integer from 0 to {}", most));
  return std::nullopt;
}

std::optional<size_t> read_name_index(Reader& reader, JsonValue value, size_t count,
                                      std::string_view (*name_at)(size_t)) {
  for (size_t i = 0; value.type() == JsonType::string && i < count; ++i)
    if (name_at(i) == value.text()) return i;
  std::string all;
  for (size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ", ") + std::string(name_at(i));
  reader.must_be(value, "one of " + all);
  return std::nullopt;
}

static constexpr Field<Spec> kSpec[] = {
    {"ociVersion", read<&Spec::oci_version>, kRequired},
    {"root", read<&Spec::root>},
    {"process", read<&Spec::process>, kNullable},
    {"hostname", read<&Spec::hostname>, kNullable},
    {"domainname", read<&Spec::domainname>, kNullable},
    {"mounts", read<&Spec::mounts>, kNullable},
    {"hooks", read<&Spec::hooks>, kNullable},
    {"annotations", read<&Spec::annotations>, kNullable},
    {"linux", read<&Spec::linux_>},
};
static std::span<const Field<Spec>> fields_of(Spec*) {
  return kSpec;
}

static constexpr std::string_view flaw_message(JsonFlaw::Kind kind) {
  switch (kind) {
    case JsonFlaw::Kind::duplicate_key:
      return "appears twice";
    case JsonFlaw::Kind::nul_in_key:
      return "has U+0000 in its name, which ends a string for the kernel";
    case JsonFlaw::Kind::nul_in_string:
      return "has U+0000 in it, which ends a string for the kernel";
  }
  return {};
}

static void read_all(ParseOutcome& outcome, JsonValue root) {
  Reader reader(outcome);
  read_value(reader, root, outcome.spec);
}

static void read_resources(ParseOutcome& outcome, JsonValue root) {
  Reader reader(outcome, Reader::For::update);
  read_value(reader, root, outcome.spec.linux_.resources);
}

static void read_process(ParseOutcome& outcome, JsonValue root) {
  Reader reader(outcome);
  read_value(reader, root, outcome.spec.process);
}

static ParseOutcome read_document(const JsonDocument& document, void (*read)(ParseOutcome&, JsonValue)) {
  ParseOutcome outcome;
  read(outcome, document.root());
  std::vector<JsonFlaw> flaws = document.flaws();
  if (flaws.size() > kMaxCollected) flaws.erase(flaws.begin() + kMaxCollected, flaws.end());
  for (const JsonFlaw& flaw : flaws)
    outcome.problems.push_back({flaw.value.pointer(), std::string(flaw_message(flaw.kind))});
  return outcome;
}

}  // namespace oci

std::string describe(const UnknownProperty& unknown) {
  std::string text = "is not a property that minirun knows, and has no effect";
  return unknown.meant.empty() ? text : fmt::format("{} (did you mean \"{}\"?)", text, unknown.meant);
}

ParseOutcome parse_resources(const JsonDocument& document) {
  return oci::read_document(document, oci::read_resources);
}

ParseOutcome parse_process(const JsonDocument& document) {
  return oci::read_document(document, oci::read_process);
}

std::vector<std::string> known_properties(const JsonDocument& document) {
  ParseOutcome outcome;
  std::vector<std::string> known;
  oci::Reader reader(outcome);
  reader.collect_known(&known);
  oci::read_value(reader, document.root(), outcome.spec);
  return known;
}

ParseOutcome parse_spec(const JsonDocument& document) {
  return oci::read_document(document, oci::read_all);
}

}  // namespace minirun
