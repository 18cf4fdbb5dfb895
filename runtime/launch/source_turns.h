// SPDX-License-Identifier: Apache-2.0
// Opens sources for the container's side: before the clone, and in turns while it places its mounts
// (steps::TakeSources).
#pragma once

#include <sys/resource.h>

#include <optional>
#include <set>
#include <vector>

#include "namespaces/sources.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Compiled;

// Raises this process's soft limit of open files to the hard one during its lifetime, if the plan needs that
// (Compiled). A process that is cloned meanwhile inherits it: a step of its plan restores the caller's.
class MoreOpenFiles {
 public:
  explicit MoreOpenFiles(bool wanted);
  ~MoreOpenFiles();
  MoreOpenFiles(const MoreOpenFiles&) = delete;
  MoreOpenFiles& operator=(const MoreOpenFiles&) = delete;

 private:
  std::optional<rlimit> before_;
};

class SourceTurns {
 public:
  // All borrowed. Only the first turn asks for what host has as `given`.
  SourceTurns(const Compiled& compiled, HostDescriptors host) : compiled_(&compiled), host_(std::move(host)) {}

  // In the order of the plan's slots: open_sources().
  Result<std::vector<UniqueFd>> open_first() { return open(0); }
  // Answers Message::sources. Each turn comes once, in order, since a container that traces its init can ask in its
  // name.
  Result<void> answer(int control, int32_t turn);
  // At the setup gate, when all mounts are placed.
  Result<void> rejoin();

 private:
  Result<std::vector<UniqueFd>> open(uint32_t turn);
  Result<void> answer_again(int control, uint32_t slot);

  const Compiled* compiled_;
  HostDescriptors host_;
  std::vector<PeerMount> peers_;
  int32_t answered_ = 0;
  std::set<uint32_t> again_;
};

}  // namespace minirun
