/** Instantiates a compiled policy and transfers its inputs and reports. */
import { randomBytes } from "node:crypto";
import type { Circumstances, EnteredRoom, Evaluation, SystemCallEvent } from "../../ir/evaluation.ts";
import type { CompiledStep } from "./compile.ts";
import { addresses, type MemoryLayout } from "./layout.ts";
import { initialise, type Memory, seedTables } from "./state.ts";

/**
 * An instantiated policy with its memory. The tree's state is initialised; the host allocates state for threads and
 * processes.
 */
export interface PolicyInstance {
  readonly memory: Memory;
  readonly layout: MemoryLayout;
  /** Judges the call in memory, given the addresses of the caller's thread and process state. */
  readonly step: (thread: number, process: number) => number;
}

/** The part of the WebAssembly interface that @types/node 20 lacks. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** Modules can be instantiated more than once. */
const modules = new WeakMap<CompiledStep, object>();

function moduleOf(compiled: CompiledStep): object {
  const module = modules.get(compiled) ?? new WebAssembly.Module(compiled.module);
  modules.set(compiled, module);
  return module;
}

/** `secret` are the tables' 24 random bytes; only tests choose them. */
export function instantiate(compiled: CompiledStep, secret: Uint8Array = randomBytes(24)): PolicyInstance {
  const { layout } = compiled;
  const memory = new WebAssembly.Memory({ initial: layout.pages });
  const { exports } = new WebAssembly.Instance(moduleOf(compiled), { env: { memory } });
  seedTables(memory, layout, secret);
  initialise(memory, layout, "tree", layout.tree);
  return { memory, layout, step: exports["step"] as PolicyInstance["step"] };
}

/**
 * Writes a call and its circumstances to the inputs of `step`. (Under the notify engine the kernel writes the call.)
 */
export function writeInputs(
  { memory, layout }: Pick<PolicyInstance, "memory" | "layout">,
  event: SystemCallEvent,
  circumstances: Circumstances,
): void {
  const view = new DataView(memory.buffer);
  for (const [index, word] of (circumstances.observed ?? []).entries()) {
    view.setBigUint64(layout.words + 8 * index, word, true);
  }
  view.setUint32(addresses.number, event.number >>> 0, true);
  view.setUint32(addresses.architecture, event.architecture >>> 0, true);
  view.setBigUint64(addresses.instructionPointer, event.instructionPointer, true);
  for (const [index, value] of event.arguments.entries()) {
    view.setBigUint64(addresses.arguments + 8 * index, value, true);
  }
  view.setBigUint64(addresses.now, circumstances.now, true);
  view.setBigUint64(addresses.alive, circumstances.alive, true);
  view.setUint32(addresses.pid, circumstances.pid, true);
  view.setUint32(addresses.tid, circumstances.tid, true);
  view.setUint32(addresses.uid, circumstances.uid, true);
  view.setUint32(addresses.gid, circumstances.gid, true);
}

/** Removes and returns the reports of the last step. */
export function takeReports(memory: Memory): Evaluation["reports"] {
  const view = new DataView(memory.buffer);
  const reports: { report: number; values: bigint[] }[] = [];
  let at: number = addresses.reports;
  for (let rest = view.getUint32(addresses.reportCount, true); rest > 0; rest--) {
    const report = view.getUint32(at, true);
    const count = view.getUint32(at + 4, true);
    at += 8;
    const values: bigint[] = [];
    for (let index = 0; index < count; index++, at += 8) values.push(view.getBigUint64(at, true));
    reports.push({ report, values });
  }
  view.setUint32(addresses.reportCount, 0, true);
  return reports;
}

/** The rooms that the last step entered, in ascending order. */
export function enteredRooms(
  { memory, layout }: Pick<PolicyInstance, "memory" | "layout">,
  rooms: number,
): readonly EnteredRoom[] {
  if (rooms === 0) return [];
  const view = new DataView(memory.buffer);
  const entered: EnteredRoom[] = [];
  for (let room = 0, rest = view.getUint32(layout.entered, true); rest > 0; room++) {
    const side = view.getUint32(layout.entered + 4 + 4 * room, true);
    if (side === 0) continue;
    entered.push({ room, side: side - 1 });
    rest -= 1;
  }
  return entered;
}
