// SPDX-License-Identifier: Apache-2.0
// Annotations "org.systemd.property.NAME": "VALUE", the value in the text form of GVariant, as runc and crun have them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cgroups/systemd/property.h"

namespace minirun::systemd {

constexpr std::string_view kPropertyPrefix = "org.systemd.property.";

// The properties of all such annotations, others are passed over. Only properties of the scope alone are taken: those
// that act on other units or on the host (SuccessAction=reboot, Wants=) are refused, since engines hand annotations of
// their users on (CVE-2024-3154), and those that minirun sets itself. The type is the property's own, so "uint64 5" and
// "5" are the same; a wrong one is refused. NAMESec is NAMEUSec in seconds ("1.5"). EINVAL.
Result<Properties> annotated_properties(const std::vector<std::pair<std::string, std::string>>& annotations);

}  // namespace minirun::systemd
