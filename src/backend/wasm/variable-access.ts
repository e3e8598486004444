/** Access to the program's locals, which are WebAssembly locals or places in memory (variables.ts). */
import type { FunctionBuilder } from "./function-builder.ts";
import { mostWasmLocals, type Place, type PlaceType, type Variables } from "./variables.ts";

/** Reads and writes the program's locals in their places. */
export class VariableAccess {
  private readonly variables: Variables;
  private readonly code: FunctionBuilder;
  /** The address of the places in memory: those of i64, then those of i32, 8 bytes each. */
  private readonly spilled: number;
  private readonly locals: { readonly [T in PlaceType]: readonly number[] };

  constructor(variables: Variables, code: FunctionBuilder, spilled: number) {
    this.variables = variables;
    this.code = code;
    this.spilled = spilled;
    const locals = (type: PlaceType) =>
      Array.from({ length: Math.min(variables.count[type], mostWasmLocals) }, () => code.local(type));
    this.locals = { i64: locals("i64"), i32: locals("i32") };
  }

  static spilledBytes({ count }: Variables): number {
    return 8 * (beyond(count.i64) + beyond(count.i32));
  }

  /** Pushes a local's value. */
  get(local: number): void {
    const place = this.place(local);
    const wasm = this.locals[place.type][place.index];
    if (wasm !== undefined) return this.code.get(wasm);
    this.code.i32(0);
    this.code.memory(`${place.type}.load`, this.address(place));
  }

  /** Sets a local to what `push` pushes. */
  set(local: number, push: () => void): void {
    const place = this.place(local);
    const wasm = this.locals[place.type][place.index];
    if (wasm === undefined) this.code.i32(0);
    push();
    if (wasm === undefined) this.code.memory(`${place.type}.store`, this.address(place));
    else this.code.set(wasm);
  }

  /** Clears the locals that the statement with this order number requires. */
  clearBefore(order: number): void {
    for (const local of this.variables.cleared.get(order) ?? []) {
      this.set(local, () => (this.place(local).type === "i64" ? this.code.i64(0n) : this.code.i32(0)));
    }
  }

  private place(local: number): Place {
    return this.variables.places[local]!;
  }

  private address({ type, index }: Place): number {
    const before = type === "i64" ? 0 : beyond(this.variables.count.i64);
    return this.spilled + 8 * (before + index - mostWasmLocals);
  }
}

function beyond(count: number): number {
  return Math.max(0, count - mostWasmLocals);
}
