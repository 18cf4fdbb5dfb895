# Adds .goals to bench.json: what was wanted, what was measured. A machine that was disturbed has no verdict: .disturbed
# says by what that showed.
# SPDX-License-Identifier: Apache-2.0
def ratio($a; $b): if $a and $b then ($a / $b * 1000 | round / 1000) else null end;
def median($case; $program): .host[$case][$program].median_us?;
def goal($name; $limit; $value): {name: $name, at_most: $limit, measured: $value, met: (if $value == null then null else $value <= $limit end)};
def least($name; $limit; $value): {name: $name, at_least: $limit, measured: $value, met: (if $value == null then null else $value >= $limit end)};
def spread($what; $times): $times | select(. != null and .p90_us > 2 * .median_us) | "\($what): the 90th percentile is \(ratio(.p90_us; .median_us)) times the median";
.disturbed = [spread("floor"; .host.default.floor?), spread("state"; .operations.state.minirun?)] |
.goals = if .disturbed != [] then [] else [
  goal("run of the default bundle / floor"; 1.1; ratio(median("default"; "minirun"); median("default"; "floor"))),
  goal("run of the default bundle / static crun"; 0.5; ratio(median("default"; "minirun"); median("default"; "crun-static"))),
  goal("with a seccomp profile of 400 calls / floor"; 1.3; ratio(median("seccomp"; "minirun"); median("seccomp"; "floor"))),
  goal("with a seccomp profile / static crun"; 0.5; ratio(median("seccomp"; "minirun"); median("seccomp"; "crun-static"))),
  goal("with 3,000 mounts on the host / floor"; 1.05; ratio(median("mounts"; "minirun"); median("mounts"; "floor"))),
  (("create", "start", "exec", "exec_seccomp", "state", "kill", "delete", "cycle") as $key |
    goal("\($key) / static crun"; 0.5; ratio(.operations[$key].minirun.median_us?; .operations[$key]["crun-static"].median_us?))),
  (("1", "2", "4", "16", "64") as $n | .throughput[$n]? |
    least("\($n) at work: containers a second / floor"; 0.9; ratio(.minirun; .floor)),
    least("\($n) at work: containers a second / static crun"; 1.8; ratio(.minirun; .["crun-static"]))),
  goal("guest: with 3,000 mounts / with a few"; 1.2; ratio(.guest.many_mounts.minirun.median_us?; .guest.few_mounts.minirun.median_us?)),
  (.guest.memory_floor_kib? | select(. != null) |
    goal("guest: smallest memory.max, KiB above crun's"; 48; .minirun - .crun),
    goal("guest: the same without the init"; 0; .["minirun-no-init"] - .crun))
] end
