// SPDX-License-Identifier: Apache-2.0
// Log records and other JSON that minirun writes: whatever text is in it, a record stays one line and one valid object
// (or logfmt record), and a reader gets the text back.
#include "runtime/text/log.h"

#include <sys/mman.h>
#include <unistd.h>

#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"
#include "sys/fd.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

// What a log file got of this text.
std::string logged(const std::string& text, bool json) {
  static UniqueFd file(memfd_create("log", MFD_CLOEXEC));
  static int format = -1;
  if (format != static_cast<int>(json)) {
    auto set = set_log_options({true, json, "/proc/self/fd/" + std::to_string(file.get())});
    HOLDS(set.ok(), set.error().text());
    format = static_cast<int>(json);
  }
  HOLDS(ftruncate(file.get(), 0) == 0, "");
  log_debug_text(text);
  std::string record(static_cast<size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  HOLDS(pread(file.get(), record.data(), record.size(), 0) == static_cast<ssize_t>(record.size()), "");
  return record;
}

// A JSON string, alone in a document.
std::string read_back(const std::string& quoted_text, const std::string& record) {
  auto document = JsonDocument::parse(quoted_text);
  HOLDS(document.ok() && (*document)->root().type() == JsonType::string, record);
  return std::string((*document)->root().text());
}

bool one_line(const std::string& record) {
  return !record.empty() && record.find('\n') == record.size() - 1;
}

// What the text reads as once it has been through JSON: the same again when it is UTF-8 already.
std::string reading_of(const std::string& text) {
  std::string once;
  append_json_string(once, text);
  return read_back(once, once);
}

void check_json(const std::string& text) {
  std::string record = logged(text, true);
  HOLDS(one_line(record), record);
  auto document = JsonDocument::parse(record);
  HOLDS(document.ok() && (*document)->root().type() == JsonType::object, record);
  auto message = (*document)->root().find("msg");
  HOLDS((*document)->root().size() == 3 && message && message->type() == JsonType::string, record);
  HOLDS(message->text() == reading_of(text), record);
}

// time="..." level=debug msg="...": the last value is a quoted string that ends with the line.
void check_logfmt(const std::string& text) {
  std::string record = logged(text, false);
  HOLDS(one_line(record), record);
  size_t message = record.find(" msg=");
  HOLDS(record.substr(0, 6) == "time=\"" && message != std::string::npos && message < 50, record);
  HOLDS(read_back(record.substr(message + 5), record) == reading_of(text), record);
}

void check_writer(const std::string& text) {
  JsonWriter writer(2);
  writer.begin_object().key(text).string(text).key("n").decimal(text).end_object();
  auto document = JsonDocument::parse(writer.text());
  HOLDS(document.ok() && (*document)->root().size() == 2, writer.text());
  std::string again;
  append_json_string(again, reading_of(text));
  HOLDS(read_back(again, again) == reading_of(text), again);
}

// Quotes and pointers of messages for people: nothing in them that a terminal obeys.
void check_shown(const std::string& text) {
  for (const std::string& shown : {quoted(text), pointer_token(text)}) HOLDS(shown_line(shown) == shown, shown);
  HOLDS(shown_line(shown_line(text)) == shown_line(text), text);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  std::string text(input.rest());
  if (text.size() % 2 == 0)
    minirun::check_json(text);
  else
    minirun::check_logfmt(text);
  minirun::check_writer(text);
  minirun::check_shown(text);
}
