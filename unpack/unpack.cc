// SPDX-License-Identifier: Apache-2.0
#include "unpack/unpack.h"

#include <sys/stat.h>

#include "unpack/config_json.h"
#include "unpack/interrupt.h"
#include "unpack/layer.h"
#include "unpack/own_namespace.h"
#include "unpack/progress.h"
#include "unpack/source.h"
#include "unpack/target.h"
#include "unpack/tree.h"
#include "unpack/users.h"

namespace minirun::unpack {
namespace {

Result<void> apply_layers(Source& source, const Image& image, const Request& request, const Target& target,
                          Rights rights, Notes* notes) {
  Usage usage;
  Progress progress;
  LayerSetting setting{request.limits, usage, [&] { progress.show(usage); }};
  Tree tree(target.rootfs(), TRY(target.trash_directory()), NodeMaker(rights, request.limits, &usage, notes));
  for (size_t i = 0; i < image.layers.size(); i++) {
    progress.begin_layer(i + 1, image.layers.size());
    TRY(apply_layer(source, image.layers[i], image.config.diff_ids[i], tree, setting));
  }
  return {};
}

Result<void> fill(Source& source, const Image& image, const Request& request, const Caller& caller, Target* target,
                  Notes* notes) {
  TRY(apply_layers(source, image, request, *target, caller.rights, notes));
  UserIds user = TRY(resolve_user_in(target->rootfs(), image.config.user));
  std::string config = TRY(make_config_json(image.config, user, caller.owner, notes));
  TRY(target->write_config(config));
  TRY(unless_interrupted());
  return target->commit();
}

}  // namespace

Result<void> unpack_image(const Request& request, Notes* notes) {
  (void)umask(0);  // modes are the image's; returns the old one and cannot fail
  auto source = TRY(open_source(request.image));
  Image image = TRY(find_image(*source, request.choice, request.limits));
  Caller caller = TRY(become_able(notes));
  Target target = TRY(Target::begin(request.bundle));
  auto filled = fill(*source, image, request, caller, &target, notes);
  if (filled.ok()) return {};
  auto discarded = target.discard();
  if (!discarded.ok())
    return with_hint(filled.error(), "what was unpacked is not all removed: " + discarded.error().text());
  return filled;
}

}  // namespace minirun::unpack
