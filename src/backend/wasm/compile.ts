/**
 * Compiles a policy to a WebAssembly module with one function, `step`, which judges the call in memory and updates the state
 * in memory. It calls no JavaScript.
 *
 * The module imports its memory as `env.memory` and exports `step(thread: i32, process: i32): i32`: the parameters are the
 * addresses of the caller's thread and process state, the result is an index into `Program.verdicts`. `layout.ts` defines
 * the memory layout, `state.ts` creates and reads state, `instance.ts` combines them.
 */
import type { Program, Scope } from "../../ir/program.ts";
import { encodeModule } from "./encoding.ts";
import { verdictIndexBits } from "./expressions.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { addresses, layOut, type MemoryLayout, withSpace } from "./layout.ts";
import { clearEntered, compileBody, type StatementContext } from "./statements.ts";
import { type TableFunctions, tableFunctions } from "./tables.ts";
import { VariableAccess } from "./variable-access.ts";
import { placeVariables } from "./variables.ts";

/** All that an engine needs to run a policy; can be stored on disk (`module` as bytes, `layout` as JSON). */
export interface CompiledStep {
  readonly module: Uint8Array;
  readonly layout: MemoryLayout;
}

/** The policy exceeds V8's limits. Only one near the bounds of `limits.ts` does. */
export class WasmLimitError extends Error {
  override readonly name = "WasmLimitError";
}

/** V8's limit of a function body (src/wasm/wasm-limits.h). */
const mostBytes = 7_654_321;

/** `step` is function 0; the tables' functions follow, those of sets first. */
const stepIndex = 0;

/** Compiles a well-formed program (`checkProgram`). The result depends only on the program. */
export function compileWasm(program: Program): CompiledStep {
  if (program.verdicts.length >= 1 << verdictIndexBits) {
    throw new WasmLimitError(`${program.verdicts.length} verdicts exceed the limit of the WebAssembly back end`);
  }
  const variables = placeVariables(program);
  const layout = layOut(program);
  const spilled = layout.heap;
  const constants = new Constants(spilled + VariableAccess.spilledBytes(variables));
  const helpers = new TableHelpers(layout.secret, program);
  const code = new FunctionBuilder(["i32", "i32"], ["i32"]);
  const context: StatementContext = {
    program,
    layout,
    code,
    variables: new VariableAccess(variables, code, spilled),
    constant: (bytes) => constants.add(bytes),
    tables: (holdsValues) => helpers.of(holdsValues),
    order: 0,
    labels: new Map(),
    raised: program.tables.length + program.rooms.length > 0 ? code.local("i32") : undefined,
    reportCursor: program.reports.length > 0 ? code.local("i32") : undefined,
  };
  if (context.reportCursor !== undefined) {
    code.i32(0);
    code.i32(0);
    code.memory("i32.store", addresses.reportCount);
  }
  if (program.rooms.length > 0) clearEntered(context);
  compileBody(context, program.body);
  code.emit("unreachable"); // every path has returned
  const step = code.finish();
  if (step.code.length > mostBytes) {
    throw new WasmLimitError(`the compiled step has ${step.code.length} bytes; WebAssembly takes ${mostBytes}`);
  }
  const complete = withSpace(layout, constants.end - layout.heap);
  const module = encodeModule({
    minimumPages: complete.pages,
    functions: [step, ...helpers.functions],
    exports: [{ name: "step", functionIndex: stepIndex }],
    data: constants.chunks,
  });
  return { module, layout: complete };
}

class Constants {
  readonly chunks: { address: number; bytes: Uint8Array }[] = [];
  /** The address after the last. */
  end: number;

  constructor(base: number) {
    this.end = base;
  }

  add(bytes: Uint8Array): number {
    const address = this.end;
    this.chunks.push({ address, bytes });
    this.end += bytes.length;
    return address;
  }
}

/** The functions for the kinds of table that the program declares. */
class TableHelpers {
  private readonly sets: TableFunctions | undefined;
  private readonly maps: TableFunctions | undefined;

  constructor(secret: number, program: Program) {
    const scopes: readonly Scope[] = ["thread", "process", "tree"];
    const kinds = program.tables.filter((table) => scopes.includes(table.scope)).map((table) => table.holdsValues);
    const first = stepIndex + 1;
    this.sets = kinds.includes(false) ? tableFunctions(secret, false, first) : undefined;
    const next = first + (this.sets?.functions.length ?? 0);
    this.maps = kinds.includes(true) ? tableFunctions(secret, true, next) : undefined;
  }

  get functions() {
    return [...(this.sets?.functions ?? []), ...(this.maps?.functions ?? [])];
  }

  of(holdsValues: boolean): TableFunctions {
    return (holdsValues ? this.maps : this.sets)!;
  }
}
