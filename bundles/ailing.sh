# shellcheck shell=bash
# Sourced by the make-rootfs of each ailing bundle: a root filesystem with Node.js and the programs of bundles/ailing.
#
#   ailing_root DIR [PACKAGE…]
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "${BASH_SOURCE[0]}")/rootfs.sh"

# What all of them have, made once: build/bundles/.ailing-NAME, where NAME is the first package more or "node".
ailing_base() { # DIR [PACKAGE…]
  local dir=$1 here
  shift
  here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
  [ -e "$dir/made" ] && [ -z "$(find "$here/ailing.sh" "$here/rootfs.sh" -newer "$dir/made")" ] && return
  rm -rf "$dir"
  mkdir -p "$dir/root"
  base_root "$dir/root"
  debian_root "$dir/root" nodejs "$@"
  # Removes what is only for compiling or debugging.
  rm -rf "$dir"/root/usr/share/{gcc,gdb,perl5,nodejs/*/test} "$dir"/root/usr/lib/*/{gconv,audit}
  touch "$dir/made"
}

ailing_root() {
  local dir=$1 from base
  shift
  from=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/ailing
  base=$from/../../build/bundles/.ailing-${1-node}
  umask 022
  ailing_base "$base" "$@"
  cp -a "$base/root/." "$dir/"
  [ -e "$dir/usr/bin/env" ] || ln -s ../../bin/busybox "$dir/usr/bin/env" # npm's first line
  install -m 644 "$from"/*.js "$from/package.json" "$dir/srv/"
}
