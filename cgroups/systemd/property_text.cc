// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/property_text.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <optional>

namespace minirun::systemd {
namespace {

struct Known {
  std::string_view name;
  std::string_view signature;
};

// The properties of systemd.scope(5), systemd.kill(5), systemd.resource-control(5) and systemd.unit(5) that end, order,
// limit or describe the scope, and no others.
constexpr Known kKnown[] = {
    {"After", "as"},
    {"AllowedCPUs", "ay"},
    {"AllowedMemoryNodes", "ay"},
    {"Before", "as"},
    {"CPUAccounting", "b"},
    {"CPUQuotaPerSecUSec", "t"},
    {"CPUQuotaPeriodUSec", "t"},
    {"CPUWeight", "t"},
    {"CollectMode", "s"},
    {"DefaultDependencies", "b"},
    {"Documentation", "as"},
    {"FinalKillSignal", "i"},
    {"IOAccounting", "b"},
    {"IOWeight", "t"},
    {"IPAccounting", "b"},
    {"KillMode", "s"},
    {"KillSignal", "i"},
    {"ManagedOOMMemoryPressure", "s"},
    {"ManagedOOMPreference", "s"},
    {"ManagedOOMSwap", "s"},
    {"MemoryAccounting", "b"},
    {"MemoryHigh", "t"},
    {"MemoryLow", "t"},
    {"MemoryMax", "t"},
    {"MemoryMin", "t"},
    {"MemoryPressureThresholdUSec", "t"},
    {"MemoryPressureWatch", "s"},
    {"MemorySwapMax", "t"},
    {"MemoryZSwapMax", "t"},
    {"OOMPolicy", "s"},
    {"RestartKillSignal", "i"},
    {"RuntimeMaxUSec", "t"},
    {"RuntimeRandomizedExtraUSec", "t"},
    {"SendSIGHUP", "b"},
    {"SendSIGKILL", "b"},
    {"StartupAllowedCPUs", "ay"},
    {"StartupAllowedMemoryNodes", "ay"},
    {"StartupCPUWeight", "t"},
    {"StartupIOWeight", "t"},
    {"TasksAccounting", "b"},
    {"TasksMax", "t"},
    {"TimeoutStopUSec", "t"},
};

const Known* find_known(std::string_view name) {
  for (const Known& known : kKnown)
    if (known.name == name) return &known;
  return nullptr;
}

// Parses one value in GVariant's text form. Every function returns false, or nothing, if the text does not match.
class Text {
 public:
  explicit Text(std::string_view text) : rest_(text) {}

  bool value(char type, ValueWriter& writer) {
    spaces();
    if (type == 's') return string(writer);
    skip_type(type);
    if (type == 'b') return boolean(writer);
    return integer(type, writer);
  }

  bool array(char type, ValueWriter& writer) {
    spaces();
    (void)skip(fmt::format("@a{}", type));
    spaces();
    if (!skip("[")) return false;
    ValueWriter elements;
    uint32_t count = 0;
    spaces();
    for (bool ended = skip("]"); !ended; count++) {
      if (!value(type, elements)) return false;
      spaces();
      ended = skip("]");
      if (!ended && !skip(",")) return false;
    }
    writer.number32(count);
    all_ = elements.take();
    return true;
  }
  std::string take_elements() { return std::move(all_); }

  std::optional<double> seconds() {
    spaces();
    (void)(skip("double ") || skip("uint64 ") || skip("uint32 ") || skip("int64 ") || skip("int32 "));
    double number = 0;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return number;
  }

  bool at_end() {
    spaces();
    return rest_.empty();
  }

 private:
  void spaces() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }

  bool skip(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  // Skips "uint64 ", "@t ": any number type, since the property's own type applies.
  void skip_type(char type) {
    static constexpr std::string_view kTypes[] = {"boolean ", "byte ",   "int16 ", "uint16 ", "int32 ", "uint32 ",
                                                  "int64 ",   "uint64 ", "@b ",    "@y ",     "@n ",    "@q ",
                                                  "@i ",      "@u ",     "@x ",    "@t "};
    for (std::string_view word : kTypes) {
      bool of_boolean = word == "boolean " || word == "@b ";
      if (of_boolean == (type == 'b') && skip(word)) break;
    }
    spaces();
  }

  bool boolean(ValueWriter& writer) {
    bool yes = skip("true");
    if (!yes && !skip("false")) return false;
    writer.number32(yes ? 1 : 0);
    return true;
  }

  bool integer(char type, ValueWriter& writer) {
    bool negative = skip("-");
    bool hexadecimal = skip("0x");
    uint64_t number = 0;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number, hexadecimal ? 16 : 10);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    switch (type) {
      case 'y':
        if (negative || number > UINT8_MAX) return false;
        writer.byte(static_cast<uint8_t>(number));
        return true;
      case 'i':
        if (number > INT32_MAX) return false;
        writer.number32(static_cast<uint32_t>(negative ? -static_cast<int32_t>(number) : static_cast<int32_t>(number)));
        return true;
      case 't':
        if (negative) return false;
        writer.number64(number);
        return true;
      default:
        return false;
    }
  }

  bool string(ValueWriter& writer) {
    (void)(skip("string ") || skip("@s "));
    spaces();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return false;
    char quote = rest_[0];
    std::string content;
    for (size_t at = 1; at < rest_.size(); at++) {
      char c = rest_[at];
      if (c == quote) {
        rest_.remove_prefix(at + 1);
        writer.text(content);
        return true;
      }
      if (c == '\\') {
        if (++at == rest_.size()) return false;
        c = rest_[at] == 'n' ? '\n' : rest_[at] == 't' ? '\t' : rest_[at];
      }
      content.push_back(c);
    }
    return false;
  }

  std::string_view rest_;
  std::string all_;
};

bool is_seconds(std::string_view name) {
  return name.size() > 3 && name.ends_with("Sec") && std::islower(static_cast<unsigned char>(name[name.size() - 4]));
}

Result<Property> in_seconds(const Known& known, std::string_view value) {
  Text text(value);
  auto seconds = text.seconds();
  constexpr double kMost = 1e12;  // some 30,000 years
  if (!seconds || !text.at_end() || *seconds < 0 || *seconds > kMost)
    return fail(ErrorKind::config, EINVAL, "must be a number of seconds: found \"{}\"", value);
  return number(std::string(known.name), static_cast<uint64_t>(std::llround(*seconds * 1e6)));
}

std::string_view describe(std::string_view signature) {
  if (signature == "b") return "true or false";
  if (signature == "i") return "an integer";
  if (signature == "t") return "a number from 0 on (\"uint64 5\")";
  if (signature == "s") return "a text in quotes (\"'text'\")";
  return signature == "as" ? "a list of texts (\"['a', 'b']\")" : "a list of bytes (\"[0x0f]\")";
}

}  // namespace

Result<Property> property_of_text(std::string_view name, std::string_view value) {
  bool seconds = is_seconds(name);
  const Known* known = find_known(seconds ? fmt::format("{}USec", name.substr(0, name.size() - 3)) : std::string(name));
  if (known == nullptr)
    return fail(ErrorKind::config, EINVAL,
                "not a property of a scope that a container may set (docs/systemd.md lists them)");
  if (seconds) return in_seconds(*known, value);
  Text text(value);
  ValueWriter writer;
  bool array = known->signature.size() > 1;
  bool good = array ? text.array(known->signature[1], writer) : text.value(known->signature[0], writer);
  if (!good || !text.at_end())
    return fail(ErrorKind::config, EINVAL, "must be {}: found \"{}\"", describe(known->signature), value);
  return Property{std::string(known->name), std::string(known->signature), writer.take() + text.take_elements()};
}

}  // namespace minirun::systemd
