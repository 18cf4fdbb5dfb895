// SPDX-License-Identifier: Apache-2.0
// Owns sd-bus objects, and puts properties into its messages.
#pragma once

#include <systemd/sd-bus.h>

#include <cstring>
#include <string>

#include "cgroups/systemd/property.h"
#include "sys/result.h"

namespace minirun::systemd {

class BusError {
 public:
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error_); }
  sd_bus_error* get() { return &error_; }
  bool is(const char* name) const { return sd_bus_error_has_name(&error_, name) > 0; }

  // "what: systemd's words", with the errno of a call's result.
  Error result(int negative_errno, const std::string& what) const {
    if (error_.message == nullptr) return fail(-negative_errno, "{}", what);
    return Error{is("org.freedesktop.systemd1.UnitExists") ? EEXIST : 0,
                 what + ": " + static_cast<const char*>(error_.message)};
  }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

class Message {
 public:
  Message() = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() { sd_bus_message_unref(message_); }
  sd_bus_message** out() { return &message_; }
  sd_bus_message* get() const { return message_; }

 private:
  sd_bus_message* message_ = nullptr;
};

// As a(sv).
Result<void> append(sd_bus_message* message, const Properties& properties);

}  // namespace minirun::systemd
