# session.py COMMAND...: runs an interactive shell by COMMAND in a terminal, asks for its size, changes the size, asks again,
# interrupts a sleep with ctrl-C, and ends it with status 5. Waits for each as long as a real machine may take, times
# $SLOWNESS.
# SPDX-License-Identifier: Apache-2.0
import fcntl
import os
import re
import select
import struct
import sys
import termios
import time

SLOWNESS = int(os.environ.get("SLOWNESS", "1"))

pid, master = os.forkpty()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = ""


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def expect(pattern, seconds=30):
    global seen
    end = time.monotonic() + seconds * SLOWNESS
    while not re.search(pattern, seen):
        if time.monotonic() > end:
            sys.exit(f"no {pattern!r} in {seen!r}")
        if select.select([master], [], [], 0.5)[0]:
            try:
                seen += os.read(master, 4096).decode(errors="replace")
            except OSError:
                sys.exit(f"the terminal ended before {pattern!r}: {seen!r}")
    seen = seen[re.search(pattern, seen).end():]


def say(text):
    os.write(master, text.encode())


def be_ready():
    """What is typed before the shell has its terminal may be lost."""
    for _ in range(20):
        say("echo re''ady\n")
        try:
            expect("ready\r", 3)
            return
        except SystemExit:
            pass
    sys.exit(f"no shell: {seen!r}")


def ask_size(rows, columns):
    """Asked until it is so: the new size travels through several programs. An engine that is only about to watch its
    terminal misses a change, as it would miss the first of many while a window is resized."""
    for attempt in range(20):
        if attempt:
            resize(rows + 1, columns)
            resize(rows, columns)
        say("stty size; echo as''ked\n")
        try:
            expect(rf"\n{rows} {columns}\r", 2)
            return
        except SystemExit:
            pass
    sys.exit(f"the size never was {rows} {columns}: {seen!r}")


resize(33, 99)
be_ready()
ask_size(33, 99)
resize(44, 111)
ask_size(44, 111)
say("sleep 1000\n")
time.sleep(1)
say("\x03")
say("echo back: $?\n")
expect("back: 130")
say("exit 5\n")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(0 if status == 5 else f"status {status}")
