// SPDX-License-Identifier: Apache-2.0
// What `doctor` prints: text and JSON, of the same struct. docs/schema/doctor.json
#pragma once

#include <string>
#include <vector>

#include "runtime/inspect/rules.h"

namespace minirun {

struct DoctorReport {
  std::string id{};
  std::string status{};
  double interval_s = 0;
  size_t processes = 0;
  std::vector<Finding> findings{};
  std::vector<std::string> unseen{};  // what could not be looked at, and why
};

DoctorReport doctor_report(const Facts& facts);
std::string to_text(const DoctorReport& report);
std::string to_json(const DoctorReport& report);

}  // namespace minirun
