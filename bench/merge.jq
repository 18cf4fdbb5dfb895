# hyperfine's or loop's files of one case (all rounds, slurped) -> {CASE: {PROGRAM: {runs, median_us, min_us, p90_us}}}
# SPDX-License-Identifier: Apache-2.0
def at($part): sort | .[((length - 1) * $part) | floor];
def middle: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
def us: . * 1e7 | round / 10;
[.[].results[]] | group_by(.command) |
  map({key: .[0].command, value: (map(.times) | add | {runs: length, median_us: middle | us, min_us: min | us, p90_us: at(0.9) | us})}) |
  {($case): from_entries}
