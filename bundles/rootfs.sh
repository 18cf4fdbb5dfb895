# shellcheck shell=bash
# Sourced by every bundle's make-rootfs: root filesystems made of Debian packages.
#
#   base_root DIR               the folders every container needs, users root and app, busybox with all its names
#   debian_root DIR PACKAGE…    PACKAGE and what it depends on, unpacked in DIR without documentation
#
# Packages come from the Debian release that this machine runs, by the mirrors of its own apt configuration, and are
# kept in build/debs. Nothing is installed: apt sees a machine without any package, so that the whole closure is taken,
# and a preference for Debian's own packages, so that a third party's newer nodejs is not.
# SPDX-License-Identifier: Apache-2.0

debs=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")/build/debs

# apt-get with a state of its own.
debian_apt() {
  local codename suite
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mkdir -p "$debs/archives/partial" "$debs/empty"
  for suite in "$codename" "$codename-updates" "$codename-security"; do
    printf 'Package: *\nPin: release o=Debian,n=%s\nPin-Priority: 1001\n\n' "$suite"
  done >"$debs/preferences"
  apt-get -o Dir::State::status=/dev/null -o Dir::Cache::archives="$debs/archives" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o Dir::Etc::preferences="$debs/preferences" -o Dir::Etc::preferencesparts="$debs/empty" \
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root "$@"
}

# Puts the closure of PACKAGE… into build/debs/archives and prints the files' names.
debian_fetch() {
  local log=$debs/apt.log name version architecture
  mkdir -p "$debs"
  # Without lists, or with lists so old that the mirror has moved on, fetch them and try once more.
  if ! debian_apt -qq -y --download-only install "$@" >"$log" 2>&1 </dev/null; then
    if ! { apt-get -qq update && debian_apt -qq -y --download-only install "$@"; } >"$log" 2>&1 </dev/null; then
      tail -n 20 "$log" >&2
      echo "bundles: apt-get could not download: $*" >&2
      return 1
    fi
  fi
  # "Inst zlib1g (1:1.2.13.dfsg-1 Debian:12/stable [amd64])" lies in zlib1g_1%3a1.2.13.dfsg-1_amd64.deb
  debian_apt -s install "$@" 2>>"$log" |
    sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*\[([^]]+)\]\).*/\1 \2 \3/p' |
    while read -r name version architecture; do
      echo "$debs/archives/${name}_${version//:/%3a}_$architecture.deb"
    done
}

debian_root() {
  local dir=$1 files file
  shift
  files=$(debian_fetch "$@")
  [ -n "$files" ] || return 1
  while read -r file; do
    dpkg-deb -x "$file" "$dir"
  done <<<"$files"
  rm -rf "$dir"/usr/share/{doc,man,locale,lintian,bug}
}

base_root() {
  local dir=$1 name
  umask 022
  mkdir -p "$dir"/{bin,dev,etc,home/app,proc,root,run,srv,sys,tmp,usr/bin,var/tmp}
  chmod 1777 "$dir"/tmp "$dir"/var/tmp
  chown 1000:1000 "$dir/home/app"
  printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n' >"$dir/etc/passwd"
  printf 'root:x:0:\napp:x:1000:\n' >"$dir/etc/group"
  debian_root "$dir" busybox-static
  [ -e "$dir/bin/busybox" ] || mv "$dir/usr/bin/busybox" "$dir/bin/busybox" # where Debian 13 has it
  for name in $("$dir/bin/busybox" --list); do
    [ "$name" = busybox ] || ln -s busybox "$dir/bin/$name"
  done
}
