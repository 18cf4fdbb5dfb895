// See prose.h.
#include "packaging/prose.h"

namespace minirun::packaging {
namespace {

constexpr std::string_view kWorkload =
    "The workload's own; 128 plus the number of the signal that ended it; 127 when the program is not there, 126 when "
    "it "
    "cannot be executed. 1 for a failure of minirun itself.";

constexpr Prose kProse[] = {
    {"run", "[BUNDLE] [ID]",
     "Creates a container of the bundle's config.json, starts it, and stays in the foreground: signals go to the "
     "workload, the terminal is the workload's, and when it ends nothing is left. Without an ID twelve "
     "random hexadecimal digits are taken. An argument with a slash, or that is a directory with a config.json, is the "
     "bundle.\n\n"
     "The workload runs under minirun's own init as PID 1, which reaps orphans and hands each signal on once. "
     "--no-init "
     "runs the workload as PID 1, which systemd and s6 want.\n\n"
     "When the workload was killed, one line on stderr says of what: the memory limit, a signal, a seccomp filter.",
     kWorkload},
    {"create", "ID",
     "Makes the container: namespaces, mounts, cgroup, everything but the workload, which start(8) lets go. Engines "
     "call "
     "it with --pid-file and --console-socket. Nothing of minirun stays behind but the container's first process, "
     "which "
     "waits.",
     ""},
    {"start", "ID",
     "Lets the workload of a created container run, and returns when the program is executed. A program that cannot be "
     "executed, or a startContainer hook that fails, is reported by this command, and the container is stopped then.",
     ""},
    {"exec", "ID COMMAND [ARGUMENT...]",
     "Runs one more process in a container: in its namespaces, its cgroup, and with its restrictions. The process of "
     "the "
     "bundle's config.json is where its settings come from, unless --process names a file with another. What follows "
     "ID "
     "is the command's.",
     "The command's own; 128 plus the number of the signal that ended it; 127 when the program is not there, 126 when "
     "it "
     "cannot be executed; 255 for a failure of minirun itself."},
    {"state", "ID",
     "Prints the state of the container as the runtime-spec has it: ociVersion, id, status (creating, created, "
     "running, "
     "paused, stopped), pid, bundle, annotations.",
     ""},
    {"list", "", "Lists the containers below --root, those too that a killed minirun left half made.", ""},
    {"ps", "ID [PS-ARGUMENT...]",
     "Lists the processes in the container's cgroup through ps(1), which takes the arguments after the ID; with "
     "--format "
     "json their numbers only.",
     ""},
    {"kill", "ID [SIGNAL]",
     "Sends a signal, TERM when none is named, to the container's first process; with --all to every process of the "
     "container. The process is held by a pidfd: a number that was used again is never signalled.",
     ""},
    {"stop", "ID",
     "Sends the stop signal (--signal, or what the image asks for, or TERM), waits, and after --timeout kills what "
     "still "
     "runs.",
     "0 when the container ended by itself in time, 137 when it had to be killed, 1 for a failure of minirun itself."},
    {"wait", "ID", "Returns when the container ends.",
     "The container's, where the kernel tells it (Linux 6.15 and newer) or minirun supervised it. 1 with one line when "
     "it is not known."},
    {"delete", "ID",
     "Removes what is left of an ended container: its cgroup, mounts, network devices that were moved in, state; then "
     "runs the poststop hooks. --force kills what still runs first, and removes what a killed minirun left at any "
     "moment; "
     "an ID that is not there is no failure then.",
     ""},
    {"pause", "ID", "Freezes all processes of the container through the cgroup's freezer.", ""},
    {"resume", "ID", "Lets a paused container go on.", ""},
    {"update", "ID",
     "Changes the limits of a container that is there. What is not named stays as it is. A limit that the kernel "
     "refuses "
     "is an error, and what was changed before it is set back.",
     ""},
    {"events", "ID",
     "Prints the counters of the container's cgroup as JSON every --interval, and a line when a process is killed by "
     "the "
     "memory limit; --stats prints once.",
     ""},
    {"plan", "[BUNDLE]",
     "Prints the steps that run would take for the bundle, each with the place in config.json that it comes from, and "
     "takes none of them. The same numbers are in the errors of run.",
     ""},
    {"spec", "", "Writes a config.json with safe defaults, for a shell in the directory rootfs beside it.", ""},
    {"features", "", "Prints, as the runtime-spec's features.md has it, what this minirun supports.", ""},
    {"checkpoint", "ID",
     "Saves the container's processes to --image-path through criu(8), and ends them unless told "
     "otherwise.",
     ""},
    {"restore", "ID", "Makes a container of --bundle with the processes that checkpoint saved.", kWorkload},
};

}  // namespace

const Prose* prose_of(std::string_view command) {
  for (const Prose& prose : kProse)
    if (prose.command == command) return &prose;
  return nullptr;
}

}  // namespace minirun::packaging
