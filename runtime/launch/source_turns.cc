// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/source_turns.h"

#include <cerrno>
#include <utility>

#include "namespaces/mount_copy.h"
#include "runtime/compile/compile.h"
#include "runtime/text/log.h"
#include "sys/socket_message.h"

namespace minirun {

MoreOpenFiles::MoreOpenFiles(bool wanted) {
  rlimit limit{};
  if (!wanted || getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  const rlimit most{limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &most) == 0) before_ = limit;  // otherwise an open that exceeds the limit reports it
}

MoreOpenFiles::~MoreOpenFiles() {
  if (before_) (void)setrlimit(RLIMIT_NOFILE, &*before_);  // a soft limit may always be lowered (setrlimit(2))
}

// A missing receiver is no error here: the wait for its next message says why.
static Result<void> send_sources(int control, const std::vector<int>& descriptors) {
  Envelope envelope{Message::sources, 0};
  auto sent = send_message(control, {reinterpret_cast<const char*>(&envelope), sizeof envelope}, descriptors);
  if (sent.ok() || sent.error().code == EPIPE || sent.error().code == ECONNRESET) return {};
  return fail(sent.error().code, "send the sources of mounts to the container's side");
}

Result<std::vector<UniqueFd>> SourceTurns::open(uint32_t turn) {
  host_.peers = &peers_;
  return open_sources(compiled_->plan, host_, turn);
}

Result<void> SourceTurns::rejoin() {
  for (const PeerMount& mount : std::exchange(peers_, {})) TRY(rejoin_peers(mount));
  return {};
}

// Logs the mounts that are left out, as mount(2) does (docs/design.md).
static void log_left_out(const Source& source) {
  if (!debug_enabled()) return;
  auto kept = kept_namespaces(source.path);
  if (!kept.ok()) log_debug("{}", kept.error().text());
  if (!kept.ok()) return;
  for (const std::string& path : *kept)
    log_debug("{}{}the mount namespace that is kept at {} is left out", source.origin,
              source.origin.empty() ? "" : ": ", path);
}

// Each slot only once, which also stops an init that asks forever.
Result<void> SourceTurns::answer_again(int control, uint32_t slot) {
  if (slot >= compiled_->plan.slots.size() || !again_.insert(slot).second)
    return fail(EPROTO, "the init asked twice for source {}", slot);
  MoreOpenFiles more(compiled_->raises_open_files);
  host_.peers = &peers_;
  log_left_out(compiled_->plan.slots[slot]);
  UniqueFd opened = TRY(reopen_source(compiled_->plan, host_, slot));
  return send_sources(control, {opened.get()});
}

Result<void> SourceTurns::answer(int control, int32_t turn) {
  if (turn < 0) return answer_again(control, static_cast<uint32_t>(sources_again(turn)));
  if (turn != answered_ + 1)
    return fail(EPROTO, "the init asked for turn {} of the sources after turn {}", turn, answered_);
  MoreOpenFiles more(compiled_->raises_open_files);
  std::vector<UniqueFd> opened = TRY(open(static_cast<uint32_t>(turn)));
  std::vector<int> descriptors;
  for (const UniqueFd& source : opened)
    if (source) descriptors.push_back(source.get());
  if (descriptors.empty() || descriptors.size() > kSourcesOfATurn)
    return fail(EPROTO, "the init asked for turn {} of the sources, which has none", turn);
  answered_ = turn;
  return send_sources(control, descriptors);
}

}  // namespace minirun
