#!/bin/bash
# docs/conformance.md against the tests: every test it names exists, every row has one.
# SPDX-License-Identifier: Apache-2.0
set -u
cd "$(dirname "$0")/../.." || exit 1
document=docs/conformance.md

# Suite.Name of every test, one a line, also where the macro is broken over two lines.
known=$(find tests -name '*_test.cc' -exec cat {} + | tr -s '\n ' ' ' |
  grep -oE 'TEST(_F|_P)?\([A-Za-z0-9_]+, [A-Za-z0-9_]+\)' | sed -E 's/.*\((.*), (.*)\)/\1.\2/')

awk -v document="$document" '
  function complain(what) { print document ":" FNR ": " what; wrong = 1 }
  FILENAME == "-" { known[$0] = 1; next }
  {
    text = $0
    while (match(text, /`[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*`/)) {
      name = substr(text, RSTART + 1, RLENGTH - 2)
      if (!(name in known)) complain("no such test: " name)
      text = substr(text, RSTART + RLENGTH)
    }
  }
  !/^\|/ { body = 0; next }
  /^\|---/ { body = 1; next }
  !body { next }
  {
    rows++
    if (split($0, cell, "|") != 5) { complain("must have three columns"); next }
    if (cell[3] ~ /^ *$/) complain("does not say what minirun does")
    if (cell[4] ~ /^( `[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*`)+ $/) tested++
    else complain("names no test")
  }
  END {
    printf "conformance: %d rows, %d with tests\n", rows, tested
    exit wrong || rows == 0
  }' - "$document" <<<"$known"
