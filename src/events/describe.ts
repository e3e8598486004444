/** Converts an engine's records to events for people and programs. */

import { quoteBytes } from "../abi/byte-text.ts";
import { decodeArguments, nameCall } from "../abi/decode.ts";
import { errnoName } from "../abi/errno.ts";
import { refusalReason } from "../ir/admission.ts";
import type { Location } from "../ir/location.ts";
import type { Report } from "../ir/program.ts";
import { feignsSuccess, type Verdict } from "../ir/verdicts.ts";
import type {
  DecisionEvent,
  EndEvent,
  HostEvent,
  NoticeEvent,
  ObjectJson,
  PolicyEvent,
  ReportEvent,
  ReportedAction,
} from "./event.ts";
import { isExpectedRefusal } from "./expected.ts";
import {
  describeEnterObstacle,
  describeHoldObstacle,
  describeObstacle,
  describePinObstacle,
  withoutPinning,
  withoutRooms,
} from "./obstacles.ts";
import { type Permit, permitByReason, permitHost, permitName, permitPath } from "./permit.ts";
import type {
  Answered,
  DeniedObject,
  EndRecord,
  EventRecord,
  JudgementRecord,
  ObjectRecord,
  PolicyDescription,
  Refusal,
} from "./record.ts";
import { memoryMembers, refusedEntries, textJson, withMemory } from "./recorded-memory.ts";

const refusals: {
  readonly [R in Refusal]: { readonly errno: string; readonly reason: string | ((call: string) => string) };
} = {
  "foreign-abi": { errno: "ENOSYS", reason: (call) => refusalReason("foreign", call) },
  "unknown-call": { errno: "ENOSYS", reason: (call) => refusalReason("unknown", call) },
  "unseen-child": { errno: "EAGAIN", reason: "the new process could not be followed" },
  unpinned: { errno: "EPERM", reason: "the memory behind its pointers could not be pinned" },
  unheld: { errno: "EPERM", reason: "a room that the call enters could not be held for it" },
  unserved: { errno: "EACCES", reason: "the object that the path leads to is not opened for the caller" },
  "no-descriptors": { errno: "EPERM", reason: "portcullis has no file descriptor left to identify the caller" },
  "invisible-task": { errno: "EPERM", reason: "the caller is outside of the pid namespace of portcullis" },
  "unseen-memory": { errno: "EPERM", reason: "the caller is not dumpable, so its memory may not be read" },
  "supervisor-failed": { errno: "ENOSYS", reason: "the supervisor failed" },
  "no-state": { errno: "ENOSYS", reason: "the kernel has no state for the policy" },
};

/** The decision, unless it was a plain allow, then the reports of the evaluation. */
export function describe(policy: PolicyDescription, record: EventRecord): PolicyEvent[] {
  if (record.kind === "notice") {
    const notice: NoticeEvent = {
      v: 1,
      kind: "notice",
      time: seconds(record.time),
      text: record.text,
      ...(record.dropped === undefined ? {} : { dropped: record.dropped }),
    };
    return [notice];
  }
  if (record.kind === "end") return [end(policy, record)];
  if (record.kind === "host") {
    const { time, refusal } = record;
    const permit = isLeftToOption(refusal.rule) ? permitHost(refusal.host, refusal.port) : undefined;
    const host: HostEvent = {
      ...{ v: 1, kind: "host", time: seconds(time) },
      ...refusal,
      ...permitOf(permit),
      ...{ verdict: "deny", ...policyOf(policy) },
    };
    return [host];
  }
  if (record.kind === "object") return [objectDenial(policy, record)];
  const { name, call } = nameCall(policy.architecture, record.architecture, record.number);
  const events: PolicyEvent[] = [];
  const reported = reportedVerdict(policy, name, record.verdict);
  if (reported !== undefined) {
    const decoded = decodeArguments(policy.architecture, call, record.arguments);
    const shown = withMemory(policy.architecture, name, decoded, record.memory ?? []);
    events.push(decision(policy, record, reported, name, shown));
  }
  for (const { report, values } of record.reports) {
    const declared = policy.reports[report];
    if (declared === undefined) continue;
    const event: ReportEvent = {
      v: 1,
      kind: "report",
      time: seconds(record.time),
      pid: record.pid,
      tid: record.tid,
      call: name,
      text: declared.text,
      values: Object.fromEntries(
        declared.values.map((one, index) => [one.name, printValue(one.print, values[index] ?? 0n)]),
      ),
      ...ruleOf(policy, declared.at),
      ...policyOf(policy),
    };
    events.push(event);
  }
  return events;
}

const permitOf = (permit: Permit | undefined) => (permit === undefined ? {} : { permit });

/** The list is that of `--hosts`, or an empty one, which leaves the hosts to it (src/cli/policy/hosts.ts). */
function isLeftToOption(rule: string | undefined): boolean {
  return rule === "--hosts" || rule?.endsWith(leftToOption) === true;
}

export const leftToOption = ", which leaves them to --hosts";

function end(policy: PolicyDescription, { time, pid, status, isKilled, call, text }: EndRecord): EndEvent {
  return {
    v: 1,
    kind: "end",
    time: seconds(time),
    pid,
    status,
    ...(isKilled ? { signal: "SIGSYS" as const } : {}),
    ...(call === undefined
      ? {}
      : { call: nameCall(policy.architecture, call.architecture, call.number).name, number: call.number }),
    text,
    ...policyOf(policy),
  };
}

function objectDenial(policy: PolicyDescription, record: ObjectRecord): DecisionEvent {
  const { time, pid, command, architecture, number, blockers, errno } = record;
  const { name, call } = nameCall(policy.architecture, architecture, number);
  const registers = [...record.arguments, 0n, 0n];
  const lacking = blockers.flatMap((right) => policy.objects?.[record.layer]?.find((one) => one.right === right) ?? []);
  const [declared] = lacking;
  const { path } = record.object;
  const parameter = declared?.extendedBy?.find(
    (name) => lacking.length === blockers.length && lacking.every((one) => one.extendedBy?.includes(name) === true),
  );
  const permit =
    parameter === undefined || path === undefined || isAbstract(path)
      ? undefined
      : permitPath(policy.settings, parameter, path);
  return {
    ...({ v: 1, kind: "decision", time: seconds(time), pid, tid: pid, command, call: name, number } as const),
    // The kernel's audit has four.
    arguments: decodeArguments(policy.architecture, call, registers).slice(0, record.arguments.length),
    verdict: "deny",
    errno: printErrno(errno),
    reason: `${lackText(declared?.setting, record)}: Landlock, ${blockers.join(", ")}`,
    ...permitOf(permit),
    ...ruleOf(policy, declared?.at),
    ...policyOf(policy),
    object: objectJson(record),
  };
}

function lackText(setting: string | undefined, { object, blockers }: ObjectRecord): string {
  const [first] = blockers;
  if (first === "fs.change_topology") return "a tree with rules about files cannot change mounts";
  if (setting === "scope" || first === "ptrace") return `${objectText(object)} is outside of the tree`;
  return `${setting ?? "the policy"} does not have ${objectText(object)}`;
}

function objectText({ path, port, pid }: DeniedObject): string {
  if (path !== undefined) return isAbstract(path) ? `the socket @${quoteBytes(path.subarray(1))}` : quoteBytes(path);
  if (port !== undefined) return port === 0 ? "port 0, for which the kernel chooses one" : `port ${port}`;
  return pid === undefined ? "the object" : `process ${pid}`;
}

const isAbstract = (path: Uint8Array): boolean => path[0] === 0;

function objectJson({ blockers, object: { path, port, address, pid } }: ObjectRecord): ObjectJson {
  const named =
    path === undefined ? {} : isAbstract(path) ? { name: textJson(path.subarray(1)) } : { path: textJson(path) };
  return {
    blockers,
    ...named,
    ...(port === undefined ? {} : { port }),
    ...(address === undefined ? {} : { address }),
    ...(pid === undefined ? {} : { pid }),
  };
}

type ReportedVerdict = Verdict & { readonly action: ReportedAction };

/** The verdict or refusal that becomes an event; undefined for a plain allow and for an expected refusal. */
function reportedVerdict(
  policy: PolicyDescription,
  call: string,
  given: JudgementRecord["verdict"],
): ReportedVerdict | Refusal | undefined {
  if (typeof given !== "number") return given;
  const verdict = policy.verdicts[given];
  if (verdict === undefined || verdict.action === "allow" || isExpectedRefusal(call, verdict)) return undefined;
  return { ...verdict, action: verdict.action };
}

function decision(
  policy: PolicyDescription,
  record: JudgementRecord,
  verdict: ReportedVerdict | Refusal,
  call: string,
  decoded: DecisionEvent["arguments"],
): DecisionEvent {
  const common = {
    v: 1,
    kind: "decision",
    time: seconds(record.time),
    pid: record.pid,
    tid: record.tid,
    command: record.command ?? "",
    call,
    number: record.number,
    arguments: decoded,
    ...memoryMembers(policy.architecture, call, record.memory ?? []),
  } as const;
  const phases =
    policy.phases.length === 0 || record.phases.length === 0
      ? {}
      : {
          phases: Object.fromEntries(
            policy.phases.map((phase, index) => [phase.name, phaseName(phase, record.phases[index])]),
          ),
        };
  const { count, paths } = record;
  const gathered = {
    ...(count === undefined ? {} : { count }),
    ...(paths === undefined ? {} : { paths: paths.map(textJson) }),
  };
  const rest = { ...phases, ...policyOf(policy), ...(record.audit ? { audit: true as const } : {}), ...gathered };
  if (typeof verdict === "string") {
    const refusal = refusals[verdict];
    const why = typeof refusal.reason === "string" ? refusal.reason : refusal.reason(call);
    const errno = record.errno === undefined ? refusal.errno : printErrno(record.errno);
    const { obstacle } = record;
    if (record.hold !== undefined) {
      const { cause, advice } = describeHoldObstacle(record.hold);
      return { ...common, verdict: "deny", errno, reason: `${why}: ${cause}`, advice, ...rest };
    }
    if (record.enter !== undefined) {
      const { cause, advice } = describeEnterObstacle(record.enter);
      return { ...common, verdict: "deny", errno, reason: `${why}: ${cause}`, advice, ...rest };
    }
    if (record.pin !== undefined && obstacle === undefined) {
      const { cause, advice } = describePinObstacle(record.pin);
      return { ...common, verdict: "deny", errno, reason: `${why}: ${cause}`, advice, ...rest };
    }
    if (obstacle === undefined) return { ...common, verdict: "deny", errno, reason: why, ...rest };
    const instead = record.pin === undefined ? undefined : verdict === "unheld" ? withoutRooms : withoutPinning;
    const { cause, advice } = describeObstacle(obstacle, instead);
    return { ...common, verdict: "deny", errno, reason: `${why}: ${cause}`, advice, ...rest };
  }
  if (record.notKilled !== undefined) {
    const reason = `the verdict kills the process, but the kernel refused the kill: ${printErrno(record.notKilled)}`;
    const text = verdict.reason === undefined ? reason : `${verdict.reason}; ${reason}`;
    return { ...common, verdict: "deny", errno: "EPERM", reason: text, ...ruleOf(policy, verdict.at), ...rest };
  }
  const { late } = record;
  const wait = late === undefined ? undefined : `it waited too long for the side ${late.side} of ${late.room}`;
  const said = [verdict.reason, wait].filter((one) => one !== undefined).join("; ");
  const entries = refusedEntries(record.memory ?? []);
  const reason = [said, entries].filter((one) => one !== undefined && one !== "").join(": ");
  return {
    ...common,
    verdict: verdict.action,
    ...(verdict.action === "deny" ? { errno: printErrno(record.errno ?? verdict.errno) } : {}),
    ...answerOf(record.answered),
    ...(feignsSuccess(verdict) ? { returns: 0 as const } : {}),
    ...(reason === "" ? {} : { reason }),
    ...permitOf(permitOfVerdict(policy, verdict, record)),
    ...ruleOf(policy, verdict.at),
    ...rest,
  };
}

function permitOfVerdict(
  policy: PolicyDescription,
  { action, reason }: ReportedVerdict,
  { memory = [], paths, answered }: JudgementRecord,
): Permit | undefined {
  if (action === "log" || answered === "allowed" || answered === "allowed-before") return undefined;
  const texts = paths ?? memory.flatMap((one) => (one.memory.is === "text" && !one.isCut ? [one.memory.bytes] : []));
  const kind = reasonsOfNames.get(reason ?? "");
  return kind === undefined ? permitByReason(policy, reason, texts) : permitName(policy, kind, texts);
}

/** The reasons of policies/shared/protected-paths.ts for a call that names what is protected. */
const reasonsOfNames: ReadonlyMap<string, "protected" | "guarded"> = new Map([
  ["files.protect: a name of a protected file or directory", "protected"],
  ["files.protect: the name of a directory with protected entries", "guarded"],
  ["files.protect: nothing moves into or out of a directory with protected entries", "guarded"],
]);

function answerOf(answered: Answered | undefined): Pick<DecisionEvent, "answered" | "errno"> {
  if (answered === undefined) return {};
  return answered === "allowed" || answered === "allowed-before" ? { answered } : { answered, errno: "EPERM" };
}

function printErrno(errno: number): string {
  return errnoName(errno) ?? String(errno);
}

function printValue(print: Report["values"][number]["print"], value: bigint): string | boolean {
  if (print === "boolean") return value !== 0n;
  return String(print === "signed" ? BigInt.asIntN(64, value) : value);
}

/** "policies/nginx.ts:29:7". */
export function printLocation(files: readonly string[], at: Location): string {
  return `${files[at.file] ?? "?"}:${at.line}:${at.column}`;
}

function ruleOf(policy: PolicyDescription, at: Location | undefined): { readonly rule?: string } {
  return at === undefined ? {} : { rule: printLocation(policy.files, at) };
}

function policyOf({ name, digest }: PolicyDescription): { readonly policy: string; readonly digest?: string } {
  return digest === undefined ? { policy: name } : { policy: name, digest };
}

function phaseName(phase: PolicyDescription["phases"][number], value: number | undefined): string {
  return value === undefined ? "?" : (phase.names[value] ?? String(value));
}

/** To the microsecond. */
function seconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1e6;
}
