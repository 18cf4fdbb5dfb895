// SPDX-License-Identifier: Apache-2.0
// payload: one static program that acts as the workload inside the containers of the integration tests.
//
// Every command prints plain lines on stdout and ends with 0 when it could do what it is for, or with 99 and a line on
// stderr when it could not: a status that no test expects.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace payload {

using Args = std::vector<std::string>;

constexpr int kBroken = 99;

// Prints "payload: WHAT: errno text" and ends the process with kBroken.
[[noreturn]] void broken(const std::string& what);

// Whole file, or an empty string when it cannot be read.
std::string slurp(const std::string& path);

// Writes all of the text to the descriptor; a reader that has gone is no error.
void say(const std::string& text, int fd = 1);

// report.cc: one JSON object with everything that the process sees of its surroundings.
int report(const Args& args);

// surroundings.cc: report, and after it the files, devices and rules that a container can be missing without a word;
// "--end--" is the last line. [pause]: then waits for SIGTERM. Ends with kSurroundingsEnd.
int surroundings(const Args& args);
constexpr int kSurroundingsEnd = 7;

// load.cc
int hog(const Args& args);        // BYTES: allocates and touches them, prints "touched", waits for a signal
int burn(const Args& args);       // SECONDS: keeps one CPU busy, prints "CPU_US WALL_US"
int orphans(const Args& args);    // N: leaves N dead grandchildren to init, prints "zombies COUNT" when all is quiet
int fork_bomb(const Args& args);  // MAX: forks until refused or MAX, prints "forked N errno E"
int bomb(const Args& args);       // prints "ready"; it and all its descendants fork for ever, each a session of its own
int leave_child(const Args& args);  // leaves a sleeping grandchild in a session of its own and ends

// signals.cc
int signals(const Args& args);  // LAST: prints "ready", then "got N" per signal; ends after the signal LAST
int die_by(const Args& args);   // SIGNAL: dies by it
int fault(const Args& args);    // segv|bus: touches memory that is not there
int shell(const Args& args);  // has one job, in the foreground: prints "job", "stopped by N", and "goes on" when a line
                              // is typed then; ends with its status
int queued(
    const Args& args);  // N: prints "ready", takes N queued signals, prints "queued M in order": values 0, 1, ...
int exit_on(const Args& args);  // SIGNAL CODE: prints "ready", exits with CODE when SIGNAL comes
int tty(const Args& args);      // prints "tty ROWS COLS", "ready", and again at each SIGWINCH; ends at SIGTERM or EOF

// For run_guest, on the host: prints the frequency of the time stamp counter in kHz, or 0 without one.
int time_stamp_frequency(const Args& args);

// files.cc
int open_files(
    const Args& args);  // MODE:PATH...: prints "PATH 0" or "PATH errno", MODE r, w, c (create) or x (execute)
int stat_files(const Args& args);   // PATH...: prints "PATH TYPE MODE UID GID MAJOR:MINOR SIZE LINK"
int make_node(const Args& args);    // PATH c|b MAJOR MINOR: prints "mknod errno"
int write_file(const Args& args);   // PATH TEXT: prints "write errno"
int print_files(const Args& args);  // PATH...: prints their content
int clocks(const Args& args);       // prints "MONOTONIC BOOTTIME" in seconds
int call(const Args& args);         // NUMBER [ARG...]: raw system call, prints "RESULT errno"

// refused.cc: makes calls that its seccomp filter refuses (mkdirat) or kills for (personality)
int refused(const Args& args);  // as NAME | programs N | flood PROCESSES | racing ROUNDS | thread | child | signals
                                // CALLS | own-listener | i386 NUMBER [ARG]

// notify.cc
int notify(const Args& args);  // TEXT|WORD...: sends to NOTIFY_SOCKET; prints "socket PATH" and what could not be sent
// attacks.cc: what a hostile workload does. Each prints what it got, in one line.
int puppet(const Args& args);  // PID NUMBER: has the process make the system call, by ptrace(2); "RESULT"
int grab(const Args& args);    // until SIGTERM: looks at every descriptor of every other process; "looks N outside M"
int swap_context(const Args& args);    // FILESYSTEM
int scribble_times(const Args& args);  // times or place: what of --timing it writes over, in all that it catches
int hold(const Args& args);
int trace(
    const Args& args);  // tracer.cc, until SIGTERM: traces all that it can; "attached N before N findings N [WHAT]..."
int scribble(const Args& args);    // OFFSET WORD, until SIGTERM: keeps it in the plan that PID 1 holds; "scribbled"
int overwrite(const Args& args);   // until SIGTERM: writes to every other process's program; "opened N written M"
int type_ahead(const Args& args);  // types into its terminal; "TIOCSTI errno"
// Mounts a procfs and a sysfs in new user, pid, network and mount namespaces; "procfs errno", "sysfs errno", and where
// it got the first "core_pattern errno" of opening that for writing.
int kernel_views(const Args& args);

// stubborn.cc: KIND..., of stopped, traced, vfork, nested, cwd: leaves such processes, makes /tmp/ready, prints "ready"
// and waits for SIGKILL.
int stubborn(const Args& args);

// ailing.cc: KIND [N...]: has an ailment that `doctor` finds, prints "ready", and waits for a signal that ends it.
int ailing(const Args& args);

// Under the names newuidmap and newgidmap. PID [ID ID SIZE]...: as those programs.
int write_id_map(bool uids, const Args& args);

}  // namespace payload
