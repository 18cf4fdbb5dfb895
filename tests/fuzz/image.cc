// SPDX-License-Identifier: Apache-2.0
// What minirun reads of an image: its passwd file for HOME, and the head of a program that could not be executed. Both
// are the attacker's.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/compile/home.h"
#include "runtime/diagnosis/program_file.h"
#include "sys/fd.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

void check_home(std::string_view passwd, uint32_t uid) {
  std::string home = home_in_passwd(passwd, uid);
  HOLDS(!home.empty() && home[0] == '/', home);
  HOLDS(home.find_first_of(std::string_view("\0\n:", 3)) == std::string::npos, home);
  HOLDS(home == "/" || passwd.find(":" + home + ":") != std::string_view::npos, home);
}

void check_program(std::string_view bytes, uint64_t claimed) {
  static UniqueFd file(memfd_create("program", MFD_CLOEXEC));
  HOLDS(ftruncate(file.get(), 0) == 0, "");
  HOLDS(pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "");
  ProgramFile program = read_program_file(file.get(), claimed);
  HOLDS(is_printable(program.problem), program.problem);
  HOLDS(program.interpreter.size() <= 4096, program.interpreter);
  HOLDS(is_printable(printable(program.interpreter)), program.interpreter);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  bool truthful = input.coin();
  auto uid = static_cast<uint32_t>(input.number(2));
  uint64_t claimed = truthful ? input.rest().size() : input.number(8);
  check_home(input.rest(), uid);
  check_program(input.rest(), claimed);
}
