// SPDX-License-Identifier: Apache-2.0
// Error and Result<T>: how every fallible function outside the container's side of clone reports.
//
// The failing call makes an error from errno, the call and its object ("open /run/x"). Each layer wraps it at most once
// with the user's noun (a container id, a JSON pointer), and main prints it once. Messages: lower case, no full stop,
// no "failed to".
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace minirun {

// The kernel's words for an errno value in lower case ("no such file or directory"): container engines match them
// case-sensitively. Never translated: minirun sets no locale.
std::string errno_text(int code);

// What an error is about, for programs. The names (kind_name()) are fixed.
enum class ErrorKind : uint8_t {
  host,     // a system call failed, or this machine cannot do it
  config,   // config.json, or another file with the caller's settings
  setup,    // a step of making the container, a hook among them
  exec,     // the workload's program cannot be executed
  state,    // no such container, or its state does not allow the command
  busy,     // another minirun command is working on the container
  aborted,  // a signal made minirun abandon the command
  usage,    // the command line
};

const char* kind_name(ErrorKind kind);

// One thing that is wrong in a file such as config.json.
struct Problem {
  std::string pointer;  // JSON pointer of what is wrong, or of what is missing
  std::string message;  // what is allowed, and what was found
  uint32_t line = 0;    // of the file, from 1; 0: not known
  uint32_t column = 0;  // from 1, in bytes
};

// Details of an error beside its text. Unknown fields are empty or 0.
struct ErrorDetail {
  uint32_t step = 0;               // of a launch, counted from 1: the list that `minirun plan` prints
  uint32_t steps = 0;              // how many the launch has
  std::string pointer;             // of the property of config.json that asked for it
  uint32_t line = 0, column = 0;   // of that property in the file, from 1; 0: not known
  std::string call;                // the system call that failed
  std::string path;                // the path that the call was about, on the host or in the container
  std::vector<std::string> hints;  // causes that the kernel's error does not name, and what to change
  std::vector<Problem> problems;   // everything wrong in the file, in its order
};

struct Error {
  int code = 0;         // errno value, or 0 where no system call failed
  std::string message;  // what was tried, on what
  ErrorKind kind = ErrorKind::host;
  int exit_status = 1;  // of a command that ends with this error
  std::shared_ptr<const ErrorDetail> detail{};

  // "message: errno text [step 9 of 62] (hint)", as far as known. An error of kind state is a fact about the container,
  // and has no errno text.
  std::string text() const;
  // Never null.
  const ErrorDetail& details() const;
  // For filling in. Earlier copies of the error do not change.
  ErrorDetail& change_details();
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok(); otherwise it ends the process: a caller that forgot to check must not continue.
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

// Where no system call failed: return fail(ErrorKind::state, "container not running");
template <class... Args>
Error fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return Error{0, fmt::vformat(format, fmt::make_format_args(args...)), kind};
}

// The same with an errno value as a detail.
template <class... Args>
Error fail(ErrorKind kind, int code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::vformat(format, fmt::make_format_args(args...)), kind};
}

// Adds the user's noun in front: wrap(error, "/mounts/3") → "/mounts/3: open x".
inline Error wrap(Error error, const std::string& noun) {
  error.message = noun + ": " + error.message;
  return error;
}

// Appends a cause or a remedy in brackets, unless it is empty.
Error with_hint(Error error, std::string hint);

}  // namespace minirun

// auto fd = TRY(open_dir(path)); returns an error to the caller. A statement expression, which gcc and clang support.
#define TRY(expression)                                                  \
  __extension__({                                                        \
    auto try_result_ = (expression);                                     \
    if (!try_result_.ok()) return ::minirun::Error(try_result_.error()); \
    std::move(try_result_).value();                                      \
  })
