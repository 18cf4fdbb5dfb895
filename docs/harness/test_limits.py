#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of programs in containers, in Python: uses --report and --status-fd, and nothing outside the standard library.

    BUNDLE=bundle/ MINIRUN=minirun docs/harness/test_limits.py

BUNDLE: a bundle whose command ends with status 0 within a few seconds.
"""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

MINIRUN = os.environ.get("MINIRUN", "minirun")
BUNDLE = Path(os.environ["BUNDLE"]).resolve()


class Ended:
    """How a run ended: its report, its events, and what it printed."""

    def __init__(self, report, events, out):
        self.report, self.events, self.out = report, events, out


def run(change=lambda config: None, options=()):
    """Runs the bundle with a changed config.json."""
    with tempfile.TemporaryDirectory() as scratch:
        config = json.loads((BUNDLE / "config.json").read_text())
        config["root"]["path"] = str(BUNDLE / config["root"]["path"])
        config["process"]["terminal"] = False
        change(config)
        Path(scratch, "config.json").write_text(json.dumps(config))
        report = Path(scratch, "report.json")
        reader, writer = os.pipe()
        command = [MINIRUN, "run", "--report", report, "--status-fd", str(writer), *options, "--bundle", scratch]
        process = subprocess.Popen(command, pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        os.close(writer)
        out, _ = process.communicate(timeout=60)
        with os.fdopen(reader) as events:
            return Ended(json.loads(report.read_text()), [json.loads(line) for line in events], out)


class Limits(unittest.TestCase):
    def test_the_program_succeeds(self):
        ended = run()
        self.assertEqual(ended.report["cause"], "exited")
        self.assertEqual(ended.report["exit_status"], 0)
        self.assertEqual([event["event"] for event in ended.events], ["created", "running", "exited"])

    def test_the_last_event_has_the_report(self):
        ended = run()
        self.assertEqual(ended.events[-1]["report"], ended.report)

    def test_a_missing_program_is_no_failed_test(self):
        def change(config):
            config["process"]["args"] = ["/not/there"]

        ended = run(change)
        self.assertEqual(ended.report["cause"], "exec-failed")
        self.assertEqual(ended.report["error"]["errno"], "ENOENT")
        self.assertEqual(ended.events[-1]["event"], "error")

    def test_it_needs_less_than_two_seconds_of_cpu_time(self):
        ended = run(options=["--cpu-time", "2s", "--timeout", "30s"])
        self.assertEqual(ended.report["cause"], "exited")
        self.assertLess(ended.report["cpu"]["usage_us"], 2_000_000)


if __name__ == "__main__":
    unittest.main()
