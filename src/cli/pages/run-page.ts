/** The manual page and the options of `run`. */
import { engines } from "../../engines/registry.ts";
import { engineChoices } from "../engine.ts";
import { policyOptions } from "../policy/arguments.ts";
import { failed, type Verb } from "../verb.ts";

export const runPage: Omit<Verb, "execute"> = {
  name: "run",
  summary: "Run a command under a policy",
  synopsis: ["run [OPTIONS] -p POLICY [--] COMMAND [ARGUMENT…]"],
  about: [
    "Starts the command with the policy in force before its first instruction, for it and for all that it starts, until all of that has ended. Nothing can take the policy off again. The terminal, signals, standard input and output are the command's own.",
    "portcullis's options end at -- or at the first word that is no option.",
    "Each judgement that is not a plain allow becomes an event: a line for people on standard error, or with --events a JSON object a line (docs/events.md). Repeated events are counted instead of printed, and nothing ever waits for whoever reads them.",
    "What cannot be enforced here refuses to start, and says what would make it possible; --best-effort starts all the same with as much as can be enforced. If portcullis is killed under the engine notify, calls that need its answer fail with ENOSYS; if it is stopped, they wait. They never pass. Under seccomp-ebpf nothing needs it: with -q, and neither a time limit nor a tie to the tree, the command takes its place.",
    "When the command ends before its tree does (a daemon), portcullis waits for the tree and then exits with the command's status. SIGINT, SIGTERM, SIGHUP and SIGQUIT end that wait: the signal is sent to all of the tree, and SIGKILL two seconds later. Before the command ends, signals go to the command alone; during the start, they end portcullis and nothing is run.",
    "The command inherits all that portcullis was started with: file descriptors, ignored and blocked signals, limits, arguments and environment byte for byte, but for a descriptor above 2 that --events or -p names. It differs in its parent, in no_new_privs and in the filter.",
    "A compiled policy is kept in $XDG_CACHE_HOME/portcullis (~/.cache/portcullis), under the content of every file it came from.",
  ],
  options: {
    ...policyOptions,
    engine: {
      value: "NAME",
      about: `How to enforce: ${engines.map(({ name, summary }) => `${name} (${summary})`).join(", ")}, or auto, the default: the first of these that works and can express the policy.`,
      complete: engineChoices,
    },
    events: {
      value: "FILE|fd:N",
      about: "Append events there as JSON lines, instead of lines for people on standard error.",
      complete: "file",
    },
    audit: {
      about:
        "Enforce nothing: each verdict becomes an event and the call passes. Only foreign ABIs and io_uring are still refused. Always by notify.",
    },
    "no-denial-events": {
      about:
        "Denials and logs that need no state are left to the kernel alone: faster, and without events. Under seccomp-ebpf no verdict becomes an event then; reports do.",
    },
    "kill-events": {
      about:
        "Under notify: the supervisor carries out static kills, with SIGKILL, so that each becomes an event with the call, the policy's line and the phases; the exit status is 137. Such a call costs some microseconds more, kill thread kills the process, and if the supervisor is gone the call is denied (ENOSYS) and its caller lives. Under seccomp-ebpf kills are events in any case.",
    },
    timeout: {
      value: "TIME",
      about:
        "End the command after this time (30s, 5min): SIGTERM, and SIGKILL for all of its tree two seconds later. With this option, --kill-tree or --die-with-parent no signal leaves the command's tree, so that it cannot end or stop portcullis (Linux 6.12 with Landlock; elsewhere a process of the same user can evade all three: section Ending a tree of docs/engines.md).",
    },
    "kill-tree": {
      about:
        "When the command has ended, end what it has left running instead of waiting for it: SIGTERM, and SIGKILL two seconds later.",
    },
    "die-with-parent": {
      about:
        "Kill all of the tree if a process of portcullis is killed, instead of denying calls or going on without it.",
    },
    cgroup: {
      about:
        "With --timeout, --kill-tree or --die-with-parent: make a cgroup (version 2) for the command below the present one, so that SIGKILL comes to all of its tree at once, however fast it forks. Needs Linux 5.14 and a cgroup that is this user's (systemd-run --user --scope -p Delegate=yes).",
    },
    "best-effort": {
      about: "Where a part of the policy cannot be enforced here, start all the same without that part, and say so.",
    },
    quiet: { short: "q", about: "No lines for people: neither events nor notices." },
  },
  takesCommand: true,
  exit: [
    ["N", "The command's own status."],
    [
      "128+N",
      "The command died of signal N: 159 (SIGSYS) when the kernel killed it (under seccomp-ebpf always, under notify by the policy's static part, which is then said), 137 (SIGKILL) when the supervisor did.",
    ],
    ["127", "The command was not found."],
    ["126", "The command was found and cannot be run."],
    [
      String(failed),
      "portcullis failed, and nothing was run: the policy does not compile, or cannot be enforced here.",
    ],
  ],
  examples: [
    ["portcullis run -p exec-once -- make", "What `make` would start: nothing, and each attempt is told"],
    ["portcullis run -p nginx.ts --events events.jsonl nginx -g 'daemon off;'", "Events for a program to read"],
    ["portcullis run -p children --set most=20 --timeout 5min -- ./test.sh", "A parameter, and a limit of time"],
    ["portcullis run -q -p policy.pcl -- ./server", "A compiled policy, and the command in portcullis's own place"],
    ["portcullis run -p children.pcl --set most=64 -- make", "One whose parameter was left open by compile"],
    ["portcullis run -p build-step --audit -- npm ci", "What would a policy refuse? Nothing is enforced"],
  ],
};
