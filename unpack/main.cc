// SPDX-License-Identifier: Apache-2.0
// minirun-unpack: a container image becomes a bundle for `minirun run`. A program of its own: it is dynamic and has
// libarchive, which the privileged static minirun must not have.
#include <fcntl.h>
#include <unistd.h>

#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/output.h"
#include "runtime/text/shown.h"
#include "runtime/text/version.h"
#include "unpack/interrupt.h"
#include "unpack/options.h"
#include "unpack/unpack.h"

namespace minirun::unpack {
namespace {

// What stderr does not take is lost: nothing else could say so.
void say(const std::string& line) {
  std::string text = "minirun-unpack: " + shown_line(line) + "\n";
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

int failed(const Error& error) {
  say(error.text());
  return error.exit_status;
}

int print(const std::string& text) {
  auto written = write_output(text);
  return written.ok() ? 0 : failed(written.error());
}

int unpack_main(const std::vector<std::string>& words) {
  // A closed stdin, stdout or stderr would be taken by the next file that is opened.
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", O_RDWR);  // takes the lowest: fd
  auto line = parse_command_line(words);
  if (!line.ok()) return failed(line.error());
  if (line->help) return print(help_text());
  if (line->version)
    return print(fmt::format("minirun-unpack version {}\ncommit: {}\n", minirun_version(), minirun_commit()));
  heed_interrupts();
  Notes notes;
  auto unpacked = unpack_image(line->request, &notes);
  if (!unpacked.ok()) return failed(unpacked.error());
  for (const std::string& note : notes.lines()) say(note);
  return 0;
}

}  // namespace
}  // namespace minirun::unpack

// Nothing throws on purpose; what is left is memory that cannot be had. The unwinding removes what was unpacked.
int main(int argc, char** argv) {
  try {
    return minirun::unpack::unpack_main({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    constexpr std::string_view kText = "minirun-unpack: out of memory\n";
    (void)!write(STDERR_FILENO, kText.data(), kText.size());
    return 1;
  }
}
