#!/bin/bash
# links.sh [BUILD [MAP]]: each room of runtime/ calls only what it or a place before it defines. Prints each symbol that
# a room finds in no place before it; status 1 if it finds one. The order is that of MAP, runtime/README.md.
# SPDX-License-Identifier: Apache-2.0
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build} map=${2:-runtime/README.md}

# The libraries from bottom to top, one a line: NAME FILE.
libraries() {
  echo "sys $build/libminirun_sys.a"
  echo "cgroups $build/libminirun_cgroups.a"
  echo "cgroups/systemd $build/libminirun_cgroups_systemd.a"
  echo "namespaces $build/libminirun_namespaces.a"
  sed -nE 's/^[0-9]+\. `([a-z]+)\/`.*/\1/p' "$map" | while read -r room; do
    echo "runtime/$room $build/runtime/$room/libminirun_$room.a"
  done
}

known=$(mktemp) && trap 'rm -f "$known"' EXIT
status=0
while read -r place library; do
  [ -f "$library" ] || { echo "$library: is not built"; exit 2; }
  nm -C --defined-only "$library" | sed -nE 's/^[0-9a-f]+ [TDBRVWuw] (.*)/\1/p' >>"$known"
  missing=$(nm -C -u "$library" | sed -nE 's/^ +U (minirun::.*)/\1/p' | sort -u | grep -vxFf "$known")
  [ -z "$missing" ] || { status=1; while read -r symbol; do echo "$place: defined above it: $symbol"; done <<<"$missing"; }
done < <(libraries)
exit $status
