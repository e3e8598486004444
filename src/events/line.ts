/** An event as one line for people, with a remedy. */

import { quoteBytes } from "../abi/byte-text.ts";
import { printCall } from "../abi/decode.ts";
import { shellWord } from "../diagnostics/shell-word.ts";
import { safeText } from "../diagnostics/width.ts";
import type { HostRoute } from "../hosts/refusal.ts";
import type { DecisionEvent, HostEvent, Origin, PolicyEvent, ReportedAction, TextJson } from "./event.ts";
import type { Answered } from "./record.ts";

/**
 * `16:23:13.123 nginx[4242]: listen(9, 511): killed the process (a worker began to listen), in phase serving, by
 * policies/nginx.ts:31:44; …`. Without a line end. Text of the confined process (for example its name) is made safe for
 * a terminal.
 */
export function printLine(event: PolicyEvent, origin?: Origin): string {
  return safeText(`${clock(event.time)} ${origin === undefined ? "" : `[${originName(origin)}] `}${body(event)}`);
}

/** `default/web-1/nginx`, the beginning of a container's id, or `make[4242]` for a command. */
export function originName({ namespace, pod, container, containerId, command, pid }: Origin): string {
  if (command !== undefined) return `${command}[${pid}]`;
  const named = [namespace, pod, container].filter((one) => one !== undefined);
  return pod === undefined ? (container ?? containerId?.slice(0, 12) ?? "?") : named.join("/");
}

function body(event: PolicyEvent): string {
  switch (event.kind) {
    case "notice":
      return event.text;
    case "end":
      return `[${event.pid}]: ${event.call === undefined ? "" : `${event.call}: `}${event.text}`;
    case "host":
      return hostLine(event);
    case "report": {
      const values = Object.entries(event.values).map(([name, value]) => `${name}=${value}`);
      const by = event.rule === undefined ? "" : ` (${event.rule})`;
      return `[${event.pid}]: ${event.call}: reports: ${[event.text, ...values].join(" ")}${by}`;
    }
    case "decision": {
      const thread = event.tid === event.pid ? "" : `/${event.tid}`;
      const reason = event.reason === undefined ? "" : ` (${event.reason})`;
      const phases = Object.entries(event.phases ?? {});
      const one = phases.length === 1;
      const within =
        phases.length === 0
          ? ""
          : `, in ${phases.map(([name, value]) => (one ? `phase ${value}` : `${name} ${value}`)).join(", ")}`;
      const by = event.rule === undefined ? "" : `, by ${event.rule}`;
      const advice = remedyFor(event);
      const who = `${event.command === "" ? "?" : event.command}[${event.pid}${thread}]`;
      return `${who}: ${printCall(event.call, event.arguments)}: ${outcome(event)}${times(event)}${reason}${within}${by}${advice === undefined ? "" : `; ${advice}`}`;
    }
  }
}

const routes: Readonly<Record<HostRoute, string>> = {
  connect: "by the proxy (CONNECT)",
  http: "by the proxy (HTTP)",
  socks: "by the proxy (SOCKS)",
  address: "by its address",
  names: "the address of the name",
};

function hostLine({ host, port, route, reason, rule, permit }: HostEvent): string {
  const name = host.includes(":") ? `[${host}]` : host;
  const where = port === undefined ? name : `${name}:${port}`;
  const by = rule === undefined ? "" : `, by ${rule}`;
  const add =
    permit === undefined ? `, add ${where} to ${rule === "--hosts" ? rule : "that list"}` : `: ${words(permit)}`;
  const remedy = rule === undefined ? "" : `; to permit it${add}`;
  return `host ${where}, ${routes[route]}: denied (${reason})${by}${remedy}`;
}

const words = (permit: readonly string[]): string => permit.map(shellWord).join(" ");

const done: Readonly<Record<ReportedAction, string>> = {
  log: "allowed and logged",
  ask: "asks",
  deny: "denied",
  trap: "trapped (SIGSYS)",
  "kill-thread": "killed the thread",
  "kill-process": "killed the process",
};

const wouldBe: Readonly<Record<ReportedAction, string>> = {
  log: "would be logged",
  ask: "would ask",
  deny: "would be denied",
  trap: "would be trapped (SIGSYS)",
  "kill-thread": "would kill the thread",
  "kill-process": "would kill the process",
};

const answers: Readonly<Record<Answered, string>> = {
  allowed: "allowed by an answer",
  "allowed-before": "allowed by an earlier answer",
  denied: "denied by an answer with EPERM",
  late: "denied with EPERM, because no answer came in time",
  "too-many": "denied with EPERM, because too many questions are open",
};

/** A denial with errno 0. */
const feigned = "returned 0 without being made";

function outcome(event: DecisionEvent): string {
  if (event.returns === 0) return event.audit === true ? `would have ${feigned}` : feigned;
  if (event.answered !== undefined) return answers[event.answered];
  const text = (event.audit === true ? wouldBe : done)[event.verdict];
  return event.errno === undefined ? text : `${text} with ${event.errno}`;
}

/** ` 46 more times`; of a search ` for 8 paths, also "/usr/bin/a"`. */
function times({ count, paths }: DecisionEvent): string {
  if (paths !== undefined) {
    const others = paths.slice(1).map((path) => quoteBytes(bytesOf(path)));
    const shown = others.length > mostPaths ? [...others.slice(0, mostPaths), "..."] : others;
    return ` for ${paths.length} paths, also ${shown.join(", ")}`;
  }
  return count === undefined ? "" : ` ${count} more times`;
}

function bytesOf(path: TextJson): Uint8Array {
  return typeof path === "string" ? Buffer.from(path) : Buffer.from(path.hex, "hex");
}

/** The most paths of a search in a line for people. */
const mostPaths = 16;

/** The remedy that permits the call; undefined if there is no advice. */
export function remedyFor(
  event: Pick<DecisionEvent, "verdict" | "call" | "advice" | "rule" | "audit" | "answered" | "permit">,
): string | undefined {
  if (event.verdict === "log") return undefined;
  if (event.verdict === "ask") return remedyForQuestion(event);
  if (event.advice !== undefined) return event.advice;
  if (event.permit !== undefined) return `to permit it: ${words(event.permit)}`;
  if (event.rule === undefined) {
    if (event.call.includes("@")) return "policies judge native calls only: run a 64-bit build of the program";
    if (event.call.startsWith("io_uring_")) {
      return `libraries fall back to other calls; name "${event.call}" literally in the policy to have it evaluated`;
    }
    if (/^call_/.test(event.call)) return "programs fall back on ENOSYS; a newer portcullis may know the call";
    return undefined;
  }
  if (throughProxy.test(event.rule)) return "lead the program to the proxy by HTTPS_PROXY or ALL_PROXY";
  if (byNames.test(event.rule)) return "to permit it, leave the name out of `files.protect`";
  const before = event.audit === true ? " before you enforce" : "";
  const ready = readyPolicy.exec(event.rule)?.[1];
  return ready === undefined
    ? `to permit it, change that line${before}`
    : `to permit it, copy the ready policy (cp ${ready} .), and change that line of the copy${before}`;
}

function remedyForQuestion({ answered, permit }: Pick<DecisionEvent, "answered" | "permit">): string | undefined {
  const known = permit === undefined ? undefined : `to permit it without a question: ${words(permit)}`;
  const answers = answered === "late" ? "portcullis approvals answers" : undefined;
  const remedies = [answers, known].filter((one) => one !== undefined);
  return remedies.length === 0 ? undefined : remedies.join("; ");
}

/**
 * A rule in the installed package's own policies: an update would undo a change there. In a checkout with another
 * name the files belong to the developer, and in the folders of the agents' units (examples/systemd) to the administrator.
 */
const readyPolicy = /^((?:.*\/)?(?<!(?:^|\/)(?:etc|\.config)\/)portcullis\/policies\/[\w./-]+\.ts):\d+:\d+$/;

/** The step that holds a tree to the proxy of its hosts. */
const throughProxy = /(?:^|\/)policies\/shared\/through-proxy\.ts:/;

/** The step that protects files by their names. */
const byNames = /(?:^|\/)policies\/shared\/protected-paths\.ts:/;

/** The local time of day, with milliseconds. */
export function clock(time: number): string {
  const date = new Date(time * 1000);
  if (Number.isNaN(date.getTime())) return "--:--:--.---";
  const two = (value: number) => String(value).padStart(2, "0");
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}
