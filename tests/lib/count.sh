# shellcheck shell=bash
# Sourced by tests/run: runs test programs with a time limit, counts their cases, shows what failed, and compares what
# was skipped with the lists in tests/skips/.
#
# Everything a run produces is in build/results/: NAME.log, NAME.skips, and a line in failures for each case that failed.
# SPDX-License-Identifier: Apache-2.0

passed=0 failed=0 skipped=0
update_skips=
results=build/results

# case_passed / case_failed NAME: for checks that are not GoogleTest programs.
case_passed() { passed=$((passed + 1)); }
case_failed() {
  failed=$((failed + 1))
  echo "FAILED: $1" | tee -a "$results/failures" >&2
}

# check NAME SECONDS COMMAND...: one case; the command's output is shown when it fails.
check() {
  begin_check "$@"
  end_check "$1" "$2" $!
}

# begin_check NAME SECONDS COMMAND...: begins one; its process is $!.
begin_check() {
  local name=$1 seconds=$2
  shift 2
  timeout -k 10 "$seconds" "$@" >"$results/$name.log" 2>&1 </dev/null &
}

# end_check NAME SECONDS PROCESS: waits for it and counts it.
end_check() {
  local name=$1 seconds=$2 log=$results/$1.log status=0
  wait "$3" || status=$?
  if [ $status = 0 ]; then
    case_passed
    return 0
  fi
  tail -n 100 "$log" >&2
  [ $status != 124 ] || echo "$name: gave up after $seconds s" >&2
  case_failed "$name"
  return 1
}

# gtest NAME SECONDS COMMAND...: runs a GoogleTest program and counts its cases.
gtest() {
  local name=$1 seconds=$2 status=0
  shift 2
  timeout -k 10 "$seconds" "$@" >"$results/$name.log" 2>&1 </dev/null || status=$?
  count_gtest "$name" $status
}

# gtest_shards NAME SECONDS COUNT COMMAND...: the same by COUNT programs at once, each with every COUNT-th case: for cases
# that mostly wait.
gtest_shards() {
  local name=$1 seconds=$2 count=$3 status=0 shard shards=() logs=()
  shift 3
  for ((shard = 0; shard < count; shard++)); do
    logs+=("$results/$name.$shard.log")
    GTEST_TOTAL_SHARDS=$count GTEST_SHARD_INDEX=$shard timeout -k 10 "$seconds" "$@" >"${logs[shard]}" 2>&1 </dev/null &
    shards+=($!)
  done
  for shard in "${shards[@]}"; do wait "$shard" || status=$?; done
  cat "${logs[@]}" >"$results/$name.log"
  count_gtest "$name" $status "$count"
}

# count_gtest NAME STATUS [PROGRAMS]: counts the cases in build/results/NAME.log, whose program (or several) ended with
# STATUS, and leaves what was skipped, with its reasons, in build/results/NAME.skips.
count_gtest() {
  local name=$1 status=$2 programs=${3:-1} log=$results/$1.log p f s
  p=$(grep -cE '^\[       OK \] .* \([0-9]+ ms\)$' "$log")
  f=$(grep -cE '^\[  FAILED  \] .* \([0-9]+ ms\)$' "$log")
  s=$(grep -cE '^\[  SKIPPED \] .* \([0-9]+ ms\)$' "$log")
  grep -hE '^\[  FAILED  \] .* \([0-9]+ ms\)$' "$log" >> "$results/failures"
  # From each RUN to its FAILED.
  awk '/^\[ RUN      \]/ { block = "" } { block = block $0 "\n" } /^\[  FAILED  \] .* \([0-9]+ ms\)$/ { printf "%s", block }' "$log" >&2
  awk '/^\[ RUN      \]/ { reason = "" } /: Skipped$/ { getline reason }
       /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ { print $4 ": " reason }' "$log" | sort > "$results/$name.skips"
  # A program that ends before its last line took its other cases with it.
  if [ "$(grep -cE '^\[==========\] .* ran\.' "$log")" != "$programs" ] || { [ "$status" != 0 ] && [ "$f" = 0 ]; }; then
    tail -n 40 "$log" >&2
    [ "$status" != 124 ] || echo "$name: gave up at its time limit" >&2
    echo "FAILED: $name: the program ended with status $status before its end or without a failed case" |
      tee -a "$results/failures" >&2
    f=$((f + 1))
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  echo "$name: $p passed, $f failed, $s skipped"
}

# skips_must_be NAME: what NAME skipped is exactly tests/skips/NAME.txt. For guests, where we know what they have.
skips_must_be() {
  local name=$1 list=tests/skips/$1.txt
  compare_skips "$list" <(sort "$list" 2>/dev/null) "$results/$name.skips" "$results/$name.skips"
}

# skips_must_agree NAME [LIST]: for the host, of which nothing is known. Every case skipped for some reason is in
# tests/skips/LIST.txt with this reason; of the reasons that were seen here, no case there has stopped being skipped.
skips_must_agree() {
  local name=$1 list=tests/skips/${2:-$1}.txt
  touch "$results/$name.other"
  awk -v here="$results/$name.expected" -v other="$results/$name.other" '
    { reason = $0; sub(/^[^:]*: /, "", reason) }
    FILENAME == ARGV[1] { seen[reason] = 1; next }
    reason in seen { print > here; next }
    { print > other }' "$results/$name.skips" "$list" 2>/dev/null
  sort "$results/$name.skips" "$results/$name.other" > "$results/$name.updated"
  touch "$results/$name.expected"
  compare_skips "$list" <(sort "$results/$name.expected") "$results/$name.skips" "$results/$name.updated"
}

# compare_skips LIST EXPECTED FOUND UPDATED
compare_skips() {
  local list=$1 changes
  if [ -n "$update_skips" ]; then
    if [ -s "$4" ]; then cp "$4" "$list"; else rm -f "$list"; fi
    return
  fi
  changes=$(diff "$2" "$3" | grep '^[<>]' | sed 's/^</no longer skipped:/; s/^>/skipped now:/')
  [ -n "$changes" ] || return 0
  echo "$changes" >&2
  echo "the skipped tests are not those of $list: if that is meant, run tests/run --update-skips and commit it" >&2
  case_failed "$list"
}

# What failed, by name, and the last words of guests that ended without a status: below all else, where a reader of a
# long log looks first.
show_failures() {
  [ -s "$results/failures" ] || return 0
  echo "what failed:"
  cat "$results/failures"
  local words
  for words in "$results"/*.guest; do
    [ ! -s "$words" ] || { echo "$words:"; tail -n 26 "$words"; }
  done
}
