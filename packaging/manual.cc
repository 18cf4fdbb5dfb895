// SPDX-License-Identifier: Apache-2.0
// Manual pages in man(7)'s macros.
#include <fmt/format.h>

#include "packaging/pages.h"
#include "runtime/oci/annotations.h"

namespace minirun::packaging {
namespace {

// A hyphen in roff may be set as another character; a dot or an apostrophe begins a request at the start of a line.
std::string roff(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    bool line_start = escaped.empty() || escaped.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\')
      escaped += "\\e";
    else if (c == '-')
      escaped += "\\-";
    else
      escaped += c;
  }
  return escaped;
}

std::string paragraphs(std::string_view text) {
  std::string page;
  while (!text.empty()) {
    size_t end = text.find("\n\n");
    page += ".PP\n" + roff(text.substr(0, end)) + "\n";
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 2);
  }
  return page;
}

std::string options_section(const std::vector<OptionEntry>& options) {
  std::string page = ".SH OPTIONS\n";
  for (const std::string& group : groups_of(options)) {
    if (group != "Options") page += ".SS " + roff(group) + "\n";
    for (const OptionEntry& option : options) {
      if (option.group != group) continue;
      std::string spellings;
      for (const std::string& spelling : option.spellings) {
        if (!spellings.empty()) spellings += ", ";
        fmt::format_to(std::back_inserter(spellings), "\\fB{}\\fR", roff(spelling));
      }
      if (option.value_may_lack)
        spellings += "[=\\fI" + roff(option.value) + "\\fR]";
      else if (!option.value.empty())
        spellings += " \\fI" + roff(option.value) + "\\fR";
      fmt::format_to(std::back_inserter(page), ".TP\n{}\n{}.\n", spellings, roff(option.text));
    }
  }
  return page;
}

std::string examples_and_statuses(const Manual& manual) {
  std::string page = ".SH EXAMPLES\n";
  for (const Example& example : manual.examples)
    fmt::format_to(std::back_inserter(page), ".TP\n\\fB{}\\fR\n{}.\n", roff(example.line), roff(example.text));
  page += ".SH EXIT STATUS\n";
  for (const ExitStatus& status : manual.exit_statuses)
    fmt::format_to(std::back_inserter(page), ".TP\n{}\n{}.\n", roff(status.status), roff(status.text));
  return page;
}

std::string title(std::string_view name, const std::string& version, int section = 8) {
  std::string upper;
  for (char c : name) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return fmt::format(".TH {} {} \"\" \"minirun {}\" \"{}\"\n", roff(upper), section, version,
                     section == 8 ? "System Administration" : "User Commands");
}

std::string annotations_section() {
  std::string page =
      ".SH ANNOTATIONS\n.PP\nminirun acts on these annotations of config.json and keeps all others in the state. "
      "Brackets name the origin of a key.\n";
  for (const AnnotationRow& row : known_annotations())
    fmt::format_to(std::back_inserter(page), ".TP\n\\fB{}\\fR{}=\\fI{}\\fR\n{}.\n", roff(row.key),
                   row.key.ends_with('.') ? "\\fINAME\\fR" : "", roff(row.value), roff(row.effect));
  return page;
}

std::string program_page(const CommandTable& program, const std::string& version) {
  const Manual& manual = program.manual;
  std::string page = title("minirun", version);
  page += ".SH NAME\nminirun \\- OCI container runtime\n";
  page += fmt::format(".SH SYNOPSIS\n\\fBminirun\\fR [\\fIOPTIONS\\fR] \\fI{}\\fR\n", roff(manual.arguments));
  page += ".SH DESCRIPTION\n" + paragraphs(manual.description);
  page += ".SH COMMANDS\n";
  for (const CommandEntry& command : program.commands)
    fmt::format_to(std::back_inserter(page), ".TP\n\\fB{}\\fR\n{}: \\fBminirun\\-{}\\fR(8).\n", roff(command.name),
                   roff(command.manual.summary), roff(command.name));
  page += options_section(program.options) + annotations_section() + examples_and_statuses(manual);
  page +=
      ".SH FILES\n.TP\n\\fI/run/minirun\\fR\nThe state of root's containers.\n.TP\n\\fI$XDG_RUNTIME_DIR/minirun\\fR, "
      "\\fI/tmp/minirun\\-UID\\fR\n"
      "The state of other users' containers; the second where $XDG_RUNTIME_DIR is not set.\n";
  page += ".SH SEE ALSO\n\\fBcgroups\\fR(7), \\fBnamespaces\\fR(7), \\fBcapabilities\\fR(7)\n";
  return page;
}

}  // namespace

std::string own_program_page(const std::string& name, const Manual& manual, const std::vector<OptionEntry>& options,
                             const std::string& version, const std::string& see_also) {
  std::string page = title(name, version, 1);
  page += fmt::format(".SH NAME\n{} \\- {}\n", roff(name), roff(manual.summary));
  page += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR [\\fIOPTIONS\\fR] \\fI{}\\fR\n", roff(name), roff(manual.arguments));
  page += ".SH DESCRIPTION\n" + paragraphs(manual.description);
  page += options_section(options) + examples_and_statuses(manual);
  return page + ".SH SEE ALSO\n" + see_also + "\n";
}

std::string manual_page(const CommandTable& program, const CommandEntry* command, const std::string& version) {
  if (command == nullptr) return program_page(program, version);
  const Manual& manual = command->manual;
  std::string name = "minirun-" + command->name;
  std::string page = title(name, version);
  page += fmt::format(".SH NAME\n{} \\- {}\n", roff(name), roff(manual.summary));
  page += fmt::format(".SH SYNOPSIS\n\\fBminirun {}\\fR [\\fIOPTIONS\\fR] \\fI{}\\fR\n", command->name,
                      roff(manual.arguments));
  page += ".SH DESCRIPTION\n" + paragraphs(manual.description);
  page += options_section(command->options) + examples_and_statuses(manual);
  page += ".SH SEE ALSO\n\\fBminirun\\fR(8)\n";
  return page;
}

}  // namespace minirun::packaging
