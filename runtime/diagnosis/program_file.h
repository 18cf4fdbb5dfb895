// SPDX-License-Identifier: Apache-2.0
// Reads a file as the kernel's binary loaders do: an ELF program with its interpreter, a "#!" script with its own, or
// something that they refuse. Reads a bounded part with pread(2) and executes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace minirun {

struct ProgramFile {
  std::string problem;      // why no loader accepts the file, or not on this machine; empty: no problem found
  std::string interpreter;  // from the "#!" line or PT_INTERP; empty: none. The image's text: show it with printable()
  bool is_script = false;
  bool is_32bit = false;  // a 32-bit program for this machine, which the kernel may not support
};

// fd: a regular file open for reading; size_bytes: its st_size.
ProgramFile read_program_file(int fd, uint64_t size_bytes);

// Text from an image or a config for a terminal: control characters and what is not ASCII as \xNN, cut at 200 bytes.
std::string printable(std::string_view text);

}  // namespace minirun
