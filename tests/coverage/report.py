#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""report.py [--minimum LINES BRANCHES] [--missing FILE] EXPORT FOLDER...: lines and branches covered, in percent.

EXPORT is what `llvm-cov export` prints of all the instrumented programs at once. A line or a branch counts once, however
many programs and instances of a template it is in, and is covered when it was executed in any. A branch is one outcome of
a condition, `if constexpr` aside. Prints PASS or FAIL for each minimum, and ends
with 1 if one is not reached. With --missing FILE the places that are not covered are written there.
"""
import argparse
import collections
import json
import os


def lines_of(segments):
    """Line -> count, as llvm-cov itself counts them: the largest count of the regions that begin on the line and of the
    one that reaches into it. Where that is the gap after a statement with a `return` in it (TRY), which has the count 0
    whatever follows, it is the count of what goes on after the gap."""
    counts = {}
    starts = collections.defaultdict(list)
    for line, _, count, has_count, is_entry, is_gap in segments:
        starts[line].append((count, has_count, is_entry, is_gap))
    wrapped = None  # the segment that reaches into the line
    for line in range(min(starts, default=1), max(starts, default=0) + 1):
        here = starts.get(line, [])
        begun = [count for count, has_count, is_entry, is_gap in here if has_count and is_entry and not is_gap]
        reaching = [wrapped[0]] if wrapped is not None and wrapped[1] else []
        if reaching and wrapped[3] and not begun:
            begun = [count for count, has_count, _, is_gap in here if has_count and not is_gap]
        skipped = here and here[0][2] and not here[0][1]
        if not skipped and (begun or reaching):
            counts[line] = max(begun + reaching)
        if here:
            wrapped = here[-1]
    return counts


class File:
    def __init__(self, name):
        with open(name) as file:
            self.sources = file.read().split("\n")
        self.lines = collections.Counter()
        self.branches = collections.Counter()

    def add(self, data):
        for line, count in lines_of(data["segments"]).items():
            self.lines[line] += count
        self.add_branches(data["branches"], ())
        for expansion in data["expansions"]:  # a macro's branches are those of each place that uses it
            self.add_branches(expansion["branches"], tuple(expansion["source_region"][:4]))

    def add_branches(self, branches, use):
        for branch in branches:
            place = use + tuple(branch[:4])
            if "if constexpr" in self.sources[place[0] - 1]:
                continue
            self.branches[place + (True,)] += branch[4]
            self.branches[place + (False,)] += branch[5]


def percent(counts):
    covered = sum(1 for count in counts if count > 0)
    return covered, len(counts), 100.0 * covered / len(counts) if counts else 100.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("export")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--minimum", nargs=2, type=float, default=[0, 0], metavar=("LINES", "BRANCHES"))
    parser.add_argument("--missing")
    options = parser.parse_args()
    with open(options.export) as file:
        export = json.load(file)
    files = {}
    for data in export["data"][0]["files"]:
        name = os.path.relpath(data["filename"])
        if os.path.dirname(name) in options.folders:
            files.setdefault(name, File(name)).add(data)
    print(f"{'':26} {'lines':>22} {'branches':>22}")
    total_lines, total_branches = [], []
    for folder in options.folders:
        lines, branches = [], []
        for name, file in files.items():
            if os.path.dirname(name) == folder:
                lines += file.lines.values()
                branches += file.branches.values()
        print(row(folder, lines, branches))
        total_lines += lines
        total_branches += branches
    print(row("all", total_lines, total_branches))
    if options.missing:
        write_missing(options.missing, files)
    failed = 0
    for what, counts, minimum in (("lines", total_lines, options.minimum[0]), ("branches", total_branches, options.minimum[1])):
        covered, of, share = percent(counts)
        good = share >= minimum and of > 0
        failed |= not good
        print(f"{'PASS' if good else 'FAIL'} coverage of {what}: {share:.1f} %, at least {minimum:g} %")
    raise SystemExit(failed)


def row(name, lines, branches):
    cells = ["{1:.1f} % of {0}".format(*percent(counts)[1:]) for counts in (lines, branches)]
    return f"{name:26} {cells[0]:>22} {cells[1]:>22}"


def write_missing(path, files):
    with open(path, "w") as out:
        for name in sorted(files):
            file = files[name]
            lacking = sorted(line for line, count in file.lines.items() if count == 0)
            for line in lacking:
                out.write(f"{name}:{line}: line: {file.sources[line - 1].strip()}\n")
            for place, count in sorted(file.branches.items()):
                if count == 0 and place[0] not in lacking:
                    side = str(place[-1]).lower()
                    out.write(f"{name}:{place[0]}:{place[1]}: never {side}: {file.sources[place[0] - 1].strip()}\n")


main()
