/** Reads refused calls from the lines of `run --events` (docs/events.md). */

import type { ArchitectureName } from "../abi/architecture.ts";
import { callByName } from "../abi/calls.ts";
import { printCall } from "../abi/decode.ts";
import { readCall } from "../cases/cases.ts";
import type { ObjectJson } from "../events/event.ts";
import { actions } from "../ir/verdicts.ts";
import { readJsonMemory } from "../traces/notation/json-memory.ts";
import { knownWord } from "../traces/trace.ts";
import type { PhaseNames, Refusal } from "./refusal.ts";

export type EventReading =
  | { readonly is: "refusal"; readonly refusals: readonly Refusal[] }
  /** No refusal of a call: an allowed or asked call, a report, a notice, a host. */
  | { readonly is: "other"; readonly dropped: number; readonly host?: string }
  | { readonly is: "malformed"; readonly why: string };

type Members = Readonly<Record<string, unknown>>;

/** As `policyDigest` writes it. */
const digestPattern = /^sha256:[0-9a-f]{64}$/;

const refusing = { deny: "deny", trap: "trap", "kill-thread": "kill thread", "kill-process": "kill process" } as const;

export function readEvent(line: string, architecture: ArchitectureName): EventReading {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return { is: "malformed", why: "it is not JSON" };
  }
  if (!isObject(event)) return { is: "malformed", why: "it is no object" };
  if (event["v"] !== 1) return { is: "malformed", why: "its version `v` is not 1" };
  if (event["kind"] === "host") return hostReading(event);
  if (event["kind"] !== "decision") {
    const dropped = event["dropped"];
    return { is: "other", dropped: typeof dropped === "number" && Number.isSafeInteger(dropped) ? dropped : 0 };
  }
  return decisionReading(event, architecture);
}

function hostReading({ host, port, rule }: Members): EventReading {
  if (typeof host !== "string") return { is: "malformed", why: "`host` is no text" };
  const whole = typeof port === "number" ? `${host.includes(":") ? `[${host}]` : host}:${port}` : host;
  return { is: "other", dropped: 0, host: typeof rule === "string" ? `${whole} (${rule})` : whole };
}

function decisionReading(event: Members, architecture: ArchitectureName): EventReading {
  const { call, number, verdict, errno, digest } = event;
  if (typeof call !== "string") return { is: "malformed", why: "`call` is no text" };
  if (typeof verdict !== "string" || !Object.hasOwn(actions, verdict)) {
    return { is: "malformed", why: "`verdict` is no verdict" };
  }
  if (!Object.hasOwn(refusing, verdict)) return { is: "other", dropped: 0 };
  const action = verdict as keyof typeof refusing;
  if (action === "deny" && typeof errno !== "string") return { is: "malformed", why: "`errno` is no text" };
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    return { is: "malformed", why: "`number` is no integer" };
  }
  const count = event["count"] ?? 1;
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 1) {
    return { is: "malformed", why: "`count` is no positive integer" };
  }
  if (digest !== undefined && (typeof digest !== "string" || !digestPattern.test(digest)))
    return { is: "malformed", why: "`digest` is no SHA-256" };
  const { object } = event;
  if (object !== undefined && !isDeniedObject(object)) return { is: "malformed", why: "`object` has no `blockers`" };
  const phases = phasesOf(event["phases"]);
  if (phases === null) return { is: "malformed", why: "`phases` has no names" };
  const text = (member: string) =>
    typeof event[member] === "string" ? { [member]: event[member] as string } : undefined;
  const common = {
    number,
    verdict: action === "deny" ? `deny ${errno}` : refusing[action],
    command: text("command")?.["command"] ?? "",
    ...text("reason"),
    ...text("rule"),
    ...text("policy"),
    ...(digest === undefined ? {} : { digest }),
    ...(phases === undefined ? {} : { phases }),
    ...(typeof event["time"] === "number" ? { time: event["time"] } : {}),
    ...(object === undefined ? {} : { object }),
  };
  const described = callByName(call);
  if (described?.number[architecture] !== number) {
    const refusal = { ...common, call: undefined, registers: [], memory: new Map(), text: call, count };
    return { is: "refusal", refusals: [refusal] };
  }
  const written = argumentsOf(event["arguments"]);
  if (written === undefined) return { is: "malformed", why: "`arguments` is no list of names and texts" };
  // Only a comment shows the bits that the kernel ignores.
  const args = written.map(({ name, text: given }, index) => {
    const register = /\/\* register (0x[0-9a-f]+) \*\/$/.exec(given)?.[1];
    const position = described.parameters.findIndex((one) => one.name === name);
    return register === undefined || position !== index ? given : `raw.arg${position}=${register}`;
  });
  const { call: read } = readCall(`${call}(${args.join(", ")})`, architecture);
  if (read === undefined) return { is: "malformed", why: "its arguments cannot be read" };
  const json = readJsonMemory(event, call, architecture);
  if (!("memory" in json)) return { is: "malformed", why: `\`${json.member}\` is not ${json.wanted}` };
  const refusal: Refusal = {
    ...common,
    call,
    registers: read.registers.map(knownWord),
    memory: new Map([...read.memory, ...json.memory]),
    text: printCall(call, written),
    count,
  };
  return { is: "refusal", refusals: searchOf(event["paths"], refusal, written) };
}

/** A search for a file in several directories is one event. */
function searchOf(paths: unknown, refusal: Refusal, written: readonly Argument[]): readonly Refusal[] {
  if (!Array.isArray(paths) || paths.length === 0 || !refusal.memory.has("path")) return [refusal];
  return paths.flatMap((path: unknown) => {
    const bytes = bytesOf(path);
    if (bytes === undefined) return [];
    const shown = written.map((one) =>
      one.name === "path" ? { ...one, text: JSON.stringify(bytes.toString()) } : one,
    );
    return [
      {
        ...refusal,
        memory: new Map([...refusal.memory, ["path", { is: "text", bytes, isCut: false }]]),
        text: printCall(refusal.call!, shown),
        count: 1,
      },
    ];
  });
}

function bytesOf(path: unknown): Buffer | undefined {
  if (typeof path === "string") return Buffer.from(path);
  return isObject(path) && typeof path["hex"] === "string" ? Buffer.from(path["hex"], "hex") : undefined;
}

interface Argument {
  readonly name: string;
  readonly text: string;
}

function argumentsOf(given: unknown): readonly Argument[] | undefined {
  if (!Array.isArray(given)) return undefined;
  const list = given.map((one: unknown) =>
    isObject(one) && typeof one["name"] === "string" && typeof one["text"] === "string"
      ? { name: one["name"], text: one["text"] }
      : undefined,
  );
  return list.includes(undefined) ? undefined : (list as readonly Argument[]);
}

function phasesOf(given: unknown): PhaseNames | undefined | null {
  if (given === undefined) return undefined;
  if (!isObject(given)) return null;
  return Object.values(given).every((one) => typeof one === "string") ? (given as PhaseNames) : null;
}

function isDeniedObject(value: unknown): value is ObjectJson {
  const blockers = isObject(value) ? value["blockers"] : undefined;
  return Array.isArray(blockers) && blockers.every((one: unknown) => typeof one === "string");
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
