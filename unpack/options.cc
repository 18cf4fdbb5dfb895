// SPDX-License-Identifier: Apache-2.0
#include "unpack/options.h"

#include <charconv>

#include "runtime/text/byte_size.h"
#include "runtime/text/json.h"

namespace minirun::unpack {
namespace {

using Place = Result<void> (*)(CommandLine* line, const std::string& value);

struct OptionRow {
  const char* name;
  const char* value;  // "": a flag
  const char* group;
  const char* text;
  Place place;
};

Result<void> put_size(uint64_t* place, const std::string& value) {
  int64_t bytes = TRY(parse_byte_size(value));
  if (bytes <= 0) return fail(ErrorKind::usage, "must be a number of bytes above 0: found {}", quoted(value));
  *place = static_cast<uint64_t>(bytes);
  return {};
}

Result<void> put_count(uint64_t* place, const std::string& value) {
  uint64_t count = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size() || count == 0)
    return fail(ErrorKind::usage, "must be a number above 0: found {}", quoted(value));
  *place = count;
  return {};
}

Result<void> put_image(CommandLine* line, const std::string& value) {
  if (value.empty()) return fail(ErrorKind::usage, "must be the name of an image");
  line->request.choice.name = value;
  return {};
}

Result<void> put_platform(CommandLine* line, const std::string& value) {
  line->request.choice.platform = TRY(parse_platform(value));
  return {};
}

constexpr const char* kBounds = "Bounds";
constexpr OptionRow kOptions[] = {
    {"--image", "NAME[:TAG]", "Options", "which image, if the layout or archive has several", put_image},
    {"--platform", "OS/ARCH[/VARIANT]", "Options", "which image of an index (default: this machine's)", put_platform},
    {"--version", "", "Options", "print the version and exit",
     [](CommandLine* line, const std::string&) -> Result<void> {
       line->version = true;
       return {};
     }},
    {"--help", "", "Options", "print this help and exit",
     [](CommandLine* line, const std::string&) -> Result<void> {
       line->help = true;
       return {};
     }},
    {"--max-size", "BYTES", kBounds, "of all layers once they are decompressed, and of all files (default: 32g)",
     [](CommandLine* line, const std::string& value) { return put_size(&line->request.limits.size, value); }},
    {"--max-entry-size", "BYTES", kBounds, "of one file (default: 8g)",
     [](CommandLine* line, const std::string& value) { return put_size(&line->request.limits.entry_size, value); }},
    {"--max-entries", "N", kBounds, "files of all layers together (default: 2000000)",
     [](CommandLine* line, const std::string& value) { return put_count(&line->request.limits.entries, value); }},
    {"--max-ratio", "N", kBounds,
     "decompressed bytes for each compressed one, once a layer has more than 64 MiB (default: 200)",
     [](CommandLine* line, const std::string& value) { return put_count(&line->request.limits.ratio, value); }},
    {"--max-layers", "N", kBounds, "layers of the image (default: 500)",
     [](CommandLine* line, const std::string& value) { return put_count(&line->request.limits.layers, value); }},
    {"--max-json", "BYTES", kBounds, "of an index, a manifest or an image's config (default: 4m)",
     [](CommandLine* line, const std::string& value) { return put_size(&line->request.limits.json, value); }},
};

const OptionRow* find_option(std::string_view name) {
  for (const OptionRow& row : kOptions)
    if (row.name == name) return &row;
  return nullptr;
}

// "--x=VALUE" or "--x VALUE". Returns how many words it took.
Result<size_t> take_option(const std::vector<std::string>& words, size_t at, CommandLine* line) {
  const std::string& word = words[at];
  size_t equals = word.find('=');
  std::string name = word.substr(0, equals);
  const OptionRow* row = name == "-h" ? find_option("--help") : find_option(name);
  if (row == nullptr) return fail(ErrorKind::usage, "unknown option {} (minirun-unpack --help)", quoted(name));
  bool is_flag = row->value[0] == '\0';
  if (is_flag && equals != std::string::npos) return fail(ErrorKind::usage, "{} takes no value", name);
  if (!is_flag && equals == std::string::npos && at + 1 == words.size())
    return fail(ErrorKind::usage, "{} takes a value: {}", name, row->value);
  bool next_word = !is_flag && equals == std::string::npos;
  auto placed = row->place(line, is_flag ? "" : next_word ? words[at + 1] : word.substr(equals + 1));
  if (!placed.ok()) return wrap(placed.error(), name);
  return size_t{next_word ? 2u : 1u};
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& words) {
  CommandLine line;
  std::vector<std::string> arguments;
  bool options = true;
  for (size_t i = 0; i < words.size();) {
    bool is_option = options && words[i].size() > 1 && words[i][0] == '-';
    if (options && words[i] == "--") {
      options = false;
      i++;
    } else if (is_option) {
      i += TRY(take_option(words, i, &line));
    } else {
      arguments.push_back(words[i++]);
    }
  }
  if (line.help || line.version) return line;
  if (arguments.size() != 2)
    return fail(ErrorKind::usage, "takes two arguments, IMAGE and BUNDLE: found {} (minirun-unpack --help)",
                arguments.size());
  line.request.image = arguments[0];
  line.request.bundle = arguments[1];
  return line;
}

Manual manual() {
  static constexpr ExitStatus kStatuses[] = {
      {"0", "made the bundle"},
      {"1", "failed, and removed what it had made; one line on stderr says why"},
      {"128+N", "signal N ended it, and it removed what it had made"},
  };
  return {
      .summary = "make a bundle from a container image",
      .arguments = "IMAGE BUNDLE",
      .description =
          "Makes the new directory BUNDLE, with rootfs and config.json, from IMAGE: an OCI image layout (a directory "
          "or a tar archive of one), or an archive of docker save or podman save. Then minirun run BUNDLE runs it.\n\n"
          "minirun-unpack checks every digest of the image, and writes nothing outside BUNDLE, whatever names and "
          "links the layers have. Until the bundle is complete it is .BUNDLE.unpacking in the same directory. After "
          "SIGKILL that directory stays, and the next minirun-unpack to the same BUNDLE removes it.\n\n"
          "config.json is the one that minirun spec writes, with the image's program, environment, user, working "
          "directory and labels. minirun-unpack leaves out labels that minirun would act on as annotations, and says "
          "so.\n\n"
          "Only root can make device nodes. For an ordinary user minirun-unpack works in a user namespace with the "
          "user's ranges from /etc/subuid and /etc/subgid, if newuidmap and newgidmap are installed; without them all "
          "files belong to the user.",
      .examples = {{{"minirun-unpack --image app:1.2 image.tar app", "from an archive of several images"},
                    {"minirun-unpack --platform linux/arm64 layout/ app", "from an index of several platforms"}}},
      .exit_statuses = kStatuses,
  };
}

std::vector<OptionEntry> option_entries() {
  std::vector<OptionEntry> entries;
  for (const OptionRow& row : kOptions) entries.push_back({{row.name}, row.value, row.text, row.group, {}});
  return entries;
}

std::string help_text() {
  std::string text = fmt::format("Usage: minirun-unpack [OPTIONS] {}\n\n", manual().arguments);
  text +=
      "Makes a bundle from an image: an OCI image layout (a directory or a tar archive of one), or an archive of\n"
      "docker save or podman save. `minirun run BUNDLE` runs it.\n";
  std::string_view group;
  for (const OptionRow& row : kOptions) {
    if (group != row.group) text += fmt::format("\n{}:\n", group = row.group);
    text += fmt::format("  {:<30} {}\n", fmt::format("{} {}", row.name, row.value), row.text);
  }
  return text;
}

}  // namespace minirun::unpack
