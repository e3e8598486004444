import { diagnostic } from "../../diagnostics/catalogue.ts";
import { StartError } from "../../engines/notify/command.ts";
import type { NotifyMode, NotifyPolicy } from "../../engines/notify/policy.ts";
import { type RunOptions, runUnderNotify } from "../../engines/notify/run.ts";
import { type Destination, DestinationError } from "../../events/channel.ts";
import { type EventOutput, openEventOutput } from "../../events/output.ts";
import { NativeUnavailableError } from "../../linux/native.ts";
import { compiledPolicy } from "../compiled.ts";
import type { Context } from "../context.ts";
import { duration } from "../numbers.ts";
import { missing, policyOptions } from "../policy.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const run: Verb = {
  name: "run",
  summary: "Run a command under a policy",
  synopsis: ["run [OPTIONS] -p POLICY [--] COMMAND [ARGUMENT…]"],
  about: [
    "Starts the command with the policy in force before its first instruction, for it and for all that it starts, until all of that has ended. Nothing can take the policy off again. The terminal, signals, standard input and output are the command's own.",
    "portcullis's options end at -- or at the first word that is no option.",
    "Each judgement that is not a plain allow becomes an event: a line for people on standard error, or with --events a JSON object a line (docs/events.md). Repeated events are counted instead of printed, and nothing ever waits for whoever reads them.",
    "What cannot be enforced here refuses to start, and says what would make it possible; --best-effort starts all the same with as much as can be enforced. If portcullis is killed, calls that need its answer fail with ENOSYS; if it is stopped, they wait. They never pass.",
    "When the command ends before its tree does (a daemon), portcullis waits for the tree and then exits with the command's status.",
    "A compiled policy is kept in $XDG_CACHE_HOME/portcullis (~/.cache/portcullis), under the content of every file it came from.",
  ],
  options: {
    ...policyOptions,
    engine: {
      value: "NAME",
      about: "How to enforce: notify (any Linux since 5.9, no privilege) is the only engine so far, and the default.",
      complete: ["notify"],
    },
    events: {
      value: "FILE|fd:N",
      about: "Append events there as JSON lines, instead of lines for people on standard error.",
      complete: "file",
    },
    audit: {
      about:
        "Enforce nothing: each verdict becomes an event and the call passes. Only foreign ABIs and io_uring are still refused.",
    },
    "no-denial-events": {
      about: "Denials and logs that need no state are left to the kernel alone: faster, and without events.",
    },
    timeout: {
      value: "TIME",
      about: "End the command after this time (30s, 5min): SIGTERM, and SIGKILL for all of its tree two seconds later.",
    },
    "kill-tree": { about: "When the command has ended, end what it has left running instead of waiting for it." },
    "die-with-parent": { about: "End all of the tree if portcullis is gone, instead of denying its calls." },
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
      "The command died of signal N: 159 (SIGSYS) when the kernel killed it by the policy's static part, 137 (SIGKILL) when the supervisor did.",
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
    ["portcullis run -p build-step --audit -- npm ci", "What would a policy refuse? Nothing is enforced"],
  ],
  async execute(invocation, context) {
    if (invocation.words.length === 0) throw missing("the command", "portcullis run -p POLICY -- COMMAND");
    const named = invocation.text("policy");
    if (named === undefined) throw missing("the policy", "portcullis run -p POLICY -- COMMAND");
    checkEngine(invocation);
    const audit = invocation.has("audit");
    const mode: NotifyMode = audit ? "audit" : invocation.has("no-denial-events") ? "quiet" : "reported";
    const timeout = duration(invocation, "timeout");
    const destination = destinationOf(invocation);
    const bestEffort = invocation.has("best-effort");
    const policy = await compiledPolicy(named, mode, invocation, context, bestEffort);
    const output = openOutput(destination, policy, invocation);
    const quiet = invocation.has("quiet");
    if (audit && !quiet)
      context.err("portcullis: AUDIT: the policy is not enforced; verdicts are noted, and every call passes\n");
    const options: RunOptions = {
      onEvent: (record) => output?.record(record),
      timeout,
      killTree: invocation.has("kill-tree"),
      dieWithParent: invocation.has("die-with-parent"),
    };
    try {
      const { status } = await start(policy, invocation, options, bestEffort, context);
      await output?.finish();
      if (audit && !quiet) context.err("portcullis: AUDIT: the policy was not enforced\n");
      return status;
    } catch (error) {
      throw failureOf(error);
    }
  },
};

function checkEngine(invocation: Invocation): void {
  const engine = invocation.text("engine");
  if (engine === undefined || engine === "notify") return;
  throw new Failure([
    diagnostic("P0907", `there is no engine ${JSON.stringify(engine)}`, {
      help: "--engine notify; `portcullis doctor` tries it here",
    }),
  ]);
}

/** With --best-effort, what cannot be supervised here runs under the policy's static part alone. */
async function start(
  policy: NotifyPolicy,
  invocation: Invocation,
  options: RunOptions,
  bestEffort: boolean,
  context: Context,
): Promise<{ readonly status: number }> {
  try {
    return await runUnderNotify(policy, invocation.words, options);
  } catch (error) {
    // A StartError of 125 says that nothing was started and that it was not the command's fault.
    if (!bestEffort || !(error instanceof StartError) || error.status !== failed) throw error;
    const { staticPart } = await import("../best-effort.ts");
    const weaker = await staticPart(invocation, context);
    context.err(
      `portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could give: ${error.message}\n`,
    );
    return await runUnderNotify(weaker, invocation.words, options);
  }
}

function destinationOf(invocation: Invocation): Destination | undefined {
  const given = invocation.text("events");
  if (given === undefined) return invocation.has("quiet") ? undefined : { fd: 2 };
  if (!given.startsWith("fd:")) return { file: given };
  const fd = /^fd:\d{1,6}$/.test(given) ? Number(given.slice(3)) : undefined;
  if (fd !== undefined) return { fd };
  throw new Failure([
    diagnostic("P0907", `--events ${given} names no file descriptor`, {
      help: "--events fd:3, with 3>events.jsonl in the shell",
    }),
  ]);
}

function openOutput(
  destination: Destination | undefined,
  policy: NotifyPolicy,
  invocation: Invocation,
): EventOutput | undefined {
  if (destination === undefined) return undefined;
  try {
    const form = invocation.has("events") ? "json" : "lines";
    return openEventOutput(destination, { policy: policy.description, form });
  } catch (error) {
    if (!(error instanceof DestinationError)) throw error;
    throw new Failure([diagnostic("P0910", error.message, { help: error.help })]);
  }
}

function failureOf(error: unknown): unknown {
  if (error instanceof StartError)
    return new Failure([diagnostic("P0911", error.message, { help: error.help })], undefined, error.status);
  if (error instanceof NativeUnavailableError) return new Failure([diagnostic("P0605", error.message)]);
  return error;
}
