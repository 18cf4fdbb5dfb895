#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The SPDX lines of source files.

    tests/lib/spdx.py          prints each file that has none, and ends with 1 if it finds one
    tests/lib/spdx.py --fix    adds them: on the first line, in a script below its first comment

Not in files that others read whole: data, corpora, lists, bundles' config.json, documents.
"""
import subprocess
import sys
from pathlib import Path

LINE = "SPDX-License-Identifier: Apache-2.0"
SLASHES = {".cc", ".h", ".c", ".S", ".go", ".js"}
HASHES = {".sh", ".py", ".cmake", ".yml", ".awk", ".jq"}
DATA = ("tests/fuzz/corpus/", "tests/unit/data/", "tests/golden/", "tests/vm/policies/")


def marker(path: str, text: str) -> str | None:
    """The comment that the line stands in; None for a file that needs none."""
    if path.startswith(DATA):
        return None
    suffix = Path(path).suffix
    if suffix in SLASHES:
        return "//"
    if suffix in HASHES or Path(path).name == "CMakeLists.txt" or text.startswith("#!"):
        return "#"
    return None


def with_line(text: str, comment: str) -> str:
    lines = text.splitlines(keepends=True)
    at = 0
    if comment == "#":  # some scripts print their first comment, by the numbers of its lines
        while at < len(lines) and lines[at].startswith("#"):
            at += 1
    return "".join(lines[:at]) + f"{comment} {LINE}\n" + "".join(lines[at:])


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], check=True, capture_output=True, text=True)
    fix = sys.argv[1:] == ["--fix"]
    if sys.argv[1:] and not fix:
        print(__doc__, file=sys.stderr)
        return 2
    missing = 0
    for path in listed.stdout.split("\0"):
        file = Path(path)
        if not path or not file.is_file() or file.is_symlink():
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        comment = marker(path, text)
        if comment is None or any(line == f"{comment} {LINE}" for line in text.splitlines()):
            continue
        missing += 1
        if fix:
            file.write_text(with_line(text, comment))
        else:
            print(f"{path}: no {LINE}")
    return 1 if missing and not fix else 0


if __name__ == "__main__":
    sys.exit(main())
