// SPDX-License-Identifier: Apache-2.0
#include "unpack/image_config.h"

#include "unpack/json_fields.h"

namespace minirun::unpack {
namespace {

Result<void> parse_platform_fields(const Fields& top, ImageConfig* config) {
  config->platform.os = TRY(top.text("os"));
  config->platform.architecture = TRY(top.text("architecture"));
  config->platform.variant = TRY(top.text("variant"));
  config->os_version = TRY(top.text("os.version"));
  config->os_features = TRY(top.texts("os.features"));
  config->created = TRY(top.text("created"));
  config->author = TRY(top.text("author"));
  return {};
}

Result<void> parse_execution(const Fields& given, ImageConfig* config) {
  config->user = TRY(given.text("User"));
  config->env = TRY(given.texts("Env"));
  config->entrypoint = TRY(given.texts("Entrypoint"));
  config->command = TRY(given.texts("Cmd"));
  config->working_dir = TRY(given.text("WorkingDir"));
  config->stop_signal = TRY(given.text("StopSignal"));
  config->labels = TRY(given.text_map("Labels"));
  config->exposed_ports = TRY(given.keys("ExposedPorts"));
  config->volumes = TRY(given.keys("Volumes"));
  for (const std::string& entry : config->env) {
    size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos)
      return wrong_field(given.file(), *given.find("Env"), "a list of NAME=VALUE");
  }
  return {};
}

Result<void> parse_layers(const Fields& top, ImageConfig* config) {
  auto rootfs = TRY(top.object("rootfs"));
  if (!rootfs) return top.missing("rootfs", "an object (an artifact that is no image has none)");
  auto type = TRY(rootfs->text("type"));
  if (type != "layers")
    return fail(ErrorKind::config, "{}: /rootfs/type: must be \"layers\": found {}", top.file(), quoted(type));
  for (const JsonValue& value : TRY(rootfs->values("diff_ids"))) {
    if (value.type() != JsonType::string) return wrong_field(top.file(), value, "a digest");
    auto digest = parse_digest(value.text());
    if (!digest.ok()) return wrap(digest.error(), top.file() + ": " + value.pointer());
    config->diff_ids.push_back(*digest);
  }
  return {};
}

}  // namespace

Result<ImageConfig> parse_image_config(const std::string& file, std::string_view text) {
  auto document = TRY(parse_image_json(file, text));
  Fields top = TRY(Fields::of(file, document->root()));
  ImageConfig config;
  TRY(parse_platform_fields(top, &config));
  TRY(parse_layers(top, &config));
  if (auto given = TRY(top.object("config"))) TRY(parse_execution(*given, &config));
  return config;
}

}  // namespace minirun::unpack
