// SPDX-License-Identifier: Apache-2.0
#include "sys/result.h"

#include <cstring>

namespace minirun {

std::string errno_text(int code) {
  const char* name = strerrordesc_np(code);  // async-signal-safe, never localised
  std::string text = name != nullptr ? name : "errno " + std::to_string(code);
  // "Is a directory" → "is a directory", but "RFS specific error" keeps its abbreviation.
  if (text.size() > 1 && text[1] >= 'a' && text[1] <= 'z' && text[0] >= 'A' && text[0] <= 'Z')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::host:
      return "host";
    case ErrorKind::config:
      return "config";
    case ErrorKind::setup:
      return "setup";
    case ErrorKind::exec:
      return "exec";
    case ErrorKind::state:
      return "state";
    case ErrorKind::busy:
      return "busy";
    case ErrorKind::aborted:
      return "aborted";
    case ErrorKind::usage:
      return "usage";
  }
  return "host";
}

const ErrorDetail& Error::details() const {
  static const ErrorDetail none;
  return detail ? *detail : none;
}

ErrorDetail& Error::change_details() {
  auto own = std::make_shared<ErrorDetail>(details());
  detail = own;
  return *own;
}

std::string Error::text() const {
  std::string all = message;
  if (code != 0 && kind != ErrorKind::state) all += ": " + errno_text(code);
  const ErrorDetail& known = details();
  if (known.step != 0) all += fmt::format(" [step {} of {}]", known.step, known.steps);
  for (const std::string& hint : known.hints) all += " (" + hint + ")";
  return all;
}

Error with_hint(Error error, std::string hint) {
  if (!hint.empty()) error.change_details().hints.push_back(std::move(hint));
  return error;
}

}  // namespace minirun
