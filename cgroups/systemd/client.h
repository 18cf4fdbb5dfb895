// SPDX-License-Identifier: Apache-2.0
// minirun's end of protocol.h: starts the helper and sends it requests.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cgroups/systemd/protocol.h"
#include "sys/child_program.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun::systemd {

// The helper's own limits are shorter, so that its error arrives before these expire.
struct TimeLimits {
  std::chrono::milliseconds call{30000};
  std::chrono::milliseconds whole{60000};
};

// Owns the helper; its placeholder ends with it.
class Client {
 public:
  // program: a path. environment: the helper's whole environment ("NAME=VALUE"). ENOENT and the like: it cannot be
  // executed.
  static Result<Client> start(const std::string& program, const std::vector<std::string>& environment,
                              const TimeLimits& limits = {});
  // Errors: systemd's own message, with the errno of a Reply; ETIMEDOUT; the helper has ended, with its last output.
  Result<Reply> ask(const Request& request);

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  Client(UniqueFd socket, ChildProgram program, const TimeLimits& limits)
      : socket_(std::move(socket)),
        program_(std::move(program)),
        call_limit_(limits.call),
        end_(std::chrono::steady_clock::now() + limits.whole) {}
  Result<std::string> receive(Deadline deadline);
  Error ended();

  UniqueFd socket_;
  ChildProgram program_;
  std::chrono::milliseconds call_limit_;
  Deadline end_;
};

}  // namespace minirun::systemd
