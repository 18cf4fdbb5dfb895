#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks includes against the rules. Part of `tests/run lint`.

    tests/lib/includes.py [--figures] [FOLDER]

Prints each finding as FILE:LINE: what, and ends with 1 if it finds one:

- a room of runtime/ includes only rooms before it; the order is the list in runtime/README.md;
- sys/, cgroups/, cgroups/systemd/, namespaces/, packaging/ and unpack/ keep to the order of docs/design.md;
- a library of the system is included by the files named below, and by no other;
- a project header is included only by a file that uses one of its names.

--figures prints what the structure measures: files and lines in each room, includes between rooms, upward includes.
"""
import re
import sys
from pathlib import Path

# Folders below runtime/, from bottom to top, with what each may include beside itself.
FOUNDATIONS = {
    "sys": [],
    "cgroups": ["sys"],
    "cgroups/systemd": ["sys", "cgroups"],
    "namespaces": ["sys"],
}

# Beside runtime/, with what each may include.
PROGRAMS = {
    "unpack": ["sys", "namespaces", "runtime/text", "runtime/oci", "runtime/commands"],
}

# One source file for each library: what it knows stays behind minirun's own types.
LIBRARIES = {
    "nlohmann/": ["runtime/text/json.cc"],
    "spdlog/": ["runtime/text/log.cc"],
    "seccomp.h": ["runtime/seccomp/filter.cc", "runtime/seccomp/call_names.cc"],
    "sys/capability.h": ["runtime/compile/capabilities.cc"],
    "CLI/": ["runtime/commands/options.cc"],
    "systemd/": ["cgroups/systemd/helper/bus.cc", "cgroups/systemd/helper/message.cc", "cgroups/systemd/helper/main.cc",
                 "cgroups/systemd/helper/bus.h", "cgroups/systemd/helper/message.h"],
    "archive": ["unpack/tar_reader.cc", "unpack/decompress.cc", "unpack/archive_input.h"],
    "nettle/": ["unpack/digest.cc"],
}

INCLUDE = re.compile(r'^#include (?:"([^"]+)"|<([^>]+)>)')
WORD = re.compile(r"[A-Za-z_]\w*")
DECLARED = re.compile(
    r"\b(?:struct|class|enum class|enum|union|using|concept|define)\s+(?:\[\[\w+\]\]\s*)?([A-Za-z_]\w*)"
    r"|\b([A-Za-z_]\w*)\s*\("
    r"|\b([A-Za-z_]\w*)\s*(?:\[\w*\])?\s*(?:=|\{)"
    r"|\b(k[A-Z]\w*)\b"
)
SOURCES = ("sys", "cgroups", "namespaces", "runtime", "packaging", "unpack")


def rooms_of(root: Path) -> list[str]:
    """The rooms of runtime/ from bottom to top."""
    found = re.findall(r"^\d+\. `([a-z]+)/`", (root / "runtime/README.md").read_text(), re.M)
    if not found:
        raise SystemExit("runtime/README.md: names no rooms")
    return found


def code_of(text: str) -> str:
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


class Tree:
    def __init__(self, root: Path):
        self.root = root
        self.files = {
            str(path.relative_to(root)): path.read_text()
            for folder in SOURCES
            for path in sorted((root / folder).rglob("*"))
            if path.suffix in (".h", ".cc")
        }
        self.rooms = rooms_of(root)

    def place(self, file: str) -> str:
        """The room or folder that a file stands in."""
        folder = str(Path(file).parent)
        return "cgroups/systemd" if folder.startswith("cgroups/systemd") else folder

    def may_include(self, place: str) -> list[str]:
        below = list(FOUNDATIONS)
        if place in FOUNDATIONS:
            return FOUNDATIONS[place] + [place]
        if place in PROGRAMS:
            return PROGRAMS[place] + [place]
        if place == "namespaces/init":
            return ["namespaces", "sys", place]
        if place.startswith("runtime/"):
            room = place.removeprefix("runtime/")
            if room not in self.rooms:
                return []
            return below + [f"runtime/{r}" for r in self.rooms[: self.rooms.index(room) + 1]]
        return below + [f"runtime/{r}" for r in self.rooms] + [*PROGRAMS, place]  # main.cc, packaging/, sys/start

    def includes(self, file: str):
        for number, line in enumerate(self.files[file].splitlines(), 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found[1], found[2]


def upward(tree: Tree):
    for file in tree.files:
        place = tree.place(file)
        allowed = tree.may_include(place)
        if not allowed:
            yield f"{file}:1: stands in {place}, which runtime/README.md does not name"
            continue
        for number, own, _ in tree.includes(file):
            if own and tree.place(own) not in allowed:
                yield f"{file}:{number}: {place} must not include {own}"


def libraries(tree: Tree):
    for file in tree.files:
        for number, _, system in tree.includes(file):
            for library, owners in LIBRARIES.items():
                if system and system.startswith(library) and file not in owners:
                    yield f"{file}:{number}: <{system}> is for {', '.join(owners)} only"


def declared_by(tree: Tree, header: str, seen: dict[str, set[str]]) -> set[str]:
    if header not in seen:
        names = {name for match in DECLARED.finditer(code_of(tree.files[header])) for name in match.groups() if name}
        seen[header] = names - {"minirun", "oci", "if", "for", "while", "return", "switch", "sizeof", "namespace"}
    return seen[header]


def unused(tree: Tree):
    seen: dict[str, set[str]] = {}
    for file, text in tree.files.items():
        words = set(WORD.findall(code_of(text)))
        for number, own, _ in tree.includes(file):
            if not own or own not in tree.files:
                continue
            if Path(own).with_suffix("") == Path(file).with_suffix(""):
                continue  # its own header
            if not declared_by(tree, own, seen) & words:
                yield f"{file}:{number}: uses nothing of {own}"


def figures(tree: Tree) -> str:
    lines = []
    arrows = set()
    for file in tree.files:
        for _, own, _ in tree.includes(file):
            if own and own in tree.files and tree.place(own) != tree.place(file):
                arrows.add((tree.place(file), tree.place(own)))
    for room in tree.rooms:
        inside = [f for f in tree.files if tree.place(f) == f"runtime/{room}"]
        lines.append(f"{room}: {len(inside)} files, {sum(tree.files[f].count(chr(10)) for f in inside)} lines")
    direct = [f for f in tree.files if tree.place(f) == "runtime"]
    lines.append(f"files directly in runtime/: {len(direct)}")
    lines.append(f"arrows between places: {len(arrows)}")
    lines.append(f"upward includes: {len(list(upward(tree)))}")
    lines.append(f"unused includes: {len(list(unused(tree)))}")
    below_commands = [f for f in tree.files if f.startswith("runtime/") and tree.place(f) != "runtime/commands"]
    knows = [f for f in below_commands if any(o and "runtime/commands/" in o for _, o, _ in tree.includes(f))]
    lines.append(f"files below the commands that include the command line: {len([f for f in knows if f != 'runtime/main.cc'])}")
    return "\n".join(lines)


def findings(root: Path) -> list[str]:
    tree = Tree(root)
    return [*upward(tree), *libraries(tree), *unused(tree)]


def main() -> int:
    arguments = sys.argv[1:]
    only_figures = "--figures" in arguments
    folders = [a for a in arguments if a != "--figures"]
    root = Path(folders[0]) if folders else Path(__file__).resolve().parents[2]
    if only_figures:
        print(figures(Tree(root)))
        return 0
    found = findings(root)
    print("\n".join(found) if found else "includes: in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
