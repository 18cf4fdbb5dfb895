// SPDX-License-Identifier: Apache-2.0
// What the fuzzers share: values taken from the bytes that libFuzzer makes up, and the end of a run that found
// something. A harness is a property: whatever comes in, what comes out is either an error or right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace minirun::fuzz {

// Ends the program with what was found: libFuzzer writes the input to a file.
[[noreturn]] inline void found(const char* file, int line, const char* property, const std::string& what) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n%s\n", file, line, property, what.c_str());
  std::abort();
}

// Values from the front of the input; zeros and empty strings once it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  uint8_t byte() {
    if (rest_.empty()) return 0;
    auto value = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  // 0 up to limit - 1.
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(number(limit <= 256 ? 1 : 4) % limit); }
  bool coin() { return (byte() & 1) != 0; }
  // Little-endian.
  uint64_t number(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }
  // Up to the separator, which is taken too.
  std::string_view part(char separator) {
    size_t end = rest_.find(separator);
    std::string_view found_part = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return found_part;
  }

 private:
  std::string_view rest_;
};

}  // namespace minirun::fuzz

#define HOLDS(property, what) \
  if (!(property)) ::minirun::fuzz::found(__FILE__, __LINE__, #property, what)

// The body of a harness: FUZZ(input) { ... }
#define FUZZ(input)                                                         \
  static void one_input(::minirun::fuzz::Input input);                      \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);  \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    one_input(::minirun::fuzz::Input(data, size));                          \
    return 0;                                                               \
  }                                                                         \
  static void one_input(::minirun::fuzz::Input input)
