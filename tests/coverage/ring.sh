# shellcheck shell=bash
# Sourced by tests/run: the ring coverage. A build with clang's counters (tests/coverage/counters.cc) runs the unit tests,
# the integration tests, the attacks and the fault sweeps; then lines and branches that ran are counted.
#
# What is not counted, and why:
#   sys/start               C, runs before the counters exist
#   cgroups/systemd/helper  needs a running systemd: tests/run engines has one, in a guest
#   packaging               runs when the package is built
#   unpack                  a program of its own, with tests of its own (tests/unpack)
# The child side of clone (namespaces/*_steps.h, executor.h) counts: in minirun-init, where its process can still open
# the file of counters, and in the unit tests, which run the same code on a kernel that fails. An `exec`'s init starts
# in the container's tree, which has no such file: only the unit tests count what it does.
# SPDX-License-Identifier: Apache-2.0

kCoverageFolders="sys cgroups cgroups/systemd namespaces namespaces/init runtime"
kCoverageMinimum="95 85" # percent of lines, of branches
kCoveragePrograms="minirun minirun-init minirun-systemd unit_tests"
# They look at the files that minirun opens, and at how little memory it starts with.
kNotForCoverage='OpenedFiles.*:OddCaller.TinyLimitsEndInAContainerOrAnError'

build_coverage() {
  build coverage minirun minirun-systemd unit_tests
}

# Empty ones: all that is in the way of a program that may not make them.
make_counters() {
  local program counters=build/coverage/counters
  rm -rf $counters && mkdir -p $counters || return
  for program in $kCoveragePrograms; do
    truncate -s "$(tests/coverage/raw_profile.py --size "build/coverage/$program")" "$counters/$program" &&
      chmod 666 "$counters/$program" || return
  done
}

report_coverage() {
  local program raw=() objects=()
  for program in $kCoveragePrograms; do
    tests/coverage/raw_profile.py "build/coverage/$program" "build/coverage/counters/$program" "build/coverage/$program.profraw" || return
    raw+=("build/coverage/$program.profraw") objects+=(-object "build/coverage/$program")
  done
  llvm-profdata merge -o build/coverage/all.profdata "${raw[@]}" &&
    llvm-cov export -instr-profile=build/coverage/all.profdata "${objects[@]}" >build/coverage/export.json || return
  # shellcheck disable=SC2086
  tests/coverage/report.py --minimum $kCoverageMinimum --missing $results/coverage.missing build/coverage/export.json $kCoverageFolders
}

ring_coverage() {
  build_release || return
  build_coverage || return
  make_counters || { case_failed "coverage: no counters"; return; }
  check fetch-criu 300 tests/vm/fetch_criu trixie || return
  local -x MINIRUN_TESTS_CRIU=$PWD/build/vm/criu-trixie/bin
  local -x MINIRUN=$PWD/build/coverage/minirun
  gtest coverage-unit 600 build/integration_tests --in-world build/coverage/unit_tests
  gtest coverage-integration 1200 build/integration_tests --gtest_filter="-$kNotForCoverage"
  gtest coverage-attacks 1200 build/attack_tests --gtest_filter="-$kNotForCoverage"
  check_bundles coverage-faults 1800 build/fault_sweep
  check_bundles coverage 600 bash -c '. tests/lib/count.sh; . tests/coverage/ring.sh; report_coverage'
  cat $results/coverage.log
  sed -n '/^# What is not counted/,/^$/{s/^# \?//;p}' tests/coverage/ring.sh
}
