// SPDX-License-Identifier: Apache-2.0
// The maps of a user namespace that this process is about to make for itself (unshare(2)).
#pragma once

#include <sys/types.h>

#include "namespaces/id_map.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A process that stays outside of the new user namespace and writes its mappings: newuidmap(1) has its rights only
// there. Waited for on destruction; it ends with this process at the latest.
class MapWriter {
 public:
  MapWriter() = default;
  MapWriter(const MapWriter&) = delete;
  MapWriter& operator=(const MapWriter&) = delete;
  ~MapWriter() { end(); }

  Result<void> start(const IdMaps& uids, const IdMaps& gids);
  // The namespace is there now.
  Result<void> finish();

 private:
  int end();

  UniqueFd go_, said_;
  pid_t pid_ = -1;
};

}  // namespace minirun
