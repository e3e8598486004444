/**
 * The filter of a recording, for the launcher: a program for the kernel's series that allows every call and writes a
 * record of it (layout.ts) to a ring buffer. The kernel runs one evaluation at a time for all tasks of the command
 * (SECCOMP_EBPF_LOCK and an object that all share), so records are in the order of their times, and the records of a
 * call are consecutive.
 *
 * A process's first record names the call that created it. Each thread has the number of its last call in one object,
 * which the kernel copies to a new process, and the number of its last record in another one, which is zero in a new
 * process. In a new thread both are zero.
 */
import { encodeBundle } from "../../bundle/write.ts";
import { Code } from "../../compile/ebpf/instructions/code.ts";
import type { Register } from "../../compile/ebpf/instructions/instruction.ts";
import { architectureOffset, callContext, callFields } from "../../compile/ebpf/targets/seccomp-data.ts";
import { relocatable } from "../../engines/make-bundle.ts";
import { type ArchitectureName, auditArchitecture } from "../../linux/architecture.ts";
import { programTypes } from "../../linux/bpf.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { packageVersion } from "../../linux/package.ts";
import { returnAction } from "../../linux/return-word.ts";
import { type DeclaredRead, declaredReads } from "./declarations.ts";
import { callSize, layout, memorySize, mostReads } from "./layout.ts";

/**
 * Bytes: room for 200,000 calls, a quarter of a second of the busiest tree and many times the calls of a server between
 * two polls.
 */
export const ringSize = 1 << 25;

/** Maps in the order in which instructions name them. */
const maps = { launch: 0, events: 1, dropped: 2 } as const;
/** State objects: one of the thread, copied by a fork; one of the thread, not copied; one of all tasks. */
const states = {
  last: { index: 0, size: 16, task: 0, serial: 8 },
  own: { index: 1, size: 32, recorded: 0, maker: 8, creation: 16, isKnown: 24 },
  tree: { index: 2, size: 8, calls: 0 },
} as const;
/** `enum bpf_func_id` (include/uapi/linux/bpf.h). */
const helpers = { now: 5, output: 130, reserve: 131, submit: 132 } as const;
/** BPF_RB_NO_WAKEUP: the reader polls. */
const noWakeUp = 1;

const context: Register = 6;
const last: Register = 7;
const record: Register = 8;
const own: Register = 9;
const frame: Register = 10;
/** Stack offsets of the values that the program writes more than once. */
const saved = { serial: -8, task: -16, time: -24 } as const;

/** Makes a bundle in the form that the launcher reads. */
export function recordingBundle(architecture: ArchitectureName, memory: boolean): Uint8Array {
  const reads = memory ? declaredReads(architecture) : new Map<number, readonly DeclaredRead[]>();
  const map = { valueType: 0, keyType: 0, lock: undefined, initial: new Uint8Array() } as const;
  const array = { ...map, type: "array", keySize: 4, capacity: 1 } as const;
  return encodeBundle({
    architecture,
    name: "recording",
    compiler: `portcullis ${packageVersion()}`,
    target: "unprivileged",
    fixed: [],
    parameters: [],
    licence: "GPL",
    programType: programTypes.seccomp,
    programFlags: 0,
    locked: true,
    matches: false,
    classicIsAll: false,
    unprivileged: true,
    readOnlyProc: false,
    classic: new Uint8Array(),
    classicToken: [],
    ...relocatable(program(architecture, reads).at(0)),
    maps: [
      { ...array, name: "launch", valueSize: 16, holds: "launch" },
      { ...map, name: "events", type: "ring-buffer", keySize: 0, valueSize: 0, capacity: ringSize, holds: "events" },
      { ...array, name: "dropped", valueSize: 8, holds: "state" },
    ],
    states: [
      { name: "last", scope: "thread", fork: "copy", size: states.last.size },
      { name: "own", scope: "thread", fork: "fresh", size: states.own.size },
      { name: "tree", scope: "process", fork: "share", size: states.tree.size },
    ],
    rooms: [],
    declared: [...reads.values()].flatMap((ofCall) => ofCall.map(({ declared }) => declared)).sort(inOrder),
    launch: [{ is: "token", map: maps.launch, offset: 0 }],
    constantAllows: [],
    types: new Uint8Array(),
    functionInfo: new Uint8Array(),
    lineInfo: new Uint8Array(),
    verdicts: [{ action: "allow", errno: 0, reason: undefined, at: undefined }],
    reports: [],
    sourceMap: [],
  });
}

type Declared = DeclaredRead["declared"];

function inOrder(one: Declared, other: Declared): number {
  return one.number - other.number || one.argument - other.argument;
}

function program(architecture: ArchitectureName, reads: ReadonlyMap<number, readonly DeclaredRead[]>): Code {
  const code = new Code();
  code.move(context, 1);
  passLauncher(code, architecture);
  findStates(code);
  noteCall(code);
  beginRecord(code);
  writeMemory(code, architecture, reads);
  code.label("submit");
  code.move(1, record);
  code.arithmetic("move", 2, { immediate: noWakeUp });
  code.callHelper(helpers.submit);
  code.label("allow");
  code.wide(0, { is: "value", value: BigInt(returnAction.ALLOW) });
  code.exit();
  return code;
}

/** Skips the launcher's own execve, which carries the token. */
function passLauncher(code: Code, architecture: ArchitectureName): void {
  code.load(4, 1, context, callContext.number.offset);
  code.jump("not-equal", 1, { immediate: callNumber("execve", architecture) }, "command");
  code.wide(3, { is: "map-value", map: maps.launch, offset: 0 });
  for (const [word, field] of [callContext.argument4, callContext.argument5].entries()) {
    code.load(8, 1, context, field.offset);
    code.load(8, 2, 3, 8 * word);
    code.jump("not-equal", 1, { register: 2 }, "command");
  }
  code.goto("allow");
  code.label("command");
}

/** Stores the number of calls up to and including this one in `saved.serial`. */
function findStates(code: Code): void {
  for (const { index, size } of [states.last, states.own, states.tree]) {
    code.arithmetic("move", 1, { immediate: index });
    code.arithmetic("move", 2, { immediate: size });
    code.callKernel("bpf_seccomp_state");
    // Only in a test run of the kernel's.
    code.jump("equal", 0, { immediate: 0 }, "allow");
    if (index !== states.tree.index) code.move(index === states.last.index ? last : own, 0);
  }
  code.load(8, 1, 0, states.tree.calls);
  code.arithmetic("add", 1, { immediate: 1 });
  code.store(8, 0, states.tree.calls, { register: 1 });
  code.store(8, frame, saved.serial, { register: 1 });
}

/** Stores the call before its record, so that the child of a call without a record has a parent. */
function noteCall(code: Code): void {
  code.callKernel("bpf_seccomp_pid_tgid");
  code.store(8, frame, saved.task, { register: 0 });
  code.callHelper(helpers.now);
  code.store(8, frame, saved.time, { register: 0 });
  code.load(8, 1, own, states.own.isKnown);
  code.jump("not-equal", 1, { immediate: 0 }, "known");
  code.store(8, own, states.own.isKnown, { immediate: 1 });
  copy(code, { from: last, at: states.last.task, to: own, offset: states.own.maker });
  copy(code, { from: last, at: states.last.serial, to: own, offset: states.own.creation });
  code.label("known");
  copy(code, { from: frame, at: saved.task, to: last, offset: states.last.task });
  copy(code, { from: frame, at: saved.serial, to: last, offset: states.last.serial });
}

interface Copied {
  readonly from: Register;
  readonly at: number;
  readonly to: Register;
  readonly offset: number;
}

function copy(code: Code, { from, at, to, offset }: Copied, size: 4 | 8 = 8): void {
  code.load(size, 1, from, at);
  code.store(size, to, offset, { register: 1 });
}

function beginRecord(code: Code): void {
  code.wide(1, { is: "map", map: maps.events });
  code.arithmetic("move", 2, { immediate: callSize });
  code.arithmetic("move", 3, { immediate: 0 });
  code.callHelper(helpers.reserve);
  code.jump("not-equal", 0, { immediate: 0 }, "reserved");
  code.wide(1, { is: "map-value", map: maps.dropped, offset: 0 });
  code.load(8, 2, 1, 0);
  code.arithmetic("add", 2, { immediate: 1 });
  code.store(8, 1, 0, { register: 2 });
  code.goto("allow");
  code.label("reserved");
  code.move(record, 0);
  copy(code, { from: frame, at: saved.time, to: record, offset: layout.time });
  copy(code, { from: frame, at: saved.serial, to: record, offset: layout.serial });
  copy(code, { from: frame, at: saved.task, to: record, offset: layout.task });
  copy(code, { from: own, at: states.own.recorded, to: record, offset: layout.former });
  copy(code, { from: own, at: states.own.maker, to: record, offset: layout.maker });
  copy(code, { from: own, at: states.own.creation, to: record, offset: layout.creation });
  copy(code, { from: frame, at: saved.task, to: own, offset: states.own.recorded });
  for (const { offset, size } of callFields) {
    copy(code, { from: context, at: offset, to: record, offset: layout.call + offset }, size);
  }
  for (let index = 0; index < mostReads; index++) {
    code.store(8, record, layout.memory + memorySize * index, { immediate: 0 });
  }
}

/** Jumps to the code for the reads of the call by a binary search; calls with equal reads share it. */
function writeMemory(
  code: Code,
  architecture: ArchitectureName,
  reads: ReadonlyMap<number, readonly DeclaredRead[]>,
): void {
  if (reads.size === 0) return;
  code.load(4, 1, context, architectureOffset);
  code.wide(2, { is: "value", value: BigInt(auditArchitecture[architecture]) });
  code.jump("not-equal", 1, { register: 2 }, "submit");
  code.load(4, 1, context, callContext.number.offset);
  const groups = new Map<string, readonly DeclaredRead[]>();
  const targets = [...reads].map(([number, ofCall]) => {
    const key = ofCall.map(({ declared: { argument, kind, size } }) => `${kind}-${argument}-${size}`).join(" ");
    groups.set(key, ofCall);
    return { number, label: key };
  });
  search(
    code,
    targets.sort((a, b) => a.number - b.number),
  );
  for (const [label, ofCall] of groups) {
    code.label(label);
    ofCall.forEach((read, index) => {
      writeRead(code, read, { index, next: `${label}, after ${index}` });
    });
    code.goto("submit");
  }
}

interface Target {
  readonly number: number;
  readonly label: string;
}

/** Jumps by the call number in R1. */
function search(code: Code, targets: readonly Target[]): void {
  const [only] = targets;
  if (targets.length === 1) {
    code.jump("equal", 1, { immediate: only!.number }, only!.label);
    code.goto("submit");
    return;
  }
  const middle = targets.length >> 1;
  const upper = `calls from ${targets[middle]!.number}`;
  code.jump("at-least", 1, { immediate: targets[middle]!.number }, upper);
  search(code, targets.slice(0, middle));
  code.label(upper);
  search(code, targets.slice(middle));
}

/** `index`: the position of the read in its call; `next`: the label behind it. `own` is free from here on. */
function writeRead(code: Code, { declared }: DeclaredRead, { index, next }: { index: number; next: string }): void {
  const at = layout.memory + memorySize * index;
  const { argument, kind, size } = declared;
  // The address of a message follows its header.
  const part = kind === "message" ? 1 : 0;
  const name = (number: number) => code.arithmetic("move", 1, { immediate: number });
  name(argument);
  if (kind === "strings") code.callKernel("bpf_seccomp_arg_parts");
  else {
    code.arithmetic("move", 2, { immediate: part });
    code.callKernel("bpf_seccomp_arg_len");
  }
  code.store(4, record, at, { register: 0 });
  code.jump("at-most-signed", 0, { immediate: 0 }, next);
  // Texts of a list are consecutive, followed by zeros.
  if (kind === "strings") code.arithmetic("move", own, { immediate: size });
  else {
    code.move(own, 0);
    code.jump("at-most", own, { immediate: size }, `${next}, whole`);
    code.arithmetic("move", own, { immediate: size });
    code.label(`${next}, whole`);
  }
  name(argument);
  code.arithmetic("move", 2, { immediate: part });
  code.arithmetic("move", 3, { immediate: size });
  code.callKernel("bpf_seccomp_arg");
  code.jump("equal", 0, { immediate: 0 }, next);
  code.move(2, 0);
  code.wide(1, { is: "map", map: maps.events });
  code.move(3, own);
  code.arithmetic("move", 4, { immediate: noWakeUp });
  code.callHelper(helpers.output);
  code.jump("not-equal", 0, { immediate: 0 }, next);
  code.store(4, record, at + 4, { immediate: 1 });
  code.label(next);
}
