// SPDX-License-Identifier: Apache-2.0
// Error and Result<T>: how every fallible function outside the container's side of clone reports.
//
// An error is born at the failing call with errno, the call and its object ("open /run/x"), is wrapped at most once
// per layer with the user's noun (a container id, a JSON pointer), and is printed once, in main.
// Messages: lower case, no full stop, no "failed to".
#pragma once

#include <fmt/core.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace minirun {

// The kernel's words for an errno value in lower case ("no such file or directory"): container engines match them
// case-sensitively. Never translated: minirun sets no locale.
std::string errno_text(int code);

struct Error {
  int code = 0;         // errno value, or 0 where no system call failed
  std::string message;  // what was tried, on what
  int signal = 0;       // which asked to give the command up, or 0

  // "message: errno text", or the message alone when code is 0.
  std::string text() const;
  // Of a command that ends with it.
  int exit_status() const { return signal != 0 ? 128 + signal : 1; }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok(); anything else ends the process: a caller that forgot to check must not go on.
  T& value() & { return *checked(std::get_if<0>(&data_)); }
  const T& value() const& { return *checked(std::get_if<0>(&data_)); }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Only when !ok().
  const Error& error() const { return *checked(std::get_if<1>(&data_)); }

 private:
  template <class Held>
  static Held* checked(Held* held) {
    if (held == nullptr) std::abort();
    return held;
  }

  std::variant<T, Error> data_;
};

struct Unit {};

// Success without a value: `return {};`.
template <>
class [[nodiscard]] Result<void> : public Result<Unit> {
 public:
  Result() : Result<Unit>(Unit{}) {}
  Result(Error error) : Result<Unit>(std::move(error)) {}  // NOLINT(google-explicit-constructor)
};

// return fail(errno, "open {}", path);
template <class... Args>
Error fail(int code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::vformat(format, fmt::make_format_args(args...))};
}

// Adds the user's noun in front: wrap(error, "/mounts/3") → "/mounts/3: open x".
inline Error wrap(Error error, const std::string& noun) {
  error.message = noun + ": " + error.message;
  return error;
}

}  // namespace minirun

// auto fd = TRY(open_dir(path)); hands an error to the caller. A statement expression: gcc and clang have it.
#define TRY(expression)                                                  \
  __extension__({                                                        \
    auto try_result_ = (expression);                                     \
    if (!try_result_.ok()) return ::minirun::Error(try_result_.error()); \
    std::move(try_result_).value();                                      \
  })
