/** Runs programs of the trial target, on the tests' interpreter or on the running kernel, each with its own state. */

import { mapFlags, mapTypes, programFlags, programTypes } from "../../../abi/bpf-numbers.ts";
import type { Circumstances, EnteredRoom, ScopeState, SystemCallEvent } from "../../../ir/evaluation.ts";
import type { Program, Scope } from "../../../ir/program.ts";
import { BpfMap } from "../../../machine/bpf/maps.ts";
import { loadProgram, TestRun } from "../../../machine/bpf/programs.ts";
import { loadBtf } from "../../../machine/bpf/type-information.ts";
import { close } from "../../../machine/descriptors.ts";
import { Btf } from "../../btf/types.ts";
import { type EbpfInstruction, encode } from "../instructions/instruction.ts";
import { tableEntries, tableSize } from "../tables/shape.ts";
import { stateOffsets } from "../tables/state.ts";
import type { MapDescription } from "../targets/storage.ts";
import { runEbpf } from "./interpreter.ts";
import type { EbpfMachine } from "./machine.ts";
import { reportStride, trialContext, trialContextSize, trialMaps, trialRooms, trialStorage } from "./trial-target.ts";

export interface Outcome {
  /** The program's result. */
  readonly result: number;
  readonly entered: readonly EnteredRoom[];
  readonly reports: readonly { readonly report: number; readonly values: readonly bigint[] }[];
}

/** The state of an evaluation: indexes into the maps of threads and processes. */
export interface Slots {
  readonly thread: number;
  readonly process: number;
}

const firstSlots: Slots = { thread: 0, process: 0 };

function slotOf(scope: Scope, slots: Slots): number {
  return scope === "tree" ? 0 : slots[scope];
}

/** Fills a context of `trialContextSize(program)` bytes. */
export function writeContext(
  context: Uint8Array,
  event: SystemCallEvent,
  circumstances: Circumstances,
  slots: Slots,
): void {
  const view = new DataView(context.buffer, context.byteOffset, context.byteLength);
  context.fill(0);
  view.setInt32(0, event.number, true);
  view.setUint32(4, event.architecture, true);
  view.setBigUint64(8, event.instructionPointer, true);
  for (let index = 0; index < 6; index += 1) view.setBigUint64(16 + 8 * index, event.arguments[index]!, true);
  view.setBigUint64(64, circumstances.now, true);
  view.setBigUint64(72, circumstances.alive, true);
  view.setUint32(80, circumstances.pid, true);
  view.setUint32(84, circumstances.tid, true);
  view.setUint32(88, circumstances.uid, true);
  view.setUint32(92, circumstances.gid, true);
  view.setUint32(trialContext.threadSlot, slots.thread, true);
  view.setUint32(trialContext.processSlot, slots.process, true);
  circumstances.observed?.forEach((word, index) => {
    view.setBigUint64(context.length - 8 * (circumstances.observed!.length - index), word, true);
  });
}

/** The reports of an evaluation, in order, from the context after the run. */
export function readReports(program: Program, context: Uint8Array): Outcome["reports"] {
  const view = new DataView(context.buffer, context.byteOffset, context.byteLength);
  if (view.getUint32(trialContext.reportCount, true) === 0) return [];
  const stride = reportStride(program);
  const found: { turn: number; report: number; values: bigint[] }[] = [];
  for (let place: number = trialContext.reports; place < trialRooms(program); place += stride) {
    const [turn, report] = [view.getUint32(place, true), view.getUint32(place + 4, true)];
    if (turn === 0) continue;
    const values = program.reports[report]!.values.map((_, index) => view.getBigUint64(place + 8 * (index + 1), true));
    found.push({ turn, report, values });
  }
  return found.sort((a, b) => a.turn - b.turn).map(({ report, values }) => ({ report, values }));
}

/** The rooms that an evaluation entered, from the context after the run. */
function readEntered(program: Program, context: Uint8Array): readonly EnteredRoom[] {
  const view = new DataView(context.buffer, context.byteOffset, context.byteLength);
  return program.rooms.flatMap((_, room) => {
    const side = view.getUint32(trialRooms(program) + 4 + 4 * room, true);
    return side === 0 ? [] : [{ room, side: side - 1 }];
  });
}

export abstract class Trial {
  protected readonly program: Program;
  protected readonly context: Uint8Array;

  constructor(program: Program) {
    this.program = program;
    this.context = new Uint8Array(trialContextSize(program));
  }

  evaluate(event: SystemCallEvent, circumstances: Circumstances, slots: Slots = firstSlots): Outcome {
    writeContext(this.context, event, circumstances, slots);
    const result = this.run();
    return {
      result,
      entered: readEntered(this.program, this.context),
      reports: readReports(this.program, this.context),
    };
  }

  /** A cell's word. */
  cell(cell: number, slots: Slots = firstSlots): bigint {
    const { scope } = this.program.cells[cell]!;
    return this.state(scope, slotOf(scope, slots))[stateOffsets(this.program).cells[cell]! / 8]!;
  }

  /** A table's entries. */
  table(table: number, slots: Slots = firstSlots): Map<bigint, bigint> {
    const { tables, shapes } = stateOffsets(this.program);
    const start = tables[table]! / 8;
    const { scope } = this.program.tables[table]!;
    const words = this.state(scope, slotOf(scope, slots));
    return tableEntries(shapes[table]!, words.subarray(start, start + tableSize(shapes[table]!) / 8));
  }

  /** A scope's state, word by word as in memory: of the tree, or of the thread or process in this slot. */
  state(scope: Scope, slot = 0): BigUint64Array {
    const bytes = this.valueBytes(scope, slot).slice();
    return new BigUint64Array(bytes.buffer);
  }

  /** The same as bytes. */
  bytes(scope: Scope, slot: number): Uint8Array {
    return this.valueBytes(scope, slot);
  }

  /** Converts the bytes to the interpreter's form of a scope's state. */
  scopeState(scope: Scope, bytes: Uint8Array): ScopeState {
    const { cells, tables, shapes } = stateOffsets(this.program);
    const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
    const state: ScopeState = {
      cells: new BigUint64Array(cells.length),
      tables: tables.map((offset, index) =>
        this.program.tables[index]!.scope === scope
          ? tableEntries(shapes[index]!, words.subarray(offset / 8, (offset + tableSize(shapes[index]!)) / 8))
          : new Map(),
      ),
    };
    this.program.cells.forEach((cell, index) => {
      if (cell.scope === scope) state.cells[index] = words[cells[index]! / 8]!;
    });
    return state;
  }

  /** Initialises the state of a new process, or of its first thread, from its parent's. */
  inherit(scope: "thread" | "process", parent: number, child: number): void {
    const { cells, tables, shapes } = stateOffsets(this.program);
    const words = this.state(scope, parent);
    this.program.cells.forEach((cell, index) => {
      if (cell.scope !== scope || cell.onFork === "copy") return;
      const at = cells[index]! / 8;
      const mapped = cell.onFork === "fresh" ? undefined : cell.onFork.map[Number(words[at])];
      words[at] = mapped === undefined ? cell.initial : BigInt(mapped);
    });
    this.program.tables.forEach((table, index) => {
      const start = tables[index]! / 8;
      if (table.scope === scope && table.onFork === "fresh")
        words.fill(0n, start, start + tableSize(shapes[index]!) / 8);
    });
    this.setValueBytes(scope, child, new Uint8Array(words.buffer));
  }

  protected abstract valueBytes(map: MapName, slot: number): Uint8Array;
  protected abstract setValueBytes(map: MapName, slot: number, value: Uint8Array): void;
  protected abstract run(): number;
}

/** Fixed, so that failures are reproducible; the third word is odd. */
const tableSecret = Uint8Array.from({ length: 24 }, (_, index) => (index * 151 + 17) & 0xff);

type MapName = (typeof trialMaps)[number];

/** The initial bytes of a map, one value after the other. */
function initialBytes(map: MapDescription, parameters: readonly bigint[] = []): Uint8Array {
  const bytes = new Uint8Array(map.valueSize * map.capacity);
  if (map.holds === "launch") {
    bytes.set(tableSecret);
    bytes.set(new Uint8Array(BigUint64Array.from(parameters).buffer), tableSecret.length);
    return bytes;
  }
  map.initial?.forEach((value, index) => {
    bytes.set(value, index * map.valueSize);
  });
  return bytes;
}

export class InterpretedTrial extends Trial {
  readonly #instructions: readonly EbpfInstruction[];
  readonly #maps: EbpfMachine["maps"];
  readonly #loops: boolean;
  executed = 0;

  /** `loops`: for code of another compiler. */
  constructor(
    program: Program,
    instructions: readonly EbpfInstruction[],
    slots = 1,
    loops = false,
    parameters: readonly bigint[] = [],
  ) {
    super(program);
    this.#instructions = instructions;
    this.#loops = loops;
    this.#maps = trialStorage(program, slots).maps.map((map) => ({
      bytes: initialBytes(map, parameters),
      valueSize: map.valueSize,
    }));
  }

  protected valueBytes(map: MapName, slot: number): Uint8Array {
    const { bytes, valueSize } = this.#maps[trialMaps.indexOf(map)]!;
    return bytes.subarray(slot * valueSize, (slot + 1) * valueSize);
  }

  protected setValueBytes(map: MapName, slot: number, value: Uint8Array): void {
    this.valueBytes(map, slot).set(value);
  }

  protected run(): number {
    const machine = { context: this.context, maps: this.#maps, loops: this.#loops };
    const run = runEbpf(this.#instructions, machine);
    this.executed = run.executed;
    return run.result;
  }
}

export class KernelTrial extends Trial {
  readonly #maps: readonly BpfMap[];
  readonly #run: TestRun;
  readonly #program: number;

  /** Throws a VerifierError if the kernel refuses the program. */
  constructor(
    program: Program,
    instructions: readonly EbpfInstruction[],
    slots = 1,
    parameters: readonly bigint[] = [],
  ) {
    super(program);
    this.#maps = trialStorage(program, slots).maps.map((map) => makeMap(map, parameters));
    const mapDescriptors = this.#maps.map(({ descriptor }) => descriptor);
    const kernelFunction = (name: string): number => {
      throw new Error(`no kernel function ${name}`);
    };
    try {
      this.#program = loadProgram({
        type: programTypes.systemCall,
        flags: programFlags.sleepable,
        licence: "GPL",
        instructions: encode(instructions, { mapDescriptors, kernelFunction }),
      });
    } catch (error) {
      for (const { descriptor } of this.#maps) close(descriptor);
      throw error;
    }
    this.#run = new TestRun(this.#program, this.context);
  }

  /** For other threads that run the same program on the same state. */
  get descriptor(): number {
    return this.#program;
  }

  protected valueBytes(map: MapName, slot: number): Uint8Array {
    return this.#maps[trialMaps.indexOf(map)]!.get(keyOf(slot))!;
  }

  protected setValueBytes(map: MapName, slot: number, value: Uint8Array): void {
    this.#maps[trialMaps.indexOf(map)]!.set(keyOf(slot), value);
  }

  close(): void {
    close(this.#program);
    for (const { descriptor } of this.#maps) close(descriptor);
  }

  protected run(): number {
    return this.#run.run();
  }
}

function keyOf(slot: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(slot).buffer);
}

/**
 * Creates a map with its initial values. A map with a lock needs type information, by which the verifier finds the
 * lock.
 */
export function makeMap(description: MapDescription, parameters: readonly bigint[] = []): BpfMap {
  const { keySize, valueSize, capacity, lock, holds } = description;
  const btf = lock === undefined ? undefined : lockedValue(valueSize, lock);
  try {
    const isFrozen = holds === "launch";
    const flags = isFrozen ? mapFlags.readOnlyForPrograms : 0;
    const map = new BpfMap({ type: mapTypes.array, keySize, valueSize, capacity, flags, ...(btf && { btf }) });
    const bytes = initialBytes(description, parameters);
    for (let slot = 0; slot < capacity; slot += 1)
      map.set(keyOf(slot), bytes.subarray(slot * valueSize, (slot + 1) * valueSize));
    if (isFrozen) map.freeze();
    return map;
  } finally {
    if (btf !== undefined) close(btf.descriptor);
  }
}

function lockedValue(size: number, lock: number): { descriptor: number; key: number; value: number } {
  const btf = new Btf();
  const key = btf.integer(4);
  const state = btf.array(btf.integer(8), lock / 8);
  const value = btf.struct("value", size, [
    ...(lock > 0 ? [{ name: "state", type: state, offset: 0 }] : []),
    { name: "lock", type: btf.spinLock(), offset: lock },
  ]);
  return { descriptor: loadBtf(btf.encode()), key, value };
}
