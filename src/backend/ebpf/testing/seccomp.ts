/**
 * A model of the kernel for programs of type BPF_PROG_TYPE_SECCOMP: a tree of tasks with state objects for each thread,
 * each process and the tree, which are copied, fresh or shared at a fork. The program runs on the tests' interpreter.
 */

import { messageHeader } from "../../../abi/socket-address.ts";
import type { EnteredRoom, SystemCallEvent } from "../../../ir/evaluation.ts";
import type { Observation } from "../../../ir/observation.ts";
import type { Memory } from "../../../ir/observe.ts";
import type { Program } from "../../../ir/program.ts";
import type { SeccompProgram } from "../seccomp.ts";
import { tableEntries, tableSize } from "../tables/shape.ts";
import { decodeRecord, type ProgramRecord } from "../targets/records.ts";
import { placeState, type StatePlaces, treeMapRegion } from "../targets/state-objects.ts";
import { runEbpf } from "./interpreter.ts";
import type { EbpfMachine, ModelledCopy, SeccompKernel } from "./machine.ts";

export interface ModelledTask {
  /** The number of the thread group's first task. */
  readonly leader: number;
  /** By the index of the state object. */
  readonly states: readonly Uint8Array[];
}

export interface ModelledOutcome {
  readonly returned: number;
  readonly records: readonly ProgramRecord[];
  readonly entered: readonly EnteredRoom[];
  readonly executed: number;
  /** Whether a place is reserved for a child. */
  readonly expectsChild: boolean;
}

/** The kernel's copy of an argument, of which the filter has declared `size` bytes; undefined without a copy. */
export function modelledCopy({ shape }: Observation, memory: Memory, size: number): ModelledCopy | undefined {
  const header = new Uint8Array(messageHeader.size);
  const controlLength = memory.is === "bytes" ? (memory.controlLength ?? 0n) : 0n;
  new DataView(header.buffer).setBigUint64(messageHeader.controlLength, controlLength, true);
  if (memory.is === "strings") return { parts: memory.entries, size };
  if (memory.is === "bytes") return { parts: shape.is === "message" ? [header, memory.bytes] : [memory.bytes], size };
  return shape.is === "message" ? { parts: [header], size } : undefined;
}

/** Fixed, so that failures are reproducible. */
export const modelledToken: readonly [bigint, bigint] = [0x0123_4567_89ab_cdefn, 0xfedc_ba98_7654_3210n];

export class ModelledTree {
  readonly tasks = new Map<number, ModelledTask>();
  readonly maps: EbpfMachine["maps"];
  readonly #program: Program;
  readonly #compiled: SeccompProgram;
  readonly #places: StatePlaces;
  mostRecords = 1000;

  constructor(program: Program, compiled: SeccompProgram) {
    this.#program = program;
    this.#compiled = compiled;
    const { maps, states } = compiled.storage;
    this.#places = placeState(
      program,
      states.some(({ name }) => name === "tree"),
    );
    this.maps = maps.map(({ holds, valueSize, capacity, type, initial }) => {
      const bytes = new Uint8Array(type === "ring-buffer" ? 0 : valueSize * capacity);
      if (holds === "constants") bytes.set(initial![0]!);
      if (holds === "launch") new BigUint64Array(bytes.buffer).set(modelledToken);
      return { bytes, valueSize, ...(type === "hash" ? { keys: new Map<bigint, number>() } : {}) };
    });
    this.tasks.set(0, { leader: 0, states: compiled.storage.states.map(({ size }) => new Uint8Array(size)) });
  }

  /** The number of living thread groups. */
  get alive(): number {
    return new Set([...this.tasks.values()].map(({ leader }) => leader)).size;
  }

  fork(parent: number, child: number): void {
    const { states } = this.tasks.get(parent)!;
    const own = this.#compiled.storage.states.map(({ fork, size }, index) =>
      fork === "share" ? states[index]! : fork === "copy" ? states[index]!.slice() : new Uint8Array(size),
    );
    this.tasks.set(child, { leader: child, states: own });
  }

  thread(parent: number, child: number): void {
    const { leader, states } = this.tasks.get(parent)!;
    const own = this.#compiled.storage.states.map(({ scope, size }, index) =>
      scope === "thread" ? new Uint8Array(size) : states[index]!,
    );
    this.tasks.set(child, { leader, states: own });
  }

  evaluate(
    task: number,
    event: SystemCallEvent,
    given: {
      readonly now: bigint;
      readonly who: bigint;
      readonly owner: bigint;
      readonly attached?: boolean;
      readonly copies?: ReadonlyMap<number, ModelledCopy>;
    },
  ): ModelledOutcome {
    const context = new Uint8Array(64);
    const view = new DataView(context.buffer);
    view.setInt32(0, event.number, true);
    view.setUint32(4, event.architecture, true);
    view.setBigUint64(8, event.instructionPointer, true);
    event.arguments.forEach((value, index) => {
      view.setBigUint64(16 + 8 * index, value, true);
    });
    const records: Uint8Array[] = [];
    const { now, who, owner, attached = true, copies = new Map() } = given;
    const states = attached ? this.tasks.get(task)!.states : undefined;
    const { alive, maps, mostRecords } = this;
    const { locked } = this.#compiled;
    const kernel: SeccompKernel = {
      ...{ states, now, who, owner, alive, locked, records, mostRecords, copies },
      entered: [],
      expectsChild: false,
    };
    const { result, executed } = runEbpf(this.#compiled.object.instructions, { context, maps, kernel });
    const { entered = [], expectsChild = false } = kernel;
    return { returned: result, records: records.map(decodeRecord), entered, executed, expectsChild };
  }

  /** The same as in a child's first evaluation. */
  mapPhases(task: number): void {
    for (const { cells, copied, fresh } of this.#places.mapped) {
      const word = ({ region, offset }: { region: string; offset: number }) => this.#words(task, region, offset, 1);
      if (word(fresh)[0] !== 0n) continue;
      for (const cell of word(copied)[0] === 0n ? [] : cells) {
        const { onFork } = this.#program.cells[cell]!;
        const { bias, ...place } = this.#places.cell(cell);
        if (typeof onFork !== "object") throw new TypeError("no map");
        const phase = onFork.map[Number(BigInt.asUintN(64, word(place)[0]! + bias))]!;
        word(place)[0] = BigInt(phase) - bias;
      }
      word(copied)[0] = 1n;
      word(fresh)[0] = 1n;
    }
  }

  cell(task: number, cell: number): bigint {
    const { region, offset, bias } = this.#places.cell(cell);
    return BigInt.asUintN(64, this.#words(task, region, offset, 1)[0]! + bias);
  }

  table(task: number, table: number): Map<bigint, bigint> {
    const place = this.#places.table(table);
    if (place === undefined) {
      const { bytes, keys } = this.maps[3 + this.#places.mapTables.indexOf(table)]!;
      const words = new BigUint64Array(bytes.buffer);
      return new Map([...keys!].map(([key, slot]) => [key, words[slot]!]));
    }
    const { region, offset, shape } = place;
    return tableEntries(shape, this.#words(task, region, offset, tableSize(shape) / 8));
  }

  get dropped(): bigint {
    return new BigUint64Array(this.maps[2]!.bytes.buffer)[0]!;
  }

  #words(task: number, region: string, offset: number, count: number): BigUint64Array {
    const { objects } = this.#places;
    const index = objects.findIndex(({ name }) => name === region.replace(" ", "_"));
    const tree = this.#compiled.storage.maps.findIndex(({ name }) => name === "tree");
    const bytes = region === treeMapRegion ? this.maps[tree]!.bytes : this.tasks.get(task)!.states[index]!;
    return new BigUint64Array(bytes.buffer, bytes.byteOffset + offset, count);
  }
}
