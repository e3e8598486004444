/** What is known of values at one point of a graph: which constants they hold, and which are copies of which. */
import type { GraphOperand, Value } from "./graph.ts";

export class Facts {
  readonly #constants = new Map<Value, bigint>();
  /** Of a copy: what it is a copy of, which is none itself. */
  readonly #sources = new Map<Value, Value>();

  copy(): Facts {
    const facts = new Facts();
    for (const [value, constant] of this.#constants) facts.#constants.set(value, constant);
    for (const [value, source] of this.#sources) facts.#sources.set(value, source);
    return facts;
  }

  /** The pattern that the value holds. */
  constant(value: Value): bigint | undefined {
    return this.#constants.get(value);
  }

  constantOf(operand: GraphOperand): bigint | undefined {
    return "immediate" in operand ? BigInt.asUintN(64, BigInt(operand.immediate)) : this.#constants.get(operand.value);
  }

  /** What the value is a copy of, or itself. */
  source(value: Value): Value {
    return this.#sources.get(value) ?? value;
  }

  /** The value is written: nothing is known of it, nor of its copies by it. */
  forget(value: Value): void {
    this.#constants.delete(value);
    this.#sources.delete(value);
    for (const [other, source] of this.#sources) if (source === value) this.#sources.delete(other);
  }

  setConstant(value: Value, constant: bigint): void {
    this.forget(value);
    this.#constants.set(value, constant);
  }

  setCopy(value: Value, of: Value): void {
    const source = this.source(of);
    if (source === value) return;
    const constant = this.#constants.get(source);
    this.forget(value);
    this.#sources.set(value, source);
    if (constant !== undefined) this.#constants.set(value, constant);
  }

  /** Only what is known of these values is kept; a copy whose source is not among them is none any more. */
  keep(values: ReadonlySet<Value>): void {
    for (const value of this.#constants.keys()) if (!values.has(value)) this.#constants.delete(value);
    for (const [value, source] of this.#sources)
      if (!values.has(value) || !values.has(source)) this.#sources.delete(value);
  }

  /** Only what is known there too is kept. */
  meet(other: Facts): void {
    for (const [value, constant] of this.#constants)
      if (other.#constants.get(value) !== constant) this.#constants.delete(value);
    for (const [value, source] of this.#sources) if (other.#sources.get(value) !== source) this.#sources.delete(value);
  }
}
