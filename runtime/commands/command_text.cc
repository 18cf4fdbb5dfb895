// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/command_text.h"

#include <algorithm>
#include <iterator>

namespace minirun {
namespace {

constexpr ExitStatus kOrdinary[] = {
    {"0", "done"},
    {"1", "failed; one line on stderr says why"},
};

constexpr ExitStatus kOfTheWorkload[] = {
    {"N", "the workload's own status; 0 with --detach"},
    {"128+N", "signal N ended the workload, or the launch was given up for it"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"1", "minirun failed; one line on stderr says why"},
};

constexpr ExitStatus kOfExec[] = {
    {"N", "the command's own status; 0 with --detach"},
    {"128+N", "signal N ended the command"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"255", "minirun failed; one line on stderr says why"},
};

constexpr ExitStatus kOfALaunch[] = {
    {"0", "done"},
    {"128+N", "signal N ended the launch before the workload ran"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"1", "failed; one line on stderr says why"},
};

constexpr ExitStatus kOfStop[] = {
    {"0", "the container ended within the time"},
    {"137", "the container had to be killed"},
    {"1", "minirun failed; one line on stderr says why"},
};

constexpr ExitStatus kOfWait[] = {
    {"N", "the workload's own status, or 128+N when signal N ended it"},
    {"1", "the status is not known, or minirun failed; one line on stderr says why"},
};

constexpr ExitStatus kOfCheckpoint[] = {
    {"0", "done"},
    {"1", "failed, or criu is not installed (also for --help); one line on stderr says why"},
};

constexpr CommandText kProgram = {
    "",
    "COMMAND [OPTIONS] [ARGUMENTS]",
    "Runs containers from OCI bundles: a directory with a config.json and a root filesystem. People and test harnesses "
    "use run. Container engines such as podman, docker and containerd call create, start and the other commands.\n\n"
    "An error is one line on stderr that says what failed, where in config.json, and why.",
    {{{"minirun run bundle/", "run the bundle in the foreground"},
      {"minirun help exec", "print the options, examples and exit statuses of exec"}}},
    kOrdinary};

constexpr CommandText kTexts[] = {
    {"run",
     "[BUNDLE] [ID]",
     "Creates the container that BUNDLE/config.json describes, starts it, and stays in the foreground: signals go to "
     "the workload, the terminal is the workload's, and nothing is left when it ends. One argument is the bundle if it "
     "contains a slash or is a directory with a config.json; otherwise it is the ID. Without an ID minirun makes one "
     "of twelve random hexadecimal digits, and with --detach prints it once the workload runs.\n\n"
     "minirun's own init runs as PID 1. It reaps orphans and forwards each signal once. With --no-init the workload "
     "is PID 1, as systemd and s6 want it. A container that joins a pid namespace by path has no init of its own.\n\n"
     "When the workload is killed, one line on stderr names the cause: the memory limit, a signal, a seccomp filter.",
     {{{"minirun run bundle/", "run in the foreground; the exit status is the workload's"},
       {"minirun run -d --pid-file web.pid bundle/ web1", "run web1 in the background and write its pid to web.pid"}}},
     kOfTheWorkload},
    {"create",
     "ID",
     "Makes the container up to the moment before its workload: namespaces, mounts, cgroup. minirun start then runs "
     "the "
     "workload. Only the container's first process stays behind, and it waits. Engines pass --pid-file and "
     "--console-socket.",
     {{{"minirun create --bundle bundle/ web1", "make web1, to be started later"},
       {"minirun create -b bundle/ --console-socket /run/tty.sock web1",
        "send the terminal to the listener at /run/tty.sock"}}},
     kOfALaunch},
    {"start",
     "ID",
     "Runs the workload of a created container and returns once its program is executed. If the program cannot be "
     "executed, or a startContainer hook fails, start reports it and the container is stopped.",
     {{{"minirun start web1", "run the workload of web1"},
       {"minirun --log start.json --log-format json start web1", "the same, with errors as JSON in start.json too"}}},
     kOfALaunch},
    {"exec",
     "ID COMMAND [ARGUMENT...]",
     "Runs another process in a container: in its namespaces and its cgroup, under its restrictions. The settings "
     "are those of the process in config.json, or with --process FILE those of FILE, changed by the options. "
     "Everything after ID belongs to the command.",
     {{{"minirun exec -t web1 sh", "a shell with a terminal"},
       {"minirun exec --user 33:33 --env DEBUG=1 web1 /app/check --all", "as user 33, with one more variable"}}},
     kOfExec},
    {"state",
     "ID",
     "Prints the container's state as the runtime-spec defines it: ociVersion, id, status (creating, created, running, "
     "paused or stopped), pid, bundle, annotations.",
     {{{"minirun state web1", "print the state of web1"},
       {"minirun --root /tmp/state state web1", "the same, of a container whose state is below /tmp/state"}}},
     kOrdinary},
    {"list",
     "",
     "Lists the containers below --root, including those that a killed minirun left half made.",
     {{{"minirun list", "a table for people"}, {"minirun list --format json", "an array of states for programs"}}},
     kOrdinary},
    {"ps",
     "ID [PS-ARGUMENT...]",
     "Lists the processes in the container's cgroup through ps(1), which gets the arguments after the ID. With "
     "--format json minirun prints only their numbers.",
     {{{"minirun ps web1 -o pid,rss,args", "choose the columns of ps(1)"},
       {"minirun ps --format json web1", "an array of pids"}}},
     kOrdinary},
    {"kill",
     "ID [SIGNAL]",
     "Sends SIGNAL, TERM by default, to the container's first process, or with --all to every process of the "
     "container. minirun holds the process by a pidfd, so a reused pid is never signalled.",
     {{{"minirun kill web1 HUP", "send SIGHUP"}, {"minirun kill --all web1 KILL", "kill every process of web1"}}},
     kOrdinary},
    {"stop",
     "ID",
     "Sends the stop signal (--signal, or the image's, or TERM), waits, and kills what still runs after --timeout.",
     {{{"minirun stop web1", "SIGTERM, then SIGKILL after 10 seconds"},
       {"minirun stop --signal QUIT --timeout 1m30s web1", "SIGQUIT, then SIGKILL after a minute and a half"}}},
     kOfStop},
    {"wait",
     "ID",
     "Returns when the container ends, with its exit status. The status is known if the kernel reports it (Linux 6.15 "
     "and newer) or if run --keep, stop or an earlier wait recorded it.",
     {{{"minirun wait web1", "block until web1 ends"},
       {"minirun --root /tmp/state wait web1", "the same, of a container whose state is below /tmp/state"}}},
     kOfWait},
    {"delete",
     "ID",
     "Removes what an ended container left: its cgroup, its mounts, the network devices that it was given, its state. "
     "Then the poststop hooks run. --force kills what still runs first, and removes what a killed minirun left behind; "
     "an unknown ID is no error then.",
     {{{"minirun delete web1", "remove web1, which has ended"},
       {"minirun delete --force web1", "kill web1 and remove it"}}},
     kOrdinary},
    {"pause",
     "ID",
     "Freezes all processes of the container through its cgroup.",
     {{{"minirun pause web1", "freeze web1 until resume"},
       {"minirun --systemd-cgroup pause web1", "the same; engines pass their options to every command"}}},
     kOrdinary},
    {"resume",
     "ID",
     "Lets a paused container continue.",
     {{{"minirun resume web1", "continue web1"},
       {"minirun --systemd-cgroup resume web1", "the same; engines pass their options to every command"}}},
     kOrdinary},
    {"update",
     "ID",
     "Changes the limits of an existing container. Other limits stay as they are. If the kernel refuses one limit, "
     "that is an error and minirun restores those it had changed.\n\n"
     "SIZE is a number of bytes, or one with a suffix: 512k, 64M, 1.5g; -1 means no limit.",
     {{{"minirun update --memory 64M --pids-limit 100 web1", "at most 64 MiB and 100 processes"},
       {"minirun update --cpu-quota 50000 --cpu-period 100000 web1", "half a CPU"}}},
     kOrdinary},
    {"events",
     "ID",
     "Prints the counters of the container's cgroup as JSON every --interval, and a line whenever the memory limit "
     "kills a process. With --stats it prints the counters once.",
     {{{"minirun events --stats web1", "the counters now"},
       {"minirun events --interval 500ms web1", "twice a second until web1 ends"}}},
     kOrdinary},
    {"plan",
     "[BUNDLE]",
     "Prints the steps that run would take for the bundle, each with its place in config.json, without taking any. "
     "Errors of run name the same step numbers.",
     {{{"minirun plan bundle/", "the steps, numbered"},
       {"minirun plan --format json bundle/", "the same for programs"}}},
     kOrdinary},
    {"spec",
     "",
     "Writes a config.json with safe defaults, which runs a shell in the directory rootfs beside it. It never "
     "overwrites a file.",
     {{{"minirun spec --bundle bundle/", "write bundle/config.json"},
       {"minirun spec --rootless", "for a container that the calling user can run without root"}}},
     kOrdinary},
    {"features",
     "",
     "Prints what this minirun supports, in the JSON of the runtime-spec's features.md.",
     {{{"minirun features", "namespaces, mount options, capabilities, seccomp and more"},
       {"minirun --log features.log features", "the same, with errors in features.log too"}}},
     kOrdinary},
    {"checkpoint",
     "ID",
     "Saves the container's processes to --image-path through criu(8), then ends them unless --leave-running is "
     "given.",
     {{{"minirun checkpoint --image-path web1.images web1", "save web1 and end it"},
       {"minirun checkpoint --leave-running --image-path web1.images web1", "save web1, which continues"}}},
     kOfCheckpoint},
    {"restore",
     "ID",
     "Makes a container of --bundle from the processes that checkpoint saved, through criu(8).",
     {{{"minirun restore --bundle bundle/ --image-path web1.images web1", "continue in the foreground"},
       {"minirun restore -d -b bundle/ --image-path web1.images web1", "continue in the background"}}},
     kOfTheWorkload},
    {"help",
     "[COMMAND]",
     "Prints the help of COMMAND, or that of minirun itself.",
     {{{"minirun help", "the commands"}, {"minirun help run", "how to run a container"}}},
     kOrdinary},
};

}  // namespace

const CommandText* text_of(std::string_view command) {
  const auto* found = std::find_if(std::begin(kTexts), std::end(kTexts),
                                   [&](const CommandText& text) { return text.command == command; });
  return found == std::end(kTexts) ? nullptr : found;
}

const CommandText& program_text() {
  return kProgram;
}

}  // namespace minirun
