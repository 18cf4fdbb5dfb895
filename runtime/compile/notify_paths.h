// SPDX-License-Identifier: Apache-2.0
// Where a container finds the socket that it reports readiness to (sd_notify(3), supervise/notify_relay.h).
#pragma once

namespace minirun {

constexpr const char* kNotifyDirectory = "/run/notify";  // in the container
constexpr const char* kNotifyPath = "/run/notify/notify.sock";

}  // namespace minirun
