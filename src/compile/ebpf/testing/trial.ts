/** Runs programs of the trial target, on the tests' interpreter or on the running kernel, with state of their own. */
import type { Circumstances, SystemCallEvent } from "../../../ir/evaluation.ts";
import type { Program, Scope } from "../../../ir/program.ts";
import { BpfMap, loadProgram, mapTypes, programFlags, programTypes, TestRun } from "../../../linux/bpf.ts";
import { close } from "../../../linux/descriptors.ts";
import { type EbpfInstruction, encode } from "../instruction.ts";
import { stateOffsets } from "../state.ts";
import { tableEntries, tableSize } from "../table-shape.ts";
import { reportStride, trialContext, trialContextSize, trialMaps } from "../targets/trial.ts";
import { runEbpf } from "./interpreter.ts";

export interface Outcome {
  /** What the program returned. */
  readonly result: number;
  readonly reports: readonly { readonly report: number; readonly values: readonly bigint[] }[];
}

export abstract class Trial {
  protected readonly program: Program;
  protected readonly context: Uint8Array;
  readonly #view: DataView;

  constructor(program: Program) {
    this.program = program;
    this.context = new Uint8Array(trialContextSize(program));
    this.#view = new DataView(this.context.buffer);
  }

  evaluate(event: SystemCallEvent, circumstances: Circumstances): Outcome {
    const view = this.#view;
    this.context.fill(0);
    view.setInt32(0, event.number, true);
    view.setUint32(4, event.architecture, true);
    view.setBigUint64(8, event.instructionPointer, true);
    event.arguments.forEach((value, index) => {
      view.setBigUint64(16 + 8 * index, value, true);
    });
    view.setBigUint64(64, circumstances.now, true);
    view.setBigUint64(72, circumstances.alive, true);
    [circumstances.pid, circumstances.tid, circumstances.uid, circumstances.gid].forEach((value, index) => {
      view.setUint32(80 + 4 * index, value, true);
    });
    const result = this.run();
    return { result, reports: this.#reports() };
  }

  /** A table's entries. */
  table(table: number): Map<bigint, bigint> {
    const { tables, shapes } = stateOffsets(this.program);
    const start = tables[table]! / 8;
    const words = this.state(this.program.tables[table]!.scope);
    return tableEntries(shapes[table]!, words.subarray(start, start + tableSize(shapes[table]!) / 8));
  }

  /** A scope's state, word by word as it lies in memory. */
  abstract state(scope: Scope): BigUint64Array;
  protected abstract run(): number;

  #reports(): Outcome["reports"] {
    const stride = reportStride(this.program);
    const found: { turn: number; report: number; values: bigint[] }[] = [];
    for (let place: number = trialContext.reports; place < this.context.length; place += stride) {
      const [turn, report] = [this.#view.getUint32(place, true), this.#view.getUint32(place + 4, true)];
      if (turn === 0) continue;
      const values = this.program.reports[report]!.values.map((_, index) =>
        this.#view.getBigUint64(place + 8 * (index + 1), true),
      );
      found.push({ turn, report, values });
    }
    return found.sort((a, b) => a.turn - b.turn).map(({ report, values }) => ({ report, values }));
  }
}

function initialWords(program: Program, scope: Scope): BigUint64Array {
  const { cells, sizes } = stateOffsets(program);
  const words = new BigUint64Array(Math.max(1, sizes[scope] / 8));
  program.cells.forEach((cell, index) => {
    if (cell.scope === scope) words[cells[index]! / 8] = cell.initial;
  });
  return words;
}

export class InterpretedTrial extends Trial {
  readonly #instructions: readonly EbpfInstruction[];
  readonly #memories: Readonly<Record<Scope, BigUint64Array>>;
  executed = 0;

  constructor(program: Program, instructions: readonly EbpfInstruction[]) {
    super(program);
    this.#instructions = instructions;
    this.#memories = {
      thread: initialWords(program, "thread"),
      process: initialWords(program, "process"),
      tree: initialWords(program, "tree"),
    };
  }

  state(scope: Scope): BigUint64Array {
    return this.#memories[scope];
  }

  protected run(): number {
    const maps = trialMaps.map((scope) => {
      const bytes = new Uint8Array(this.#memories[scope].buffer);
      return { bytes, valueSize: bytes.length };
    });
    const run = runEbpf(this.#instructions, { context: this.context, maps });
    this.executed = run.executed;
    return run.result;
  }
}

export class KernelTrial extends Trial {
  readonly #maps: Readonly<Record<Scope, BpfMap>>;
  readonly #run: TestRun;
  readonly #program: number;
  static readonly #key = new Uint8Array(4);

  /** Throws a VerifierError where the kernel refuses the program. */
  constructor(program: Program, instructions: readonly EbpfInstruction[]) {
    super(program);
    const map = (scope: Scope): BpfMap => {
      const words = initialWords(program, scope);
      const made = new BpfMap({ type: mapTypes.array, keySize: 4, valueSize: words.byteLength, capacity: 1 });
      made.set(KernelTrial.#key, new Uint8Array(words.buffer));
      return made;
    };
    this.#maps = { thread: map("thread"), process: map("process"), tree: map("tree") };
    const mapDescriptors = trialMaps.map((scope) => this.#maps[scope].descriptor);
    const kernelFunction = (name: string): number => {
      throw new Error(`no kernel function ${name}`);
    };
    this.#program = loadProgram({
      type: programTypes.systemCall,
      flags: programFlags.sleepable,
      licence: "GPL",
      instructions: encode(instructions, { mapDescriptors, kernelFunction }),
    });
    this.#run = new TestRun(this.#program, this.context);
  }

  state(scope: Scope): BigUint64Array {
    return new BigUint64Array(this.#maps[scope].get(KernelTrial.#key)!.buffer);
  }

  close(): void {
    close(this.#program);
    for (const map of Object.values(this.#maps)) close(map.descriptor);
  }

  protected run(): number {
    return this.#run.run();
  }
}
