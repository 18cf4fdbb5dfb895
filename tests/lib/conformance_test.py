# SPDX-License-Identifier: Apache-2.0
"""That conformance.py finds what it is for, and reads what it should."""
import unittest

import conformance

TABLE = """## Part

columns: property | what minirun does | test

= `a`
does
this
config: /a
  /b/*
tests: Suite.One
  Suite.Two

= `b`
is refused
tests: Suite.One

After the table.
"""


def found(text: str, known=("Suite.One", "Suite.Two")) -> str:
    lines, rows = conformance.read("file", text)
    return "\n".join(conformance.problems("\n".join(lines), rows, set(known)))


class Page(unittest.TestCase):
    def test_has_a_line_for_each_row_and_its_text_as_it_is(self):
        lines, rows = conformance.read("file", TABLE)
        self.assertEqual(lines, [
            "## Part", "",
            "| property | what minirun does | test |", "|---|---|---|",
            "| `a` | does this | `Suite.One` `Suite.Two` |", "| `b` | is refused | `Suite.One` |", "",
            "After the table."])
        self.assertEqual(rows[0].config, ["/a", "/b/*"])
        self.assertEqual(found(TABLE), "")

    def test_has_no_row_outside_of_a_table(self):
        for text in ("= `a`\ndoes\ntests: Suite.One\n", TABLE + "\n= `c`\ndoes\ntests: Suite.One\n"):
            with self.assertRaises(SystemExit):
                conformance.read("file", text)

    def test_has_no_words_after_the_tests(self):
        with self.assertRaises(SystemExit):
            conformance.read("file", TABLE.replace("  Suite.Two\n", "Suite.Two\n"))


class Rows(unittest.TestCase):
    def test_name_tests_that_exist(self):
        self.assertIn("no such test: Suite.Two", found(TABLE, known=("Suite.One",)))
        self.assertIn("no such test: Suite.Gone", found(TABLE + "(`Suite.Gone`)\n"))
        self.assertIn("names no test", found(TABLE.replace("is refused\ntests: Suite.One\n", "is refused\n")))
        self.assertIn("no name of a test: suite", found(TABLE.replace("refused\ntests: Suite.One", "refused\ntests: suite")))

    def test_speak_of_one_thing_each(self):
        self.assertIn("split the row", found(TABLE.replace("this", "this " * 100)))
        self.assertIn("split the row", found(TABLE.replace("  Suite.Two", "  Suite.Two" * 8)))
        self.assertIn("already", found(TABLE.replace("= `b`", "= `a`")))
        self.assertIn("does not say", found(TABLE.replace("is refused\n", "")))
        self.assertIn("a bar", found(TABLE.replace("refused", "a | b")))
        self.assertIn("no pointer", found(TABLE.replace("config: /a", "config: a")))


if __name__ == "__main__":
    unittest.main()
