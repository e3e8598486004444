/** The options of `run` as one typed request. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { shellWord } from "../../diagnostics/shell-word.ts";
import type { Mode } from "../../engines/engine/engine.ts";
import { mayKernelCount } from "../../engines/launcher/mount-trial.ts";
import type { Destination } from "../../events/channel.ts";
import { parsePattern } from "../../hosts/names.ts";
import type { HostList } from "../../hosts/rules.ts";
import type { SocketPlace } from "../../observe/status/tree-socket.ts";
import { chosenEngine, type EngineChoice, type EngineDemands } from "../engine.ts";
import { duration } from "../numbers.ts";
import { Failure, type Invocation } from "../verb.ts";
import { missing, type PolicyRequest, policyRequest, readyPolicies } from "./arguments.ts";

export interface RunRequest extends PolicyRequest {
  readonly engine: EngineChoice;
  readonly mode: Mode;
  readonly command: readonly string[];
  /** Undefined if events have no destination. */
  readonly destination: Destination | undefined;
  readonly form: "lines" | "json";
  readonly timeout: number | undefined;
  readonly killTree: boolean;
  readonly dieWithParent: boolean;
  readonly killEvents: boolean;
  readonly cgroup: boolean;
  readonly separate: boolean;
  readonly bestEffort: boolean;
  /** A path that permits something, and that the command's user can lead elsewhere, is an error. */
  readonly strictPaths: boolean;
  readonly quiet: boolean;
  /** The path of the socket that serves the status of the tree; undefined without one. */
  readonly status: SocketPlace | undefined;
  /** If the policy asks: the socket on which it is answered, and the milliseconds until a question fails. */
  readonly questions: { readonly place: SocketPlace; readonly patience: number };
  /** A person is asked about names that no list of hosts permits. */
  readonly asksHosts: boolean;
  /** The hosts of --hosts; undefined without the option. */
  readonly hosts: HostList | undefined;
  /** Changes of the command's environment: `NAME=VALUE`, or `NAME` to remove it. */
  readonly variables?: readonly string[];
}

/** Whether something reads them: their destination, or the status socket, which counts them. */
export function hasEvents({ destination, status }: RunRequest): boolean {
  return destination !== undefined || status !== undefined;
}

export function demandsOf({ mode, status }: RunRequest): EngineDemands {
  return { audit: mode === "audit", status: status !== undefined };
}

/** @throws Failure */
export function runRequest(invocation: Invocation): RunRequest {
  const { words: command } = invocation;
  if (command.length === 0) throw missing("the command", "portcullis run -p POLICY -- COMMAND");
  const policy = invocation.text("policy");
  if (policy === undefined) throw missing("the policy", withPolicy(command));
  const isTied = ["timeout", "kill-tree", "die-with-parent"].some((option) => invocation.has(option));
  if (invocation.has("cgroup") && !isTied) {
    throw missing(
      "--timeout, --kill-tree or --die-with-parent beside --cgroup",
      "portcullis run --kill-tree --cgroup …",
    );
  }
  if (invocation.has("audit")) {
    refuseInAudit(invocation, "no-denial-events", "which has them as its result");
    refuseInAudit(invocation, "ask-hosts", "which restricts no hosts");
    refuseInAudit(invocation, "hosts", "which restricts no hosts");
  }
  return {
    ...policyRequest(policy, invocation),
    // An audit records what a step would deny.
    kernelCounts: !invocation.has("audit") && mayKernelCount(),
    engine: chosenEngine(invocation),
    mode: invocation.has("audit") ? "audit" : invocation.has("no-denial-events") ? "quiet" : "reported",
    command,
    destination: destinationOf(invocation),
    form: invocation.has("events") ? "json" : "lines",
    timeout: duration(invocation, "timeout"),
    killTree: invocation.has("kill-tree"),
    dieWithParent: invocation.has("die-with-parent"),
    killEvents: invocation.has("kill-events"),
    cgroup: invocation.has("cgroup"),
    separate: invocation.has("separate"),
    bestEffort: invocation.has("best-effort"),
    strictPaths: invocation.has("strict-paths"),
    quiet: invocation.has("quiet"),
    status: statusOf(invocation.text("status")),
    questions: { place: statusOf(invocation.text("ask-socket")) ?? "auto", patience: askPatience(invocation) },
    asksHosts: invocation.has("ask-hosts"),
    hosts: hostsOf(invocation),
  };
}

/** @throws Failure if the option is given */
function refuseInAudit(invocation: Invocation, option: string, why: string): void {
  if (!invocation.has(option)) return;
  throw new Failure([diagnostic("P0909", `--${option} cannot be used with --audit, ${why}`)]);
}

const usualPatience = 60_000;

/** 0: each such call fails at once. */
function askPatience(invocation: Invocation): number {
  const isZero = /^0+(?:\.0+)?(?:ms|s|min|h)?$/.test(invocation.text("ask-timeout") ?? "");
  return isZero ? 0 : (duration(invocation, "ask-timeout") ?? usualPatience);
}

/** How `run` is written if the first word of its command was meant as the policy, as other verbs accept it. */
function withPolicy(command: readonly string[]): string {
  const [first = "", separator, ...rest] = command;
  const isPolicy = readyPolicies.some((name) => name === first) || /\.(?:ts|json|pcl)$/.test(first);
  const remaining = separator === undefined || separator === "--" ? rest : [separator, ...rest];
  if (!isPolicy || remaining.length === 0) return `portcullis run -p ${isPolicy ? first : "POLICY"} -- COMMAND`;
  return `portcullis run -p ${[first, "--", ...remaining].map(shellWord).join(" ")}`;
}

function statusOf(given: string | undefined): SocketPlace | undefined {
  if (given === undefined || given === "auto") return given;
  return { socket: given };
}

/** @throws Failure */
function hostsOf(invocation: Invocation): HostList | undefined {
  if (!invocation.has("hosts")) return undefined;
  const patterns = invocation
    .texts("hosts")
    .flatMap((given) => given.split(","))
    .filter((text) => text !== "")
    .map((text) => {
      const result = parsePattern(text);
      if ("pattern" in result) return result.pattern;
      throw new Failure([diagnostic("P0907", `--hosts: ${result.error}`, { help: result.help })]);
    });
  return { patterns, rule: "--hosts" };
}

function destinationOf(invocation: Invocation): Destination | undefined {
  const given = invocation.text("events");
  if (given === undefined) return invocation.has("quiet") ? undefined : { fd: 2 };
  return namedDestination(given);
}

/**
 * The value of --events.
 *
 * @throws Failure
 */
export function namedDestination(given: string): Destination {
  if (!given.startsWith("fd:")) return { file: given };
  const fd = /^fd:\d{1,6}$/.test(given) ? Number(given.slice(3)) : undefined;
  if (fd !== undefined) return { fd };
  throw new Failure([
    diagnostic("P0907", `--events ${given} does not name a file descriptor`, {
      help: "--events fd:3, with 3>events.jsonl in the shell",
    }),
  ]);
}
