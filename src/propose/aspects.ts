/**
 * Aspects: the parts of a call's arguments that can become a rule. A value that does not show the purpose of a call (a
 * pid, a descriptor, an address in memory, a size, an offset) is not an aspect.
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import type { CallDescription, CallParameter, Rewrite } from "../abi/call.ts";
import { registerOf } from "../abi/calls.ts";
import { pathBytes, pointeeOf, structures } from "../abi/pointees.ts";
import { isExecutingCall } from "../abi/process-calls.ts";
import { rewritesOf } from "../abi/rewrites.ts";
import type { GivenMemory } from "../engines/simulate/given-memory.ts";
import { structureField } from "../engines/simulate/given-memory.ts";
import type { CallEvent, Word } from "../traces/trace.ts";
import { unknownWord } from "../traces/trace.ts";

/** The detail with which a proposal looks at calls: each level includes those before it. */
export const details = ["calls", "arguments", "paths"] as const;
export type Detail = (typeof details)[number];

export type Aspect =
  | { readonly is: "flags" | "choice"; readonly parameter: string; readonly set: string; readonly index: number }
  | { readonly is: "integer"; readonly parameter: string; readonly signed: boolean; readonly index: number }
  /** A field of a structure behind a pointer. */
  | { readonly is: "field"; readonly parameter: string; readonly field: string; readonly set: string }
  /** The text of a path or of another string. */
  | { readonly is: "text"; readonly parameter: string; readonly isPath: boolean }
  | { readonly is: "address"; readonly parameter: string; readonly isMessage: boolean };

/**
 * The recorded value of an aspect: an integer, a text, the bytes of an address (one in each character), `null` for a
 * pointer without memory (null or invalid), undefined if it is unknown or if no policy can write it (a text that is not
 * UTF-8).
 */
export type Value = bigint | string | null | undefined;

/** Integers with few values that show the purpose of a call: identities, protocols, options. */
const meaningful: ReadonlySet<string> = new Set([
  ...["uid", "gid", "ruid", "euid", "suid", "rgid", "egid", "sgid", "user", "group"],
  ...["protocol", "optname", "personality", "policy", "level", "turn_on"],
]);

/**
 * Arguments that choose how a call works or what it reads, and not what it reaches. Rare paths have other values, so rules
 * on these arguments would only break them.
 */
const harmless: ReadonlySet<string> = new Set([
  ...["lseek.whence", "epoll_ctl.op", "rt_sigprocmask.how", "rt_sigaction.sig", "statx.mask", "getrandom.flags"],
  ...["clock_gettime.which_clock", "clock_getres.which_clock", "clock_nanosleep.which_clock", "futex.op"],
  ...["wait4.options", "waitid.options", "waitid.which", "madvise.behavior", "fadvise64.advice", "msync.flags"],
  ...["clock_nanosleep.flags", "timer_create.which_clock", "timerfd_create.clockid", "timerfd_settime.flags"],
  ...["sched_get_priority_max.policy", "sched_get_priority_min.policy", "getrlimit.resource", "shutdown.how"],
  ...["recvfrom.flags", "recvmsg.flags", "recvmmsg.flags", "sendto.flags", "sendmsg.flags", "sendmmsg.flags"],
  ...["access.mode", "faccessat.mode", "faccessat2.mode", "faccessat2.flags", "newfstatat.flag", "statx.flags"],
  ...["accept4.flags", "epoll_create1.flags", "eventfd2.flags", "inotify_init1.flags", "signalfd4.flags"],
  ...["timerfd_create.flags", "dup3.flags", "setitimer.which", "getitimer.which", "inotify_add_watch.mask"],
  ...["flock.cmd", "getsockopt.optname"],
]);

/** Fields of structures that decide the purpose of the call. */
const fieldsOfCalls: Readonly<Record<string, readonly { parameter: string; field: string; set: string }[]>> = {
  clone3: [{ parameter: "uargs", field: "flags", set: "Clone3Flag" }],
  openat2: [
    { parameter: "how", field: "flags", set: "OpenFlag" },
    { parameter: "how", field: "resolve", set: "ResolveFlag" },
  ],
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function aspectsOf(call: CallDescription, detail: Detail, architecture: ArchitectureName): readonly Aspect[] {
  const aspects = call.parameters.flatMap((parameter, position): Aspect[] => {
    const index = registerOf(call, position, architecture);
    return aspectOfParameter(call.name, parameter, detail, index);
  });
  // clone3 has its flags behind its pointer, so even the coarsest policy reads them.
  const fields = call.name === "clone3" || detail === "paths" ? (fieldsOfCalls[call.name] ?? []) : [];
  return [...aspects, ...fields.map((field) => ({ is: "field", ...field }) as const)];
}

function aspectOfParameter(call: string, parameter: CallParameter, detail: Detail, index: number): Aspect[] {
  const { name, kind, signed, type } = parameter;
  if (detail === "calls")
    return call === "clone" && name === "flags" && "set" in kind ? [{ ...kind, parameter: name, index }] : [];
  switch (kind.is) {
    case "flags":
    case "choice":
      return harmless.has(`${call}.${name}`) ? [] : [{ ...kind, parameter: name, index }];
    case "integer":
      return meaningful.has(name) && !harmless.has(`${call}.${name}`) && !type.includes("char")
        ? [{ is: "integer", parameter: name, signed, index }]
        : [];
    case "pointer": {
      const pointee = pointeeOf(call, name);
      if (detail !== "paths" && !isExecutingCall(call)) return [];
      switch (pointee?.is) {
        case "path":
        case "string":
          return [{ is: "text", parameter: name, isPath: pointee.is === "path" }];
        case "address":
        case "message":
          return detail === "paths" ? [{ is: "address", parameter: name, isMessage: pointee.is === "message" }] : [];
        case "strings":
        case "structure":
        case undefined:
          return [];
      }
    }
  }
}

/** The part of the value that the kernel uses. */
export function valueIn(
  call: CallDescription,
  aspect: Aspect,
  event: CallEvent,
  architecture: ArchitectureName,
): Value {
  switch (aspect.is) {
    case "flags":
    case "choice":
    case "integer": {
      const parameter = call.parameters.find(({ name }) => name === aspect.parameter)!;
      const bits = usedBits(call, parameter, event.arguments, architecture);
      if (bits === undefined) return undefined;
      return aspect.is === "integer" && aspect.signed ? BigInt.asIntN(parameter.width, bits) : bits;
    }
    case "field":
      return fieldOf(call.name, aspect, event.memory.get(aspect.parameter));
    case "text":
    case "address": {
      const memory =
        event.memory.get(aspect.parameter) ?? behind(call, aspect.parameter, event.arguments, architecture);
      return memory === undefined ? undefined : memoryValue(memory);
    }
  }
}

function memoryValue(memory: GivenMemory): Value {
  switch (memory.is) {
    case "text":
      return memory.isCut ? undefined : textOf(untilNul(memory.bytes));
    case "address":
      return latin(memory.bytes);
    case "absent":
    case "failed":
      return null;
    case "unknown":
    case "strings":
    case "structure":
      return undefined;
  }
}

function textOf(bytes: Uint8Array): Value {
  // The kernel's copy of a longer text fails (ENAMETOOLONG).
  return bytes.length >= pathBytes ? null : utf8(bytes);
}

/** Undefined for bytes that are not UTF-8, and for a NUL. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

export function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** A register of 0 is a null pointer; another pointer without recorded memory is unknown. */
function behind(
  call: CallDescription,
  name: string,
  words: readonly Word[],
  architecture: ArchitectureName,
): GivenMemory | undefined {
  const position = call.parameters.findIndex((parameter) => parameter.name === name);
  const { value, known } = words[registerOf(call, position, architecture)] ?? unknownWord;
  return value === 0n && BigInt.asUintN(64, ~known) === 0n ? { is: "absent" } : undefined;
}

/** A field of the structure behind the pointer. */
export function fieldOf(
  call: string,
  { parameter, field }: { readonly parameter: string; readonly field: string },
  memory: GivenMemory | undefined,
): Value {
  if (memory?.is === "absent" || memory?.is === "failed") return null;
  const pointee = pointeeOf(call, parameter);
  if (memory?.is !== "structure" || pointee?.is !== "structure") return undefined;
  const layout = structures[pointee.structure].fields.find(({ name }) => name === field)!;
  const { value, unknown } = structureField(memory, { offset: layout.offset, bytes: layout.bytes });
  return unknown === 0n ? value : undefined;
}

/** Undefined if the recording lacks one of them. */
function usedBits(
  call: CallDescription,
  parameter: CallParameter,
  words: readonly Word[],
  architecture: ArchitectureName,
): bigint | undefined {
  const register = (name: string): Word => {
    const index = call.parameters.findIndex((one) => one.name === name);
    return words[registerOf(call, index, architecture)] ?? unknownWord;
  };
  const { value, known } = register(parameter.name);
  const whole = BigInt.asUintN(parameter.width, -1n);
  if ((known & whole) !== whole) return undefined;
  let bits = value & whole;
  for (const rewrite of rewritesOf(call.name, parameter.name, architecture)) {
    const applies = conditionOf(rewrite, parameter.name, bits, register);
    if (applies === undefined) return undefined;
    if (applies) bits = (bits & ~rewrite.clear) | rewrite.set;
  }
  return bits & whole;
}

function conditionOf(
  { when }: Rewrite,
  own: string,
  bits: bigint,
  register: (name: string) => Word,
): boolean | undefined {
  for (const { parameter, mask, values } of when) {
    const { value, known } = parameter === own ? { value: bits, known: mask } : register(parameter);
    if ((known & mask) !== mask) return undefined;
    if (!values.includes(value & mask)) return false;
  }
  return true;
}
