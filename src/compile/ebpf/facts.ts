/** What is known of values at one point of a graph: which constants they hold, and which are copies of which. */
import type { GraphOperand, Value } from "./graph.ts";

/** Whether the pattern is its own low 32 bits, sign-extended. */
export function isImmediate(constant: bigint): boolean {
  return BigInt.asIntN(64, constant) === BigInt.asIntN(32, constant);
}

export class Facts {
  readonly #constants = new Map<Value, bigint>();
  /** In which value a constant is that takes two slots. */
  readonly #holders = new Map<bigint, Value>();
  /** Of a copy: what it is a copy of, which is none itself. */
  readonly #sources = new Map<Value, Value>();

  copy(): Facts {
    const facts = new Facts();
    for (const [value, constant] of this.#constants) facts.#constants.set(value, constant);
    for (const [value, source] of this.#sources) facts.#sources.set(value, source);
    for (const [constant, value] of this.#holders) facts.#holders.set(constant, value);
    return facts;
  }

  /** The pattern that the value holds. */
  constant(value: Value): bigint | undefined {
    return this.#constants.get(value);
  }

  constantOf(operand: GraphOperand): bigint | undefined {
    return "immediate" in operand ? BigInt.asUintN(64, BigInt(operand.immediate)) : this.#constants.get(operand.value);
  }

  /** A value that holds this wide constant, and need not be kept over a call for that. */
  holder(constant: bigint): Value | undefined {
    return this.#holders.get(constant);
  }

  /** A call has forgotten the registers. */
  forgetHolders(): void {
    this.#holders.clear();
  }

  /** What the value is a copy of, or itself. */
  source(value: Value): Value {
    return this.#sources.get(value) ?? value;
  }

  /** The value is written: nothing is known of it, nor of its copies by it. */
  forget(value: Value): void {
    const constant = this.#constants.get(value);
    if (constant !== undefined && this.#holders.get(constant) === value) this.#holders.delete(constant);
    this.#constants.delete(value);
    this.#sources.delete(value);
    for (const [other, source] of this.#sources) if (source === value) this.#sources.delete(other);
  }

  setConstant(value: Value, constant: bigint): void {
    this.forget(value);
    this.#constants.set(value, constant);
    if (!isImmediate(constant) && !this.#holders.has(constant)) this.#holders.set(constant, value);
  }

  setCopy(value: Value, of: Value): void {
    const source = this.source(of);
    if (source === value) return;
    const constant = this.#constants.get(source);
    this.forget(value);
    this.#sources.set(value, source);
    if (constant !== undefined) this.#constants.set(value, constant);
  }

  /**
   * Only what is known of these values is kept; a copy whose source is not among them is none any more. The holders of
   * constants stay: that they are used is what makes them live on.
   */
  keep(values: ReadonlySet<Value>): void {
    for (const [value, constant] of this.#constants)
      if (!values.has(value) && this.#holders.get(constant) !== value) this.#constants.delete(value);
    for (const [value, source] of this.#sources)
      if (!values.has(value) || !values.has(source)) this.#sources.delete(value);
  }

  /** Only what is known there too is kept. */
  meet(other: Facts): void {
    for (const [value, constant] of this.#constants)
      if (other.#constants.get(value) !== constant) this.#constants.delete(value);
    for (const [constant, value] of this.#holders)
      if (other.#holders.get(constant) !== value) this.#holders.delete(constant);
    for (const [value, source] of this.#sources) if (other.#sources.get(value) !== source) this.#sources.delete(value);
  }
}
