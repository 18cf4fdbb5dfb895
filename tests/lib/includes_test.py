#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/lib/includes.py finds what it is for: each rule is broken once in a small tree of its own."""
import tempfile
import unittest
from pathlib import Path

import includes

README = "# rooms\n\n1. `low/` first.\n2. `high/` second.\n"
GOOD = {
    "runtime/README.md": README,
    "runtime/low/a.h": "struct Low {};\nint low();\n",
    "runtime/low/a.cc": '#include "runtime/low/a.h"\nint low() { return 1; }\n',
    "runtime/high/b.h": "int high();\n",
    "runtime/high/b.cc": '#include "runtime/high/b.h"\n#include "runtime/low/a.h"\nint high() { return low(); }\n',
    "runtime/main.cc": '#include "runtime/high/b.h"\nint main() { return high(); }\n',
    "sys/s.h": "int s();\n",
    "cgroups/c.cc": '#include "sys/s.h"\nint c() { return s(); }\n',
}


class Includes(unittest.TestCase):
    def findings(self, **changed: str) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in {**GOOD, **{k.replace("__", "/").replace("_cc", ".cc").replace("_h", ".h"): v
                                          for k, v in changed.items()}}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return includes.findings(root)

    def test_a_tree_in_order_has_no_findings(self):
        self.assertEqual(self.findings(), [])

    def test_an_include_that_points_up_is_found(self):
        found = self.findings(runtime__low__a_cc='#include "runtime/high/b.h"\nint low() { return high(); }\n')
        self.assertEqual(found, ["runtime/low/a.cc:1: runtime/low must not include runtime/high/b.h"])

    def test_a_foundation_knows_nothing_of_runtime(self):
        found = self.findings(cgroups__c_cc='#include "runtime/low/a.h"\nint c() { return low(); }\n')
        self.assertEqual(found, ["cgroups/c.cc:1: cgroups must not include runtime/low/a.h"])

    def test_a_room_that_the_map_does_not_name_is_found(self):
        found = self.findings(runtime__attic__x_cc="int x();\n")
        self.assertEqual(found, ["runtime/attic/x.cc:1: stands in runtime/attic, which runtime/README.md does not name"])

    def test_a_library_has_its_file(self):
        found = self.findings(runtime__low__a_cc="#include <nlohmann/json.hpp>\nint low() { return 1; }\n")
        self.assertEqual(found, ["runtime/low/a.cc:1: <nlohmann/json.hpp> is for runtime/text/json.cc only"])

    def test_a_command_knows_the_parser_by_options_alone(self):
        found = self.findings(runtime__high__b_h="#include <CLI/CLI.hpp>\nint high();\n",
                              runtime__low__a_cc="#include <CLI/App.hpp>\nint low() { return 1; }\n")
        self.assertEqual([line.split(": ", 1)[1] for line in found],
                         ["<CLI/CLI.hpp> is for runtime/commands/options.cc only",
                          "<CLI/App.hpp> is for runtime/commands/options.cc only"])

    def test_minirun_unpack_knows_no_launch(self):
        found = self.findings(unpack__x_cc='#include "runtime/low/a.h"\nint x() { return low(); }\n')
        self.assertEqual(found, ["unpack/x.cc:1: unpack must not include runtime/low/a.h"])

    def test_an_unused_include_is_found(self):
        found = self.findings(runtime__main_cc='#include "runtime/high/b.h"\nint main() { return 0; }\n')
        self.assertEqual(found, ["runtime/main.cc:1: uses nothing of runtime/high/b.h"])

    def test_a_name_in_a_comment_is_no_use(self):
        found = self.findings(runtime__main_cc='#include "runtime/high/b.h"\n// high\nint main() { return 0; }\n')
        self.assertEqual(len(found), 1)


if __name__ == "__main__":
    unittest.main()
