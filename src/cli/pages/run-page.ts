/** The manual page and the options of `run`. */
import type { RunHelp } from "../../engines/engine/engine.ts";
import { engines } from "../../engines/registry.ts";
import { engineChoices } from "../engine.ts";
import { policyOrBundleOptions } from "../policy/arguments.ts";
import { failed, type Verb } from "../verb.ts";

/** The engines' sentences for a part of the page. */
const ofEngines = (part: keyof RunHelp): string => engines.flatMap(({ runHelp }) => runHelp[part] ?? []).join(" ");

const auditing = engines.filter(({ audits }) => audits).map(({ name }) => name);

export const runPage: Omit<Verb, "execute"> = {
  name: "run",
  synopsis: ["run [OPTIONS] -p POLICY [--] COMMAND [ARGUMENT…]"],
  about: [
    "Starts the command with the policy in force before its first instruction, for it and all its descendants, until the last of them has ended. A policy cannot be removed. The command has the terminal, signals, standard input and output of portcullis.",
    "The options of portcullis end at -- or at the first word that is not an option.",
    "Each evaluation whose verdict is not a plain allow becomes an event: a readable line on standard error, or with --events a JSON object per line (docs/events.md). Repeated events are counted instead of printed. Neither the command nor the supervisor waits for the reader of events.",
    `If this machine cannot enforce the policy, portcullis does not start the command and prints a remedy; --best-effort starts it with the part that can be enforced. ${ofEngines("supervision")}`,
    "When the command ends before its tree does (a daemon), portcullis waits for the tree and then ends like the command. SIGINT, SIGTERM, SIGHUP and SIGQUIT end that wait: portcullis sends the signal to the whole tree, and SIGKILL two seconds later. Before the command ends, it passes signals to the command only; during the start, they end portcullis, and no command runs.",
    "The command inherits everything that portcullis was started with: file descriptors, ignored and blocked signals, limits, arguments and environment byte for byte, except for a descriptor above 2 that --events or -p names and for variables of systemd that name portcullis's process, which name the command instead. It differs in its parent, in no_new_privs, in the filter, in POSIX record locks, which end when it starts, and in the Landlock domain, the cgroup, the parent-death signal, or the namespaces and variables for hosts that the policy or an option requires.",
    "Compiled policies are cached in $XDG_CACHE_HOME/portcullis/compiled (~/.cache/portcullis/compiled); an entry is valid while its source files have the same content.",
  ],
  options: {
    ...policyOrBundleOptions,
    engine: {
      value: "NAME",
      about: `How to enforce: ${engines.map(({ name, summary }) => `${name} (${summary})`).join(", ")}, or auto, the default: the first of these that works and can express the policy.`,
      complete: engineChoices,
    },
    events: {
      value: "FILE|fd:N",
      about: "Append events to the destination as JSON lines, instead of readable lines on standard error.",
      complete: "file",
    },
    audit: {
      about: `Enforce nothing: each verdict becomes an event, and the call passes. Foreign ABIs, io_uring, calls that portcullis does not know, and tasks that it cannot follow are still refused. Always uses ${auditing.join(" or ")}.`,
    },
    "no-denial-events": {
      about: `Let the kernel give denials and logs that need no state by itself: faster, but without events. ${ofEngines("no-denial-events")}`,
    },
    "kill-events": {
      about: `Make each static kill an event, with the call, the policy's line and the phases. ${ofEngines("kill-events")}`,
    },
    timeout: {
      value: "TIME",
      about:
        "End the command after this time (30s, 5min; a number without a unit is seconds): SIGTERM, and two seconds later SIGKILL for its whole tree. With this option, --kill-tree or --die-with-parent the tree can send signals only to itself, so that it cannot end or stop portcullis (Linux 6.12 with Landlock; elsewhere a process of the same user can evade all three: docs/security.md, Ending a tree).",
    },
    "kill-tree": {
      about:
        "When the command has ended, end its remaining descendants instead of waiting for them: SIGTERM, and SIGKILL two seconds later.",
    },
    "die-with-parent": {
      about:
        "Kill the whole tree if a process of portcullis is killed, instead of denying calls or continuing without it.",
    },
    cgroup: {
      about:
        "With --timeout, --kill-tree or --die-with-parent: create a cgroup (version 2) for the command below the current one, so that SIGKILL reaches the whole tree at once, however fast it forks. Needs Linux 5.14 and a cgroup that this user may change (systemd-run --user --scope -p Delegate=yes).",
    },
    separate: {
      about:
        "Separate the command's tree from the other processes of its user: it can send signals only to itself, and cannot trace processes outside it or open their memory and descriptors (/proc/PID/mem, fd). Needs Linux 6.12 with Landlock, and costs nothing per call. Processes of the tree still reach one another (docs/security.md, One user). A policy that asks a person always has this where the kernel can.",
    },
    "best-effort": {
      about:
        "If a part of the policy cannot be enforced on this machine, start without that part, with a message. Without Landlock, the command can then write files of /proc that the policy makes read-only.",
    },
    "strict-paths": {
      about:
        "Refuse to start if the policy permits something by a path, or refuses an object, and the command's user can write a directory on the way to it (P0609 and P0610), because another process of this user can then make the path lead elsewhere, or move the object, and the command can, unless the policy refuses that. Without this option, one line warns if the policy leaves it to the command; `portcullis check` lists all.",
    },
    status: {
      value: "auto|SOCKET",
      about:
        "Let `portcullis top` show the running tree: phases and counters, calls by rule, refusals. auto makes a socket in $XDG_RUNTIME_DIR/portcullis, which top finds.",
      complete: "file",
    },
    "ask-socket": {
      value: "auto|SOCKET",
      about:
        "If the policy asks: the Unix socket for answers, as JSON lines (docs/approvals.md). Default: auto, a socket in $XDG_RUNTIME_DIR/portcullis, which `portcullis approvals` finds.",
      complete: "file",
    },
    "ask-timeout": {
      value: "TIME",
      about:
        "If the policy asks: a question without an answer fails after this time, with EPERM and an event (default: 60s). With 0 each such call fails at once.",
    },
    hosts: {
      value: "HOST[:PORT],…",
      multiple: true,
      about:
        "Let the tree reach these hosts only, by name: registry.npmjs.org, github.com:22, *.example.org (the names below it), an address, or localhost:3000. Without a port, an entry permits 80 and 443. The tree gets a network of its own, which leads to a proxy of portcullis; variables (HTTPS_PROXY, …) and the addresses that names have there lead programs to it. A name may not lead to a private address or to this machine (docs/security.md, Hosts).",
    },
    "ask-hosts": {
      about:
        "Ask about names of hosts that --hosts and the policy do not list, instead of refusing them (docs/approvals.md). Addresses and names of this machine are refused, also after an answer.",
    },
    "no-agent": {
      about:
        "Start a process of this command's own, even if a running `portcullis agent` of this user could supervise it (docs/internals/processes.md).",
    },
    quiet: { short: "q", about: "Print neither events nor notices on standard error." },
  },
  takesCommand: true,
  exit: [
    ["N", "The command's own status."],
    [
      "128+N",
      `Signal N ended the command and portcullis, which a shell shows so. If a verdict killed it: ${engines.map(({ runHelp }) => runHelp.killed).join("; ")}.`,
    ],
    ["127", "The command was not found."],
    ["126", "The command was found but cannot be executed."],
    [
      String(failed),
      "portcullis failed, and no command ran: the policy does not compile, or cannot be enforced on this machine.",
    ],
  ],
  examples: [
    ["portcullis run -p exec-once -- make", "`make` can start no program, and each attempt is an event"],
    ["portcullis run -p web.ts --events events.jsonl nginx -g 'daemon off;'", "Events for a program to read"],
    ["portcullis run -p children --set most=20 --timeout 5min -- ./test.sh", "A parameter and a time limit"],
    [
      "portcullis run -q -p policy.pcl -- ./server",
      "A compiled policy, on a kernel with the patches; portcullis executes the command in its own process",
    ],
    [
      "portcullis run -p children.pcl --set most=64 -- make",
      "A compiled policy with an open parameter, on such a kernel",
    ],
    ["portcullis run -p push.ts --ask-timeout 5min -- bash", "A policy that asks, with time to answer"],
    [
      "portcullis run -p build-step --audit -- npm ci",
      "Record the calls that a policy would refuse, and enforce nothing",
    ],
  ],
};
