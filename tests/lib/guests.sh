# shellcheck shell=bash
# Sourced by tests/run: runs scripts in guests, with a log, a status and what run_guest said in build/results/.
# SPDX-License-Identifier: Apache-2.0

# How much slower an emulated guest is than this machine.
kVmSlowness=6

# guest NAME KERNEL MEGABYTES INITRAMFS SCRIPT [KERNEL_ARGUMENTS]: writes log and status to build/results. Guests run at
# the same time. One whose kernel or emulator ended under the tests (125) is run again, once: what it said stays in
# NAME.lost, and is shown.
guest() {
  local name=$1 status=0 round
  rm -f "$results/$name.exit" "$results/$name.lost"
  for round in 1 2; do
    status=0
    tests/vm/run_guest -t 2400 -c 2 -m "$3" -s "$results/$name.status" -a "${6-}" "$2" "$4" -- \
      sh "/bin/$5" $kVmSlowness >"$results/$name.log" 2>"$results/$name.guest" || status=$?
    [ $status = 125 ] && [ $round = 1 ] || break
    { tail -n 3 "$results/$name.log"; cat "$results/$name.guest"; } > "$results/$name.lost"
  done
  echo $status > "$results/$name.exit"
}

# guest_status NAME: the status of a guest that has ended; the output of run_guest goes to standard error.
guest_status() {
  cat "$results/$1.guest" >&2
  cat "$results/$1.exit" 2>/dev/null || echo 125
}

# Guests that were run a second time, with the last words of the first.
show_lost_guests() {
  local words
  for words in "$results"/*.lost; do
    [ ! -s "$words" ] || { echo "$words: the guest was lost, and run again:"; tail -n 30 "$words"; }
  done
}
