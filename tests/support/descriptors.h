// SPDX-License-Identifier: Apache-2.0
// Unix sockets on which the tests receive what minirun sends: descriptors, with a text.
#pragma once

#include <string>
#include <vector>

#include "sys/fd.h"

namespace minirun::testing {

// A socket (SOCK_STREAM, SOCK_DGRAM) bound at a path of any length, or at "@NAME"; a stream listens. Ends the test
// program when it cannot.
UniqueFd listen_at(const std::string& path, int type);

struct Message {
  std::string text;
  std::vector<UniqueFd> descriptors;
};

// The next message, waiting if the socket blocks; empty at the end of the stream or without a message.
Message receive_message(int socket);

// What minirun sends to a console socket: one connection, one message of less than 4096 bytes with exactly one
// descriptor. It has to be there already. A failed test and none otherwise.
UniqueFd receive_descriptor(int listener);

// Reads from the terminal, without waiting for more than it has, until all that it has shown holds the text. A failed
// test when it does not in time (eventually()).
void expect_shown(int terminal, const std::string& text);

}  // namespace minirun::testing
