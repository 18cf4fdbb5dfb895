# shellcheck shell=bash
# Sourced by tests/run, bundles/try and bench/run: installs the Debian packages that are missing.
#
#   . .ci/install.sh
#   need_packages cmake ninja-build     returns 1 with one line on stderr when it cannot
#
# Quiet when nothing is missing; apt's lists are fetched at most once per process, and only then.
# SPDX-License-Identifier: Apache-2.0

# What it takes to build minirun; its helper for systemd, minirun-unpack and the tests take some more.
MINIRUN_PACKAGES="cmake ninja-build g++ libseccomp-dev libcap-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libcli11-dev"
BUILD_PACKAGES="$MINIRUN_PACKAGES pkg-config libsystemd-dev libarchive-dev nettle-dev libgtest-dev"

need_packages_updated=

package_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

need_packages() {
  local missing=() package log
  for package in "$@"; do
    package_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "install: must be root to install: ${missing[*]}" >&2
    return 1
  fi
  echo "install: ${missing[*]}" >&2
  log=$(mktemp) || return 1
  # DPkg::Lock::Timeout: another apt may be at work on a machine that has just booted.
  if ! {
    { [ -n "$need_packages_updated" ] || apt-get -qq -o DPkg::Lock::Timeout=300 update; } &&
      need_packages_updated=1 &&
      DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "install: apt-get could not install: ${missing[*]}" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
