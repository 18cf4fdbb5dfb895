// SPDX-License-Identifier: Apache-2.0
// An error about one property of config.json, found after validation.
#pragma once

#include <string>
#include <utility>

#include "sys/result.h"

namespace minirun {

// "config.json: /process: is required to run a container". kind: host if the property is valid but the host lacks what
// it asks for.
inline Error config_error(std::string pointer, std::string message, ErrorKind kind = ErrorKind::config) {
  Error error = fail(kind, "config.json: {}: {}", pointer, message);
  ErrorDetail& detail = error.change_details();
  detail.pointer = pointer;
  detail.problems.push_back({std::move(pointer), std::move(message)});
  return error;
}

// The same for an operation that failed for a property: "/process/terminal: needs a terminal".
inline Error at_property(std::string pointer, Error error) {
  error = wrap(std::move(error), pointer);
  error.change_details().pointer = std::move(pointer);
  return error;
}

}  // namespace minirun
