#!/bin/bash
# editor.sh BUILD: writes build/clangd/compile_commands.json, which .clangd names, from that of BUILD.
#
# A unity build compiles files that include several sources; clangd wants an entry for each source. What other builds
# compile stays in, as long as the file exists.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
database=$1/compile_commands.json
out=build/clangd/compile_commands.json
mkdir -p build/clangd
if [ "$out" -nt "$database" ] && [ "$(cat build/clangd/from 2>/dev/null)" = "$1" ]; then exit 0; fi
touch "$out"
awk '
  function value(line) { sub(/^[^:]*: "/, "", line); sub(/",?$/, "", line); return line }
  function emit(source, text) {
    if (source in seen) return
    seen[source] = 1
    printf "%s{\n  \"directory\": \"%s\",\n  \"command\": \"%s\",\n  \"file\": \"%s\"\n}", count++ ? ",\n" : "", directory, text, source
  }
  function exists(path, line, status) {
    status = (getline line < path)
    close(path)
    return status >= 0
  }
  BEGIN { print "[" }
  /^ *"directory":/ { directory = value($0) }
  /^ *"command":/ { command = value($0) }
  /^ *"file":/ {
    file = value($0)
    if (file ~ /\/cmake_pch\.hxx\.cxx$/ || !exists(file)) next
    if (file !~ /\/Unity\/unity_[^\/]*_cxx\.cxx$/) { emit(file, command); next }
    at = length(command) - length(file)
    while ((getline line < file) > 0)
      if (line ~ /^#include "/) {
        source = line
        gsub(/^#include "|"$/, "", source)
        emit(source, substr(command, 1, at) source)
      }
    close(file)
  }
  END { print "\n]" }' "$database" "$out" >"$out.new"
mv "$out.new" "$out"
echo "$1" >build/clangd/from
