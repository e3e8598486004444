/** Facts about values at one point of a graph for `propagate`: the constants that they hold, and their copies. */
import type { GraphOperand, Value } from "../graph/graph.ts";

/** Whether the pattern is the sign extension of its low 32 bits, as eBPF's immediates are. */
export function isImmediate(constant: bigint): boolean {
  return BigInt.asIntN(64, constant) === BigInt.asIntN(32, constant);
}

export class Facts {
  readonly #constants = new Map<Value, bigint>();
  /** For constants that need two instruction slots: the value that holds one. */
  readonly #holders = new Map<bigint, Value>();
  /** The source of each copy; a source is never a copy itself. */
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

  /** A value that holds this wide constant. Holders do not outlive a call, so none occupies a callee-saved register. */
  holder(constant: bigint): Value | undefined {
    return this.#holders.get(constant);
  }

  /** A call clobbers the caller-saved registers. */
  invalidateHolders(): void {
    this.#holders.clear();
  }

  /** The source of the copy; the value itself where it is not a copy. */
  source(value: Value): Value {
    return this.#sources.get(value) ?? value;
  }

  /** The value is written: drops its facts, and those of its copies. */
  invalidate(value: Value): void {
    const constant = this.#constants.get(value);
    if (constant !== undefined && this.#holders.get(constant) === value) this.#holders.delete(constant);
    this.#constants.delete(value);
    this.#sources.delete(value);
    for (const [other, source] of this.#sources) if (source === value) this.#sources.delete(other);
  }

  setConstant(value: Value, constant: bigint): void {
    this.invalidate(value);
    this.#constants.set(value, constant);
    if (!isImmediate(constant) && !this.#holders.has(constant)) this.#holders.set(constant, value);
  }

  setCopy(value: Value, of: Value): void {
    const source = this.source(of);
    if (source === value) return;
    const constant = this.#constants.get(source);
    this.invalidate(value);
    this.#sources.set(value, source);
    if (constant !== undefined) this.#constants.set(value, constant);
  }

  /**
   * Retains only the facts about these (live) values; drops a copy whose source is not among them. The holders of
   * constants stay, because their use makes them live.
   */
  restrictTo(values: ReadonlySet<Value>): void {
    for (const [value, constant] of this.#constants)
      if (!values.has(value) && this.#holders.get(constant) !== value) this.#constants.delete(value);
    for (const [value, source] of this.#sources)
      if (!values.has(value) || !values.has(source)) this.#sources.delete(value);
  }

  /** The meet over paths: retains the facts that hold on both. */
  meet(other: Facts): void {
    for (const [value, constant] of this.#constants)
      if (other.#constants.get(value) !== constant) this.#constants.delete(value);
    for (const [constant, value] of this.#holders)
      if (other.#holders.get(constant) !== value) this.#holders.delete(constant);
    for (const [value, source] of this.#sources) if (other.#sources.get(value) !== source) this.#sources.delete(value);
  }
}
