# Adds .goals to bench.json: what was wanted, what was measured.
# SPDX-License-Identifier: Apache-2.0
def ratio($a; $b): if $a and $b then ($a / $b * 1000 | round / 1000) else null end;
def median($case; $program): .host[$case][$program].median_us?;
def goal($name; $limit; $value): {name: $name, limit: $limit, measured: $value, met: (if $value == null then null else $value <= $limit end)};
.goals = [
  goal("run of the default bundle / floor"; 1.35; ratio(median("default"; "minirun"); median("default"; "floor"))),
  goal("run of the default bundle / crun"; 0.333; ratio(median("default"; "minirun"); median("default"; "crun"))),
  goal("run of the default bundle / runc"; 0.1; ratio(median("default"; "minirun"); median("default"; "runc"))),
  goal("with a seccomp profile of 400 calls / floor"; 1.5; ratio(median("seccomp"; "minirun"); median("seccomp"; "floor"))),
  goal("with 3,000 mounts on the host / floor"; 1.5; ratio(median("mounts"; "minirun"); median("mounts"; "floor"))),
  (("create", "start", "exec", "exec_seccomp", "state", "kill", "delete", "cycle") as $key |
    goal("\($key) / crun"; 0.5; ratio(.operations[$key].minirun.median_us?; .operations[$key].crun.median_us?))),
  goal("guest: with 3,000 mounts / with a few"; 1.2; ratio(.guest.many_mounts.minirun.median_us?; .guest.few_mounts.minirun.median_us?)),
  goal("guest: smallest memory.max / crun"; 0.5; ratio(.guest.memory_floor_kib.minirun?; .guest.memory_floor_kib.crun?))
]
