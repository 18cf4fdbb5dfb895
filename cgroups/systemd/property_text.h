// SPDX-License-Identifier: Apache-2.0
// A property of the scope from its text in GVariant's form ("uint64 5", "'text'").
#pragma once

#include <string_view>

#include "cgroups/systemd/property.h"

namespace minirun::systemd {

// Accepts only properties that concern the scope alone. Refuses those that act on other units or on the host
// (SuccessAction=reboot, Wants=), since engines pass on their users' annotations (CVE-2024-3154), and those that
// minirun sets itself. The type is the property's own: "uint64 5" and "5" are the same, a wrong type is refused.
// NAMESec is NAMEUSec in seconds ("1.5"). EINVAL.
Result<Property> property_of_text(std::string_view name, std::string_view value);

}  // namespace minirun::systemd
