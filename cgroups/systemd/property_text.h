// SPDX-License-Identifier: Apache-2.0
// A property of the scope, its value in the text form of GVariant ("uint64 5", "'text'").
#pragma once

#include <string_view>

#include "cgroups/systemd/property.h"

namespace minirun::systemd {

// Takes only properties of the scope alone. Those that act on other units or on the host (SuccessAction=reboot, Wants=)
// are refused, since engines pass on annotations of their users (CVE-2024-3154), and so are those that minirun sets
// itself. The type is the property's own: "uint64 5" and "5" are the same, a wrong type is refused. NAMESec is NAMEUSec
// in seconds ("1.5"). EINVAL.
Result<Property> property_of_text(std::string_view name, std::string_view value);

}  // namespace minirun::systemd
