/** Runs a command under a compiled policy, with its events going where they should. Loads no compiler. */
import { diagnostic } from "../diagnostics/catalogue.ts";
import { type CompiledPolicy, descriptionOf } from "../engines/compiled.ts";
import { callersDescriptor, callersFile, errnoText } from "../engines/launcher.ts";
import type { NotifyMode } from "../engines/notify/policy.ts";
import { runUnderNotify } from "../engines/notify/run.ts";
import type { RunOptions } from "../engines/run.ts";
import { runUnderSeccompEbpf } from "../engines/seccomp-ebpf/run.ts";
import { StartError } from "../engines/start-error.ts";
import { type Destination, DestinationError, notOpen } from "../events/channel.ts";
import { Messages } from "../events/messages.ts";
import { type EventOutput, openEventOutput } from "../events/output.ts";
import { NativeUnavailableError } from "../linux/native.ts";
import { type EngineName, namedEngine } from "./engine.ts";
import { duration } from "./numbers.ts";
import { missing } from "./policy-arguments.ts";
import { Failure, type Invocation } from "./verb.ts";

/** What the command line asks for. */
export interface RunPlan {
  /** As it is named. */
  readonly policy: string;
  readonly engine: EngineName;
  readonly mode: NotifyMode;
  readonly command: readonly string[];
  /** Undefined: nobody is told. */
  readonly destination: Destination | undefined;
  readonly form: "lines" | "json";
  readonly timeout: number | undefined;
  readonly killTree: boolean;
  readonly dieWithParent: boolean;
  readonly killEvents: boolean;
  readonly cgroup: boolean;
  readonly bestEffort: boolean;
  readonly quiet: boolean;
}

/** @throws Failure */
export function planOf(invocation: Invocation): RunPlan {
  const { words: command } = invocation;
  if (command.length === 0) throw missing("the command", "portcullis run -p POLICY -- COMMAND");
  const policy = invocation.text("policy");
  if (policy === undefined) throw missing("the policy", "portcullis run -p POLICY -- COMMAND");
  const isTied = ["timeout", "kill-tree", "die-with-parent"].some((option) => invocation.has(option));
  if (invocation.has("cgroup") && !isTied) {
    throw missing(
      "--timeout, --kill-tree or --die-with-parent beside --cgroup",
      "portcullis run --kill-tree --cgroup …",
    );
  }
  return {
    policy,
    engine: namedEngine(invocation),
    mode: invocation.has("audit") ? "audit" : invocation.has("no-denial-events") ? "quiet" : "reported",
    command,
    destination: destinationOf(invocation),
    form: invocation.has("events") ? "json" : "lines",
    timeout: duration(invocation, "timeout"),
    killTree: invocation.has("kill-tree"),
    dieWithParent: invocation.has("die-with-parent"),
    killEvents: invocation.has("kill-events"),
    cgroup: invocation.has("cgroup"),
    bestEffort: invocation.has("best-effort"),
    quiet: invocation.has("quiet"),
  };
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

/**
 * @returns the exit status
 * @throws StartError or NativeUnavailableError where nothing was started, Failure where events cannot go where they should
 */
export async function enforce(plan: RunPlan, compiled: CompiledPolicy): Promise<number> {
  const audit = plan.mode === "audit" && !plan.quiet;
  const messages = new Messages();
  const output = openOutput(plan, compiled, messages);
  if (audit) messages.write("AUDIT: the policy is not enforced; verdicts are noted, and every call passes");
  const options: RunOptions = {
    onEvent: (record) => output?.record(record),
    timeout: plan.timeout,
    killTree: plan.killTree,
    dieWithParent: plan.dieWithParent,
    cgroup: plan.cgroup,
  };
  const { status } =
    compiled.engine === "notify"
      ? await runUnderNotify(compiled.policy, plan.command, options)
      : await runUnderSeccompEbpf(compiled.policy, plan.command, { ...options, events: output !== undefined });
  await output?.finish();
  if (audit) messages.write("AUDIT: the policy was not enforced");
  await messages.finish();
  return status;
}

function openOutput(
  { destination, form }: RunPlan,
  compiled: CompiledPolicy,
  messages: Messages,
): EventOutput | undefined {
  if (destination === undefined) return undefined;
  try {
    return openEventOutput(reachable(destination), {
      policy: descriptionOf(compiled),
      form,
      name: "file" in destination ? destination.file : `fd:${destination.fd}`,
      // Where events are lines on standard error, no better channel is left for this sentence.
      onLoss: form === "json" ? (sentence) => messages.write(sentence) : undefined,
    });
  } catch (error) {
    if (!(error instanceof DestinationError)) throw error;
    throw new Failure([diagnostic("P0910", error.message, { help: error.help })]);
  }
}

/** The same destination, where this process does not have the descriptors that portcullis was started with. */
function reachable(destination: Destination): Destination {
  if ("file" in destination) return { file: callersFile(destination.file) };
  const own = destination.fd === 2 ? 2 : callersDescriptor(destination.fd);
  if (own >= 0) return { fd: own };
  throw notOpen(destination.fd, errnoText(-own));
}

/** What kept a command from being started, as it is told to people. */
export function failureOf(error: unknown): unknown {
  if (error instanceof StartError) {
    return new Failure([diagnostic("P0911", error.message, { help: error.help })], undefined, error.status);
  }
  if (error instanceof NativeUnavailableError) {
    return new Failure([diagnostic("P0605", error.message, { help: error.help })]);
  }
  return error;
}
