// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/version.h"

namespace minirun {

const char* minirun_version() {
  return MINIRUN_VERSION;
}

const char* minirun_commit() {
  return MINIRUN_COMMIT;
}

}  // namespace minirun
