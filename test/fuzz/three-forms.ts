/**
 * Runs one policy in three forms (the interpreter, WebAssembly as in the notify engine, eBPF on the running kernel)
 * through one trace of a process tree. Compares verdicts and reports after every call, and after every step the state
 * of all affected tasks. It is optimised for thousands of policies: it compares unchanged state only by its bytes with
 * the last checked ones.
 */

import { splitPolicy } from "../../src/analysis/split/split.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { KernelTrial, type Slots } from "../../src/backend/ebpf/testing/trial.ts";
import { refusals, trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { compileWasm } from "../../src/backend/wasm/compile.ts";
import {
  enteredRooms,
  instantiate,
  type PolicyInstance,
  takeReports,
  writeInputs,
} from "../../src/backend/wasm/instance.ts";
import { inherit, initialise, readState, SlotAllocator } from "../../src/backend/wasm/state.ts";
import { admit } from "../../src/ir/admission.ts";
import type { Evaluation, EvaluationState, ScopeState } from "../../src/ir/evaluation.ts";
import { evaluate, inheritState, initialState } from "../../src/ir/interpreter.ts";
import type { Program, Scope } from "../../src/ir/program.ts";
import { identifier, type TraceStep } from "../../src/ir/testing/arbitrary.ts";

const tableSecret = Uint8Array.from({ length: 24 }, (_, index) => (index * 151 + 17) & 0xff);

/** A thread, a process or the tree: its state in each form. */
interface Holder {
  readonly scope: Scope;
  readonly state: ScopeState;
  /** In the module's memory. */
  readonly address: number;
  /** In the program's map. */
  readonly slot: number;
  /** The bytes that were last checked. */
  moduleBytes: Buffer | undefined;
  programBytes: Buffer | undefined;
}

interface Task {
  readonly leader: number;
  readonly thread: Holder;
  readonly process: Holder;
}

/** A difference between the forms. */
class Disagreement extends Error {}

export class ThreeForms {
  readonly #program: Program;
  readonly #trial: KernelTrial;
  readonly #instance: PolicyInstance;
  readonly #slots: SlotAllocator;
  readonly #tree: Holder;
  readonly #tasks = new Map<number, Task>();
  /** The number of judged calls. */
  judged = 0;

  /** `tasks`: the maximum number of tasks, ended ones included. Throws the errors of the compilers and the kernel. */
  constructor(program: Program, tasks: number) {
    this.#program = program;
    const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
    this.#instance = instantiate(compileWasm(program), tableSecret);
    this.#slots = new SlotAllocator(this.#instance.memory, this.#instance.layout);
    this.#trial = new KernelTrial(program, object.instructions, tasks);
    this.#tree = this.#holder("tree", initialState(program, "tree"), this.#instance.layout.tree, 0);
    this.#tasks.set(0, { leader: 0, thread: this.#fresh("thread", 0), process: this.#fresh("process", 0) });
  }

  close(): void {
    this.#trial.close();
  }

  /** Throws a Disagreement. */
  apply(step: TraceStep): void {
    switch (step.kind) {
      case "call":
        return this.#call(step);
      case "fork": {
        const parent = this.#tasks.get(step.parent)!;
        const thread = this.#inherited(parent.thread, step.child);
        const process = this.#inherited(parent.process, step.child);
        this.#tasks.set(step.child, { leader: step.child, thread, process });
        this.#compareState(thread, true);
        return this.#compareState(process, true);
      }
      case "thread": {
        const { leader, process } = this.#tasks.get(step.parent)!;
        this.#tasks.set(step.child, { leader, process, thread: this.#fresh("thread", step.child) });
        return;
      }
      case "exit":
        this.#tasks.delete(step.task);
    }
  }

  /** Compares the state of all tasks, not only of those that the last steps changed. */
  compareAll(): void {
    this.#compareState(this.#tree, true);
    for (const { thread, process } of this.#tasks.values()) {
      this.#compareState(thread, true);
      this.#compareState(process, true);
    }
  }

  #call({ event, task, now, uid, gid, observed }: TraceStep & { kind: "call" }): void {
    const { leader, thread, process } = this.#tasks.get(task)!;
    const alive = BigInt(new Set([...this.#tasks.values()].map((one) => one.leader)).size);
    const circumstances = { now, uid, gid, pid: identifier(leader), tid: identifier(task), alive, observed };
    const slots: Slots = { thread: task, process: leader };
    const admission = admit(this.#program, event);
    const found = this.#trial.evaluate(event, circumstances, slots);
    if (admission !== "judged") {
      const wanted = admission === "always" ? refusals.always : refusals.refused;
      if (found.result !== wanted) throw new Disagreement(`eBPF gives ${found.result}, not ${wanted}: ${admission}`);
      return;
    }
    this.judged += 1;
    const state: EvaluationState = { thread: thread.state, process: process.state, tree: this.#tree.state };
    const wanted = evaluate(this.#program, event, circumstances, state);
    const { memory, step } = this.#instance;
    writeInputs(this.#instance, event, circumstances);
    const verdict = step(thread.address, process.address);
    const entered = enteredRooms(this.#instance, this.#program.rooms.length);
    this.#compareOutcome("WebAssembly", { result: verdict, entered, reports: takeReports(memory) }, wanted);
    this.#compareOutcome("eBPF", found, wanted);
    for (const holder of [thread, process, this.#tree]) this.#compareState(holder, wanted.changedState);
  }

  #compareOutcome(
    form: string,
    found: Pick<Evaluation, "entered" | "reports"> & { readonly result: number },
    wanted: ReturnType<typeof evaluate>,
  ): void {
    if (found.result !== wanted.verdict)
      throw new Disagreement(`${form}: verdict ${found.result}, the interpreter: ${wanted.verdict}`);
    const { entered, reports } = wanted;
    const inSame =
      found.entered.length === entered.length &&
      found.entered.every(({ room, side }, index) => room === entered[index]!.room && side === entered[index]!.side);
    if (!inSame) throw new Disagreement(`${form}: rooms ${text(found.entered)}, the interpreter: ${text(entered)}`);
    const same =
      found.reports.length === reports.length &&
      found.reports.every(
        ({ report, values }, index) =>
          report === reports[index]!.report && values.every((value, place) => value === reports[index]!.values[place]),
      );
    if (!same) throw new Disagreement(`${form}: reports ${text(found.reports)}, the interpreter: ${text(reports)}`);
  }

  // ── State ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #holder(scope: Scope, state: ScopeState, address: number, slot: number): Holder {
    return { scope, state, address, slot, moduleBytes: undefined, programBytes: undefined };
  }

  #fresh(scope: "thread" | "process", slot: number): Holder {
    const { memory, layout } = this.#instance;
    const address = this.#slots.take(scope);
    initialise(memory, layout, scope, address);
    return this.#holder(scope, initialState(this.#program, scope), address, slot);
  }

  #inherited(parent: Holder, slot: number): Holder {
    const { memory, layout } = this.#instance;
    const scope = parent.scope as "thread" | "process";
    const address = this.#slots.take(scope);
    inherit(memory, layout, scope, parent.address, address);
    this.#trial.inherit(scope, parent.slot, slot);
    return this.#holder(scope, inheritState(this.#program, scope, parent.state), address, slot);
  }

  #compareState(holder: Holder, changed: boolean): void {
    const { memory, layout } = this.#instance;
    const { size } = layout.scopes[holder.scope];
    if (size === 0) return;
    const moduleBytes = Buffer.from(memory.buffer, holder.address, size);
    if (changed || holder.moduleBytes === undefined || Buffer.compare(moduleBytes, holder.moduleBytes) !== 0) {
      this.#compareScope("WebAssembly", holder, readState(this.#program, memory, layout, holder.scope, holder.address));
      holder.moduleBytes = Buffer.from(moduleBytes);
    }
    const programBytes = this.#trial.bytes(holder.scope, holder.slot);
    if (changed || holder.programBytes === undefined || Buffer.compare(programBytes, holder.programBytes) !== 0) {
      this.#compareScope("eBPF", holder, this.#trial.scopeState(holder.scope, programBytes));
      holder.programBytes = Buffer.from(programBytes);
    }
  }

  #compareScope(form: string, { scope, state }: Holder, found: ScopeState): void {
    this.#program.cells.forEach((cell, index) => {
      if (cell.scope === scope && found.cells[index] !== state.cells[index])
        throw new Disagreement(
          `${form}: ${cell.name} is ${found.cells[index]}, the interpreter: ${state.cells[index]}`,
        );
    });
    this.#program.tables.forEach((table, index) => {
      if (table.scope !== scope) return;
      const [have, want] = [found.tables[index]!, state.tables[index]!];
      const same = ([key, value]: [bigint, bigint]) => have.has(key) && (!table.holdsValues || have.get(key) === value);
      if (have.size !== want.size || ![...want].every(same))
        throw new Disagreement(`${form}: ${table.name} holds ${text([...have])}, the interpreter: ${text([...want])}`);
    });
  }
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${one}` : one));
}
