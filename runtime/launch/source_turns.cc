#include "runtime/launch/source_turns.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace minirun {

MoreOpenFiles::MoreOpenFiles(bool wanted) {
  rlimit limit{};
  if (!wanted || getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  const rlimit most{limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &most) == 0) before_ = limit;  // else what does not fit says so
}

MoreOpenFiles::~MoreOpenFiles() {
  if (before_) (void)setrlimit(RLIMIT_NOFILE, &*before_);  // a soft limit may always be lowered (setrlimit(2))
}

// A container's side that is gone is no error here: whoever waits for its next message says why.
static Result<void> send_sources(int control, const std::vector<int>& descriptors) {
  Envelope envelope{Message::sources, 0};
  iovec part{&envelope, sizeof envelope};
  alignas(cmsghdr) char rights[CMSG_SPACE(kSourcesOfATurn * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = rights;
  header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  cmsghdr* first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  std::memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size() * sizeof(int));
  ssize_t n = -1;
  do {
    n = sendmsg(control, &header, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0 || errno == EPIPE || errno == ECONNRESET) return {};
  return fail(errno, "send the sources of mounts to the container's side");
}

Result<std::vector<UniqueFd>> SourceTurns::open(uint32_t turn) {
  host_.peers = &peers_;
  return open_sources(compiled_->plan, host_, turn);
}

Result<void> SourceTurns::rejoin() {
  for (const PeerMount& mount : std::exchange(peers_, {})) TRY(rejoin_peers(mount));
  return {};
}

Result<void> SourceTurns::answer(int control, int32_t turn) {
  if (turn != answered_ + 1) return fail(EPROTO, "turn {} of the init's sources, after {}", turn, answered_);
  MoreOpenFiles more(compiled_->raises_open_files);
  std::vector<UniqueFd> opened = TRY(open(static_cast<uint32_t>(turn)));
  std::vector<int> descriptors;
  for (const UniqueFd& source : opened)
    if (source) descriptors.push_back(source.get());
  if (descriptors.empty() || descriptors.size() > kSourcesOfATurn)
    return fail(EPROTO, "turn {} of the init's sources, which has none", turn);
  answered_ = turn;
  return send_sources(control, descriptors);
}

}  // namespace minirun
