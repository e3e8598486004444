/** The evaluator that runs a policy as WebAssembly, as the engine notify does, for simulated trees. */
import { type CompiledStep, compileWasm } from "../../backend/wasm/compile.ts";
import {
  enteredRooms,
  instantiate,
  type PolicyInstance,
  takeReports,
  writeInputs,
} from "../../backend/wasm/instance.ts";
import { inherit, initialise, readCell, readState, rememberState, SlotAllocator } from "../../backend/wasm/state.ts";
import type { Circumstances, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import type { Program } from "../../ir/program.ts";
import type { Evaluator, HolderScope, Judgement } from "./evaluator.ts";

/** The form that the engine notify runs. A holder is the address of its state. */
export class WasmEvaluator implements Evaluator<number> {
  readonly name = "wasm";
  readonly program: Program;
  private readonly instance: PolicyInstance;
  private readonly slots: SlotAllocator;

  /** `secret` are the tables' 24 random bytes; only tests choose them. */
  constructor(program: Program, compiled: CompiledStep = compileWasm(program), secret?: Uint8Array) {
    this.program = program;
    this.instance = instantiate(compiled, secret);
    this.slots = new SlotAllocator(this.instance.memory, compiled.layout);
  }

  create(scope: HolderScope): number {
    const address = this.slots.take(scope);
    initialise(this.instance.memory, this.instance.layout, scope, address);
    return address;
  }

  inherit(scope: HolderScope, parent: number): number {
    const address = this.slots.take(scope);
    inherit(this.instance.memory, this.instance.layout, scope, parent, address);
    return address;
  }

  release(scope: HolderScope, holder: number): void {
    this.slots.giveBack(scope, holder);
  }

  evaluate(event: SystemCallEvent, circumstances: Circumstances, thread: number, process: number): Judgement {
    const { memory, step } = this.instance;
    writeInputs(this.instance, event, circumstances);
    const verdict = step(thread, process);
    const entered = enteredRooms(this.instance, this.program.rooms.length);
    return { verdict, entered, reports: takeReports(memory) };
  }

  remember(thread: number, process: number): () => void {
    const { memory, layout } = this.instance;
    return rememberState(memory, layout, { thread, process });
  }

  read(scope: HolderScope, holder: number): ScopeState {
    return readState(this.program, this.instance.memory, this.instance.layout, scope, holder);
  }

  readTree(): ScopeState {
    const { memory, layout } = this.instance;
    return readState(this.program, memory, layout, "tree", layout.tree);
  }

  readCell(cell: number, holder: number = this.instance.layout.tree): bigint {
    const { memory, layout } = this.instance;
    return readCell(memory, layout, this.program.cells[cell]!.scope, cell, holder);
  }
}
