// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_console.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "tests/support/descriptors.h"

namespace minirun::testing {

Console::Console() : listener_(listen_at(kPath, SOCK_STREAM)) {
  if (fcntl(listener_.get(), F_SETFL, O_NONBLOCK) != 0) abort();
}

Console::~Console() {
  (void)unlink(kPath);
}

// Of a minirun that was killed between connect and send there comes nothing.
void Console::take_terminals() {
  for (;;) {
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) return;
    Message message = receive_message(connection.get());
    for (UniqueFd& terminal : message.descriptors) {
      if (fcntl(terminal.get(), F_SETFL, O_NONBLOCK) != 0) abort();
      newer_.push_back(std::move(terminal));
    }
  }
}

std::string Console::text() {
  take_terminals();
  std::array<char, 65536> block;
  for (const UniqueFd& terminal : newer_)
    for (ssize_t n = 0; (n = read(terminal.get(), block.data(), block.size())) > 0;)
      std::copy_if(block.data(), block.data() + n, std::back_inserter(text_), [](char c) { return c != '\r'; });
  return text_;
}

size_t Console::count() {
  take_terminals();
  return newer_.size();
}

void Console::listen_anew() {
  take_terminals();
  std::move(newer_.begin(), newer_.end(), std::back_inserter(older_));
  newer_.clear();
  text_.clear();
}

void Console::forget() {
  listen_anew();
  older_.clear();
}

}  // namespace minirun::testing
