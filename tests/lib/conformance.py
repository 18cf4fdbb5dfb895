#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md from the files in docs/conformance/, held against the tests. Part of `tests/run lint`.

    tests/lib/conformance.py            the page is what the files give, and each row is sound
    tests/lib/conformance.py --write    writes the page

The files are read in the order of their names. Their text goes into the page as it is, but for tables:

    columns: property | what minirun does | test

    = `root.path`                                  one property; the rows of a table follow its columns
    required; relative to the bundle               what minirun does with it: at most LONGEST characters
    config: /root/path /mounts/*/options/**        the properties of config.json that the row speaks of, if any:
                                                   * is any index or key, /** the property and all below it
    tests: Suite.Name Suite.Other                  at least one

A field goes on in lines that begin with two spaces, and an empty line ends the row.
tests/unit/commands/conformance_test.cc holds the rows against the tables of the program.
"""
import difflib
import re
import sys
from pathlib import Path

LONGEST = 330  # characters of one cell: what is longer speaks of more than one thing
MOST_TESTS = 8
PAGE = "docs/conformance.md"
NOTE = "<!-- Made from docs/conformance/ by tests/lib/conformance.py: edit the files there. -->"
TEST = re.compile(r"[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*")
MACRO = re.compile(r"TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")


class Row:
    def __init__(self, place: str, name: str):
        self.place = place
        self.name = name
        self.words: list[str] = []
        self.config: list[str] = []
        self.tests: list[str] = []

    def add(self, field: str, line: str):
        if field == "words":
            self.words.append(line.strip())
        else:
            getattr(self, field).extend(line.split())

    def cells(self) -> list[str]:
        return [self.name, " ".join(self.words), " ".join(f"`{test}`" for test in self.tests)]


def read(place: str, text: str) -> tuple[list[str], list[Row]]:
    """The lines of the page, and the rows of its tables."""
    page, rows = [], []
    row, field, in_table = None, "", False
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("columns: "):
            columns = [column.strip() for column in line.removeprefix("columns: ").split("|")]
            page += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
            in_table, row = True, None
        elif line.startswith("= "):
            if not in_table:
                raise SystemExit(f"{place}:{number}: a row outside of a table")
            row, field = Row(f"{place}:{number}", line[2:].strip()), "words"
            rows.append(row)
            page.append(row)
        elif row is not None and line:
            found = re.match(r"(config|tests): ", line)
            if found:
                field, line = found[1], line[found.end():]
            elif field != "words" and not line.startswith("  "):
                raise SystemExit(f"{place}:{number}: after {field} only its continuation, indented by two spaces")
            row.add(field, line)
        elif not line:
            row = None
            follows = next((later for later in lines[number:] if later), "")
            if not (in_table and follows.startswith("= ")) and not line_of_table_is_last(page):
                page.append("")
            in_table = in_table and (follows.startswith("= "))
        else:
            in_table = False
            page.append(line)
    return ["| " + " | ".join(part.cells()) + " |" if isinstance(part, Row) else part for part in page], rows


def line_of_table_is_last(page: list) -> bool:
    """Whether the head of a table was the last line: its rows follow without an empty one."""
    return bool(page) and isinstance(page[-1], str) and page[-1].startswith("|---")


def load(root: Path) -> tuple[str, list[Row]]:
    parts, rows = [], []
    for path in sorted((root / "docs/conformance").iterdir()):
        lines, found = read(str(path.relative_to(root)), path.read_text())
        parts.append("\n".join(lines).strip("\n"))
        rows += found
    title, _, rest = "\n\n".join(parts).partition("\n")
    return f"{title}\n{NOTE}\n{rest}\n", rows


def known_tests(root: Path) -> set[str]:
    return {
        f"{suite}.{name}"
        for path in (root / "tests").rglob("*_test.cc")
        for suite, name in MACRO.findall(path.read_text())
    }


def problems(page: str, rows: list[Row], known: set[str]):
    names: dict[str, str] = {}
    for row in rows:
        words = " ".join(row.words)
        if not words:
            yield f"{row.place}: does not say what minirun does"
        if len(words) > LONGEST:
            yield f"{row.place}: {len(words)} characters, more than {LONGEST}: split the row"
        if not row.tests:
            yield f"{row.place}: names no test"
        if len(row.tests) > MOST_TESTS:
            yield f"{row.place}: {len(row.tests)} tests, more than {MOST_TESTS}: split the row"
        if "|" in row.name + words:
            yield f"{row.place}: a bar would end the cell"
        for test in row.tests:
            if not TEST.fullmatch(test):
                yield f"{row.place}: no name of a test: {test}"
        for pointer in row.config:
            if not re.fullmatch(r"(/[^/]+)+", pointer):
                yield f"{row.place}: no pointer into config.json: {pointer}"
    for number, line in enumerate(page.splitlines(), 1):
        for test in re.findall(rf"`({TEST.pattern})`", line):
            if test not in known:
                yield f"{PAGE}:{number}: no such test: {test}"
    for row in rows:
        if row.name in names:
            yield f"{row.place}: {row.name} has a row at {names[row.name]} already"
        names[row.name] = row.place


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    page, rows = load(root)
    if arguments == ["--write"]:
        (root / PAGE).write_text(page)
    elif arguments:
        print(__doc__)
        return 2
    found = list(problems(page, rows, known_tests(root)))
    committed = (root / PAGE).read_text()
    if committed != page:
        found += difflib.unified_diff(committed.splitlines(), page.splitlines(), PAGE, "docs/conformance/", lineterm="")
        found.append(f"{PAGE} is not what docs/conformance/ gives: tests/lib/conformance.py --write")
    print("\n".join(found) if found else f"conformance: {len(rows)} rows, each with a test")
    return 1 if found or not rows else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
