# shellcheck shell=bash disable=SC2154
# Sourced by the check of each ailing bundle, which bundles/check reads.
# SPDX-License-Identifier: Apache-2.0

# ail [OPTION…]: starts the bundle in the background, under an id.
ail() {
  id=ailing-$RANDOM
  start_bundle "$@" "$bundle" "$id"
}
# finds RULE TEXT: doctor finds it, in these words.
finds() {
  "${command[0]}" doctor "$id" >"$scratch/found" 2>&1 || true # 2: it has found something
  grep -qE "^[a-z]+ +$1 .*$2" "$scratch/found"
}
# ends STATUS SIGNAL: the signal ends it with the status.
ends() {
  kill "-$2" "$started"
  end_bundle 20
  status_is "$1"
}
