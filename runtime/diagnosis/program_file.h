// SPDX-License-Identifier: Apache-2.0
// What the kernel's binary loaders see in a file: an ELF program with its interpreter, a "#!" script with its own, or
// something that they refuse. Reads a bounded part with pread(2) and executes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace minirun {

struct ProgramFile {
  std::string problem;      // why no loader takes the file, or not on this machine; empty: nothing found
  std::string interpreter;  // of the "#!" line or of PT_INTERP; empty: none. From the image: show it with printable()
  bool is_script = false;
  bool is_32bit = false;  // a program for this machine, though the kernel may be built without such
};

// fd: a regular file open for reading; size_bytes: its st_size.
ProgramFile read_program_file(int fd, uint64_t size_bytes);

// Text from an image or a config for a terminal: control characters and what is not ASCII as \xNN, cut at 200 bytes.
std::string printable(std::string_view text);

}  // namespace minirun
