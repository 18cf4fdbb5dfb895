// SPDX-License-Identifier: Apache-2.0
// Writes the manual pages and completions of the command table into the given directory. Part of the build.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>

#include "packaging/pages.h"
#include "runtime/text/version.h"
#ifdef MINIRUN_UNPACK
#include "packaging/unpack_pages.h"
#endif

namespace minirun::packaging {
namespace {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

void write_all(const std::string& directory) {
  CommandTable program = read_command_table();
  std::string version(minirun_version());
  write_file(directory + "/minirun.8", manual_page(program, nullptr, version));
  for (const CommandEntry& command : program.commands)
    write_file(fmt::format("{}/minirun-{}.8", directory, command.name), manual_page(program, &command, version));
  write_file(directory + "/minirun.bash", bash_completion(program));
  write_file(directory + "/_minirun", zsh_completion(program));
  write_file(directory + "/minirun.fish", fish_completion(program));
#ifdef MINIRUN_UNPACK
  if (mkdir((directory + "/unpack").c_str(), 0755) < 0 && errno != EEXIST)
    throw std::runtime_error("cannot make " + directory + "/unpack");
  for (const auto& [name, text] : unpack_pages(version)) write_file(directory + "/unpack/" + name, text);
#endif
}

}  // namespace
}  // namespace minirun::packaging

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::runtime_error("usage: describe DIRECTORY");
    minirun::packaging::write_all(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "describe: %s\n", error.what());
    return 1;
  }
}
