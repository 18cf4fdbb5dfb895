// Manual pages in man(7)'s macros.
#include <fmt/format.h>

#include <stdexcept>

#include "packaging/command_table.h"
#include "packaging/prose.h"

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

std::string option_entries(const std::vector<Option>& options) {
  std::string page;
  for (const Option& option : options) {
    std::string spellings;
    for (const std::string& spelling : option.spellings) {
      if (!spellings.empty()) spellings += ", ";
      fmt::format_to(std::back_inserter(spellings), "\\fB{}\\fR", roff(spelling));
    }
    if (option.takes_value) spellings += " \\fIVALUE\\fR";
    fmt::format_to(std::back_inserter(page), ".TP\n{}\n{}.\n", spellings, roff(option.text));
  }
  return page;
}

std::string title(std::string_view name, const std::string& version) {
  std::string upper;
  for (char c : name) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return fmt::format(".TH {} 8 \"\" \"minirun {}\" \"System Administration\"\n", roff(upper), version);
}

std::string program_page(const Program& program, const std::string& version) {
  std::string page = title("minirun", version);
  page += ".SH NAME\nminirun \\- OCI container runtime\n";
  page += ".SH SYNOPSIS\n\\fBminirun\\fR [\\fIoptions\\fR] \\fICOMMAND\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]\n";
  page += ".SH DESCRIPTION\n" +
          paragraphs(
              "Runs containers from OCI bundles: a directory with a config.json and a root filesystem. People and test "
              "harnesses use run; container engines such as podman, docker and containerd call create, start and the "
              "others.\n\n"
              "An error is one line on stderr that says what failed, where in config.json, and why.");
  page += ".SH COMMANDS\n";
  for (const Command& command : program.commands)
    fmt::format_to(std::back_inserter(page), ".TP\n\\fB{}\\fR\n{}: \\fBminirun\\-{}\\fR(8).\n", roff(command.name),
                   roff(command.text), roff(command.name));
  page += ".SH OPTIONS\n" + option_entries(program.options);
  page += ".SH EXIT STATUS\n" + paragraphs("0, or 1 with one line that says why. run and exec return the workload's.");
  page += ".SH FILES\n.TP\n\\fI/run/minirun\\fR\nThe state of root's containers; of others below $XDG_RUNTIME_DIR.\n";
  page += ".SH SEE ALSO\n\\fBcgroups\\fR(7), \\fBnamespaces\\fR(7), \\fBcapabilities\\fR(7)\n";
  return page;
}

}  // namespace

std::string manual_page(const Program& program, const Command* command, const std::string& version) {
  if (command == nullptr) return program_page(program, version);
  const Prose* prose = prose_of(command->name);
  if (prose == nullptr) throw std::runtime_error("packaging/prose.cc: nothing on the command " + command->name);
  std::string name = "minirun-" + command->name;
  std::string page = title(name, version);
  page += fmt::format(".SH NAME\n{} \\- {}\n", roff(name), roff(command->text));
  page += fmt::format(".SH SYNOPSIS\n\\fBminirun {}\\fR [\\fIoptions\\fR] \\fI{}\\fR\n", command->name,
                      roff(prose->arguments));
  page += ".SH DESCRIPTION\n" + paragraphs(prose->description);
  page += ".SH OPTIONS\n" + option_entries(command->options);
  page += ".SH EXIT STATUS\n" +
          paragraphs(prose->exit_status.empty() ? "0, or 1 with one line that says why." : prose->exit_status);
  page += ".SH SEE ALSO\n\\fBminirun\\fR(8)\n";
  return page;
}

}  // namespace minirun::packaging
