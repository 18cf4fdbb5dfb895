#!/bin/bash
# Judges commands, each in a container of its own: a test harness in a shell, with jq.
#
#   docs/harness/judge.sh BUNDLE "COMMAND [ARGUMENT…]"…
#
# One line for each: the verdict, the exit status, the CPU time, the command. The words of a command are divided at blanks.
# MINIRUN: the program to use (default: minirun). SECONDS_EACH: the time of each (default: 5).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
minirun=${MINIRUN:-minirun}
[ $# -ge 2 ] || { echo "usage: judge.sh BUNDLE COMMAND…" >&2; exit 2; }
bundle=$(realpath "$1")
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The bundle with another command. Its rootfs is used in place.
prepare() { # COMMAND
  jq --arg command "$1" --arg rootfs "$bundle" '
    .process.args = ($command | split(" ")) | .process.terminal = false
    | .root.path = (if .root.path | startswith("/") then .root.path else $rootfs + "/" + .root.path end)' \
    "$bundle/config.json" >"$scratch/config.json"
}

for command in "$@"; do
  prepare "$command"
  rm -f "$scratch/report.json"
  # The status of minirun is that of the command: the report says which of both failed.
  "$minirun" run --timeout "${SECONDS_EACH:-5}s" --grace 0 --report "$scratch/report.json" "$scratch/" \
    </dev/null >"$scratch/out" 2>"$scratch/err" || true
  if [ ! -s "$scratch/report.json" ]; then
    echo "no report: $(cat "$scratch/err")" >&2
    exit 1
  fi
  jq -r --arg command "$command" '
    (if .cause == "exited" and .exit_status == 0 then "passed"
     elif .cause == "exited" then "failed"
     elif .cause == "setup-failed" then "not judged: " + .error.msg
     else .cause end)
    + "\t" + (.exit_status | tostring) + "\t" + ((.cpu.usage_us // 0) / 1000 | floor | tostring) + " ms\t" + $command' \
    "$scratch/report.json"
done
