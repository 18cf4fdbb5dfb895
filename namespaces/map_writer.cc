// SPDX-License-Identifier: Apache-2.0
#include "namespaces/map_writer.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"
#include "sys/pipe.h"

namespace minirun {

Result<void> MapWriter::start(const IdMaps& uids, const IdMaps& gids) {
  Pipe go = TRY(make_pipe());
  go_ = std::move(go.writer);
  Pipe said = TRY(make_pipe());
  said_ = std::move(said.reader);
  pid_t target = getpid();
  pid_ = fork();
  if (pid_ < 0) return fail(errno, "fork");
  if (pid_ > 0) return {};
  go_.reset();
  char byte = 0;
  if (read(go.reader.get(), &byte, 1) != 1) _exit(0);  // given up
  auto written = write_id_maps(target, uids, gids);
  std::string text = written.ok() ? "" : written.error().text();
  (void)!write(said.writer.get(), text.data(), text.size());
  _exit(written.ok() ? 0 : 1);
}

Result<void> MapWriter::finish() {
  if (write(go_.get(), "x", 1) != 1) return fail(errno, "write id maps");
  std::string text = TRY(read_all(said_.get(), 65536, "what the id maps' writer says"));
  int status = end();
  if (status == 0) return {};
  return fail(ErrorKind::host, "{}", text.empty() ? "the writer of the id maps died" : text);
}

int MapWriter::end() {
  go_.reset();
  int status = 0;
  if (pid_ <= 0) return status;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

}  // namespace minirun
