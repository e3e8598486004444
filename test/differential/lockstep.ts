/** Runs one program on the interpreter and as WebAssembly, and compares them after each step. */
import { expect } from "vitest";
import { compileWasm } from "../../src/backend/wasm/compile.ts";
import {
  enteredRooms,
  instantiate,
  type PolicyInstance,
  takeReports,
  writeInputs,
} from "../../src/backend/wasm/instance.ts";
import { inherit, initialise, readState, SlotAllocator } from "../../src/backend/wasm/state.ts";
import type { Circumstances, ScopeState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate, inheritState, initialState } from "../../src/ir/interpreter.ts";
import type { Program, Scope } from "../../src/ir/program.ts";
import { plainState } from "./state.ts";

/** A thread or a process: its state in both forms. */
export interface Holder {
  readonly scope: "thread" | "process";
  readonly state: ScopeState;
  readonly address: number;
}

/** Fixed, so that failures are reproducible. */
const secret = Uint8Array.from({ length: 24 }, (_, index) => (index * 151 + 17) & 0xff);

export class Lockstep {
  readonly program: Program;
  readonly tree: ScopeState;
  readonly holders = new Set<Holder>();
  readonly instance: PolicyInstance;
  private readonly slots: SlotAllocator;

  constructor(program: Program, tableSecret: Uint8Array = secret) {
    this.program = program;
    this.tree = initialState(program, "tree");
    const compiled = compileWasm(program);
    // Also test the serialised form that engines read from a cache.
    const layout = JSON.parse(JSON.stringify(compiled.layout));
    this.instance = instantiate({ module: compiled.module, layout }, tableSecret);
    this.slots = new SlotAllocator(this.instance.memory, layout);
  }

  create(scope: "thread" | "process"): Holder {
    const { memory, layout } = this.instance;
    const address = this.slots.take(scope);
    initialise(memory, layout, scope, address);
    return this.hold({ scope, state: initialState(this.program, scope), address });
  }

  inherit(parent: Holder): Holder {
    const { memory, layout } = this.instance;
    const { scope } = parent;
    const address = this.slots.take(scope);
    inherit(memory, layout, scope, parent.address, address);
    return this.hold({ scope, state: inheritState(this.program, scope, parent.state), address });
  }

  remove(holder: Holder): void {
    this.holders.delete(holder);
    this.slots.giveBack(holder.scope, holder.address);
  }

  /** Evaluates a call in both forms, compares verdict, rooms, reports and all state, and returns the verdict. */
  step(thread: Holder, process: Holder, event: SystemCallEvent, circumstances: Circumstances): number {
    const { memory, step } = this.instance;
    const wanted = evaluate(this.program, event, circumstances, {
      thread: thread.state,
      process: process.state,
      tree: this.tree,
    });
    writeInputs(this.instance, event, circumstances);
    const verdict = step(thread.address, process.address);
    const entered = enteredRooms(this.instance, this.program.rooms.length);
    const { changedState: _, ...expected } = wanted;
    expect({ verdict, entered, reports: takeReports(memory) }).toEqual(expected);
    this.compareStates();
    return verdict;
  }

  compareStates(): void {
    const { memory, layout } = this.instance;
    const compare = (scope: Scope, address: number, state: ScopeState) => {
      const found = readState(this.program, memory, layout, scope, address);
      expect(plainState(this.program, scope, found)).toEqual(plainState(this.program, scope, state));
    };
    compare("tree", layout.tree, this.tree);
    for (const { scope, state, address } of this.holders) compare(scope, address, state);
  }

  private hold(holder: Holder): Holder {
    this.holders.add(holder);
    return holder;
  }
}
