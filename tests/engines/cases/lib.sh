# shellcheck shell=bash
# Read before every case, in the guest.
# SPDX-License-Identifier: Apache-2.0

export XDG_RUNTIME_DIR=/run/user/0
mkdir -p /run/user/0

skip() {
  echo "skipped: $*"
  exit 77
}

# wait_for SECONDS CONDITION...: true as soon as CONDITION succeeds. The seconds are a real machine's.
wait_for() {
  local end=$((SECONDS + $1 * SLOWNESS))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
} 2>/dev/null

# status_of COMMAND...: prints its exit status as the last line.
status_of() {
  local status=0
  "$@" || status=$?
  echo "$status"
}

# same A B: with both in the trace.
same() { [ "$1" = "$2" ]; }

# has PATTERN TEXT
has() { grep -qE -- "$1" <<<"$2"; }

# finds PATTERN: in its input, which it reads to the end.
finds() { grep -E -- "$1" >/dev/null; }

# fetch URL: what a server of this guest answers.
fetch() { busybox wget -q -T 5 -O - "$1"; }

# load URL COUNT SECONDS: so many requests at the same time, one after the other, until the connection is refused. Fails
# when a connection that was accepted is not answered in full.
load() {
  python3 "$HERE/load.py" "$@"
}

# The Debian package, installed in the guest before the first case, with nothing put beside it.
install_minirun() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$HERE/minirun.deb"
  mkdir -p /etc/containers/containers.conf.d # for settings of the cases' own
}

# documented_lines TOOL IMAGE: those of docs/images.md, with the tool's image made from busybox.
documented_lines() {
  . "$HERE/documented_blocks"
  "$1" import --change "CMD [\"/bin/sh\", \"-c\", \"$kSays\"]" --change 'ENV PATH=/bin' "$HERE/tiny.tar" "$2"
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$HERE/minirun-unpack.deb"
  mkdir /tmp/documented
  (cd /tmp/documented && documented "$HERE/images.md" "$1")
}

cleanup() { :; }
