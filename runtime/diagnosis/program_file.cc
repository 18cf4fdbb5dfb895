// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/program_file.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace minirun {
namespace {

constexpr size_t kShebangBytes = 256;     // BINPRM_BUF_SIZE (5.1): the part that the kernel reads for the line
constexpr size_t kMaxInterpreter = 4096;  // PATH_MAX, as in binfmt_elf.c
constexpr unsigned kMaxProgramHeaders = 256;

#if defined(__x86_64__)
constexpr unsigned kHostMachine = EM_X86_64;
constexpr unsigned kHostMachine32 = EM_386;
#elif defined(__aarch64__)
constexpr unsigned kHostMachine = EM_AARCH64;
constexpr unsigned kHostMachine32 = EM_ARM;
#else
#error "name the machine that this host executes, and its 32-bit sibling"
#endif

std::string read_at(int fd, uint64_t offset, size_t size) {
  std::string data(size, '\0');
  ssize_t n = pread(fd, data.data(), size, static_cast<off_t>(offset));
  data.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return data;
}

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_386:
      return "32-bit x86";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "32-bit ARM";
    case EM_AARCH64:
      return "aarch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "64-bit PowerPC";
    case EM_S390:
      return "s390";
    case EM_MIPS:
      return "MIPS";
    case EM_LOONGARCH:
      return "LoongArch";
    default:
      return fmt::format("ELF machine {}", machine);
  }
}

std::string elf_type_problem(unsigned type) {
  if (type == ET_EXEC || type == ET_DYN) return "";
  if (type == ET_REL) return "it is an object file that was not linked";
  if (type == ET_CORE) return "it is a core dump";
  return "its ELF header is damaged";
}

ProgramFile problem(std::string text) {
  ProgramFile program;
  program.problem = std::move(text);
  return program;
}

ProgramFile truncated(uint64_t size, uint64_t needed) {
  return problem(fmt::format("it is truncated: {} bytes, but its ELF headers describe {}", size, needed));
}

// Header, Segment: Elf64_Ehdr, Elf64_Phdr or the 32-bit ones. The image controls every number: bounds on the terms keep
// sums from overflowing, and a wrong header ends in "damaged" or "truncated".
template <class Header, class Segment>
ProgramFile read_segments(int fd, uint64_t size, const Header& header) {
  if (header.e_phentsize != sizeof(Segment) || header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders)
    return problem("its ELF header is damaged");
  const size_t table_size = header.e_phnum * sizeof(Segment);
  const std::string table = read_at(fd, header.e_phoff, table_size);
  if (table.size() != table_size) return truncated(size, uint64_t{header.e_phoff} + table_size);
  ProgramFile program;
  uint64_t needed = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Segment segment;
    std::memcpy(&segment, table.data() + i * sizeof segment, sizeof segment);
    uint64_t end = 0;
    if (segment.p_type != PT_LOAD && segment.p_type != PT_INTERP) continue;
    if (__builtin_add_overflow(uint64_t{segment.p_offset}, uint64_t{segment.p_filesz}, &end))
      return problem("its ELF header is damaged");
    needed = std::max(needed, end);
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_filesz < 2 || segment.p_filesz > kMaxInterpreter) return problem("its ELF header is damaged");
    program.interpreter = read_at(fd, segment.p_offset, static_cast<size_t>(segment.p_filesz));
    program.interpreter.resize(std::strlen(program.interpreter.c_str()));
  }
  return needed > size ? truncated(size, needed) : program;
}

template <class Header, class Segment>
ProgramFile read_elf_class(int fd, uint64_t size, const std::string& start) {
  Header header;
  if (start.size() < sizeof header) return truncated(size, sizeof header);
  std::memcpy(&header, start.data(), sizeof header);
  // The x32 variant is a 32-bit file of the 64-bit machine.
  if (header.e_machine != kHostMachine && header.e_machine != kHostMachine32)
    return problem(fmt::format("it is a program for {}, and this machine is {}", machine_name(header.e_machine),
                               machine_name(kHostMachine)));
  std::string wrong_type = elf_type_problem(header.e_type);
  if (!wrong_type.empty()) return problem(wrong_type);
  ProgramFile program = read_segments<Header, Segment>(fd, size, header);
  program.is_32bit = sizeof(Header) == sizeof(Elf32_Ehdr);
  return program;
}

ProgramFile read_elf(int fd, uint64_t size, const std::string& start) {
  if (start.size() < EI_NIDENT) return truncated(size, sizeof(Elf64_Ehdr));
  if (start[EI_DATA] == ELFDATA2MSB)
    return problem(
        fmt::format("it is a program for a big-endian machine, and this machine is {}", machine_name(kHostMachine)));
  if (start[EI_CLASS] == ELFCLASS64) return read_elf_class<Elf64_Ehdr, Elf64_Phdr>(fd, size, start);
  if (start[EI_CLASS] == ELFCLASS32) return read_elf_class<Elf32_Ehdr, Elf32_Phdr>(fd, size, start);
  return problem("its ELF header is damaged");
}

// As binfmt_script.c reads it: blanks, the interpreter up to a blank, the line end or a NUL, and one argument.
ProgramFile read_script(std::string_view start) {
  start = start.substr(0, kShebangBytes);
  ProgramFile script;
  script.is_script = true;
  const size_t line_end = start.find('\n');
  std::string_view line = start.substr(2, line_end == std::string_view::npos ? line_end : line_end - 2);
  const size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return problem("its \"#!\" line names no interpreter");
  line.remove_prefix(first);
  const size_t name_end = line.find_first_of(std::string_view(" \t\0", 3));
  if (line_end == std::string_view::npos && name_end == std::string_view::npos && start.size() == kShebangBytes)
    return problem(fmt::format("its \"#!\" line is longer than the kernel's {} bytes", kShebangBytes - 1));
  script.interpreter = line.substr(0, name_end);
  if (!script.interpreter.empty() && script.interpreter.back() == '\r')
    script.problem = fmt::format(
        "its \"#!\" line ends in a carriage return (CRLF, as Windows writes), so its interpreter would be \"{}\"; "
        "save it with plain line ends",
        printable(script.interpreter));
  return script;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

std::string unknown_format(std::string_view start) {
  if (start.empty()) return "it is empty";
  if (starts_with(start, "\xEF\xBB\xBF#!")) return "a byte order mark stands before its \"#!\"";
  if (starts_with(start, "MZ")) return "it is a Windows program";
  if (starts_with(start, "\xCF\xFA\xED\xFE") || starts_with(start, "\xCA\xFE\xBA\xBE")) return "it is a macOS program";
  const bool text = std::all_of(start.begin(), start.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= ' ' || (byte >= '\a' && byte <= '\r') || byte == '\x1B';
  });
  if (text) return "it is text without a \"#!\" line: a shell would run it, the kernel does not";
  return "it is neither an ELF program nor a script";
}

}  // namespace

ProgramFile read_program_file(int fd, uint64_t size_bytes) {
  const std::string start = read_at(fd, 0, 512);
  if (starts_with(start, ELFMAG)) return read_elf(fd, size_bytes, start);
  if (starts_with(start, "#!")) return read_script(start);
  return problem(unknown_format(start));
}

std::string printable(std::string_view text) {
  constexpr size_t kMaxShown = 200;
  std::string shown;
  for (char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      shown += "\\r";
    } else if (byte < ' ' || byte >= 0x7F) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return text.size() > kMaxShown ? shown + "..." : shown;
}

}  // namespace minirun
