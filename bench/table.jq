# bench.json -> the table that bench/run prints.
# SPDX-License-Identifier: Apache-2.0
def pad($n): tostring | if length < $n then . + " " * ($n - length) else . end;
def lpad($n): tostring | if length < $n then " " * ($n - length) + . else . end;
def fixed($digits): pow(10; $digits) as $p | (. * $p | round) as $v | ($v / $p | floor | tostring) + "." +
  ($v % $p | tostring | if length < $digits then "0" * ($digits - length) + . else . end);
def ms: if . == null then "-" else . / 1000 | fixed(2) end;
def times($a; $b): if $a == null or $b == null then "-" else $a / $b | fixed(2) end;
def row($title; $values): ($title | pad(40)) + ($values | map(lpad(12)) | add);
def programs: ["floor", "minirun", "crun-static", "crun", "runc", "bwrap"];
def others: programs - ["minirun"];
def launch_row($title; $cell):
  row($title; [programs[] | $cell[.].median_us? | ms] + [others[] | times($cell.minirun.median_us?; $cell[.].median_us?)]);
def header($title): row($title; programs + [others[] | "/" + sub("crun-static"; "static")]);
def operation_names: [
  {key: "create", title: "create"}, {key: "start", title: "start"}, {key: "exec", title: "exec of /bin/true"},
  {key: "exec_seccomp", title: "exec with a seccomp profile"}, {key: "state", title: "state"},
  {key: "kill", title: "kill with KILL"}, {key: "delete", title: "delete"},
  {key: "cycle", title: "create, start, kill, delete"}];
(if .host then
  "\(.machine.processors) x \(.machine.processor), kernel \(.machine.kernel); crun \(.machine.crun) and \(.machine["crun-static"]) (static), runc \(.machine.runc), bubblewrap \(.machine.bwrap); \(.host.default.minirun.runs // 0) runs each",
  header("median, ms"),
  launch_row("run of the default bundle"; .host.default),
  launch_row("with a seccomp profile of 400 calls"; .host.seccomp),
  launch_row("with 3,000 mounts on the host"; .host.mounts),
  ""
else empty end),
(if .operations then
  "minirun \(.machine.minirun) beside crun \(.machine["crun-static"]) (static) and \(.machine.crun), each operation alone: \(.operations.create.minirun.runs) runs each",
  row("median, ms"; ["minirun", "static", "crun", "/static", "/crun", "of mins"]),
  (.operations as $o | operation_names[] | .title as $title | $o[.key].minirun as $own | $o[.key].crun as $crun |
    $o[.key]["crun-static"] as $static |
    row($title; [($own.median_us | ms), ($static.median_us | ms), ($crun.median_us | ms),
      times($own.median_us; $static.median_us), times($own.median_us; $crun.median_us),
      times($own.min_us; $static.min_us)])),
  ""
else empty end),
(if .throughput then
  row("containers a second"; ["floor", "minirun", "static", "bwrap", "/floor", "/static", "/bwrap"]),
  (.throughput | to_entries[] | .value as $r |
    row("\(.key) at work at once"; [($r.floor, $r.minirun, $r["crun-static"], $r.bwrap | round),
      times($r.minirun; $r.floor), times($r.minirun; $r["crun-static"]), times($r.minirun; $r.bwrap)])),
  ""
else empty end),
(if .guest then
  "guest: kernel \(.guest.kernel)",
  header("median, ms"),
  launch_row("run without controllers"; .guest.no_controllers),
  launch_row("with all controllers enabled"; .guest.all_controllers),
  launch_row("with a few mounts on the host"; .guest.few_mounts),
  launch_row("with 3,000 mounts"; .guest.many_mounts),
  (.guest.memory_floor_kib as $m | row("smallest memory.max that works, KiB";
    [programs[] | $m[.] // "-"] + [others[] | times($m.minirun; $m[.])]),
    "minirun run --no-init: \($m["minirun-no-init"] // "-") KiB; floor with a PID 1 that stays: \($m["floor-init"] // "-") KiB"),
  ""
else empty end),
(.goals[] | select(.met != null) | "\(if .met then "met   " else "missed" end)  \(.name | pad(46)) \(.measured | tostring) (\(if .at_most then "at most \(.at_most)" else "at least \(.at_least)" end))"),
(.disturbed[] | "no verdict, the machine was disturbed: \(.); measure again when it is quiet")
