/**
 * One argument of a call, as expressions: how the kernel reads the register, and how it changes the bits before it uses
 * them.
 */

import type { ArchitectureName } from "../../../../abi/architecture.ts";
import type { CallDescription, Rewrite } from "../../../../abi/call.ts";
import { registerOf } from "../../../../abi/calls.ts";
import { rewritesOf } from "../../../../abi/rewrites.ts";
import { equalExpressions } from "../../../../ir/equality.ts";
import { intersection } from "../../../../ir/intervals.ts";
import type { BooleanExpression, IntegerExpression, Interval } from "../../../../ir/program.ts";
import * as ir from "../../../program/ir.ts";
import { type Range, widthRange } from "../../values/ranges.ts";

/** Tests whether the bits under a mask equal one of the values. */
export type BitsTest = (mask: bigint, values: readonly bigint[]) => BooleanExpression;

/** `(bits & ~clear) | set`; `clear` includes the bits of `set`. */
interface Change {
  readonly clear: bigint;
  readonly set: bigint;
}

const unchanged: Change = { clear: 0n, set: 0n };

export class Argument {
  readonly width: number;
  readonly #name: string;
  readonly #signed: boolean;
  /** The register or field, before any rewrite. */
  readonly #word: IntegerExpression;
  readonly #rewrites: readonly Rewrite[];
  /** Finds another argument of the call, which a rewrite depends on. */
  readonly #other: (name: string) => Argument;

  static of(call: CallDescription, name: string, architecture: ArchitectureName): Argument {
    return Argument.#of(call, name, architecture, rewritesOf(call.name, name, architecture));
  }

  /** An unsigned field of the structure behind an argument, "how.flags", that the caller has set to `word`. */
  static field(
    call: string,
    name: string,
    width: number,
    word: IntegerExpression,
    architecture: ArchitectureName,
  ): Argument {
    return new Argument(name, width, false, word, rewritesOf(call, name, architecture), () => {
      throw new Error("no rewrite of a field depends on another argument");
    });
  }

  static #of(
    call: CallDescription,
    name: string,
    architecture: ArchitectureName,
    rewrites: readonly Rewrite[],
  ): Argument {
    const index = call.parameters.findIndex((parameter) => parameter.name === name);
    const { width, signed } = call.parameters[index]!;
    const word = ir.argument(registerOf(call, index, architecture));
    return new Argument(name, width, signed, word, rewrites, (other) => Argument.#of(call, other, architecture, []));
  }

  private constructor(
    name: string,
    width: number,
    signed: boolean,
    word: IntegerExpression,
    rewrites: readonly Rewrite[],
    other: (name: string) => Argument,
  ) {
    this.width = width;
    this.#name = name;
    this.#signed = signed;
    this.#word = word;
    this.#rewrites = rewrites;
    this.#other = other;
  }

  /** Whether both arguments have the same expression. */
  isReadAs(other: Argument): boolean {
    return (
      equalExpressions(this.#word, other.#word) &&
      this.width === other.width &&
      this.#signed === other.#signed &&
      this.#rewrites === other.#rewrites &&
      this.#rewrites.every(({ when }) =>
        when.every(
          ({ parameter }) => parameter === this.#name || this.#other(parameter).isReadAs(other.#other(parameter)),
        ),
      )
    );
  }

  /** Whether both have one size and sign. */
  hasTypeOf(other: Argument): boolean {
    return this.width === other.width && this.#signed === other.#signed;
  }

  get isRewritten(): boolean {
    return this.#rewrites.length > 0;
  }

  /** The low bits, zero-extended, before any rewrite. */
  register(): IntegerExpression {
    return ir.extend(this.width, false, this.#word);
  }

  /** The integer that the kernel uses. */
  value(): IntegerExpression {
    if (!this.isRewritten) return ir.extend(this.width, this.#signed, this.#word);
    const bits = this.#value(0, unchanged);
    return this.#signed && this.#mayBeNegative ? ir.extend(this.width, true, bits) : bits;
  }

  #value(done: number, change: Change): IntegerExpression {
    const rewrite = this.#rewrites[done];
    if (rewrite === undefined) {
      const preserved = this.#whole & ~change.clear;
      const cleared =
        preserved === 0n
          ? ir.constant(0n)
          : preserved === this.#whole
            ? this.register()
            : ir.masked(this.register(), preserved);
      return change.set === 0n ? cleared : ir.binary("or", cleared, ir.constant(change.set));
    }
    const then = this.#value(done + 1, changed(change, rewrite));
    const otherwise = this.#value(done + 1, change);
    return equalExpressions(then, otherwise) ? otherwise : ir.select(this.#condition(rewrite, change), then, otherwise);
  }

  /** The range of `value`. */
  get range(): Range {
    if (this.#signed && this.#mayBeNegative) return widthRange(this.width, true);
    return widthRange(this.usedBits, false);
  }

  /** The most low bits that the kernel uses. */
  get usedBits(): number {
    const possible = this.#possible;
    return possible === 0n ? 0 : possible.toString(2).length;
  }

  /** Tests the bits that the kernel uses: calls `make` for each rewrite that can apply. */
  ask(make: (test: BitsTest) => BooleanExpression): BooleanExpression {
    return this.#ask(make, 0, unchanged);
  }

  /** `ask` after the first `done` rewrites, which have changed the bits by `change`. */
  #ask(make: (test: BitsTest) => BooleanExpression, done: number, change: Change): BooleanExpression {
    const rewrite = this.#rewrites[done];
    if (rewrite === undefined) return make((mask, values) => this.#test(change, mask, values));
    const when = this.#condition(rewrite, change);
    const otherwise = this.#ask(make, done + 1, change);
    const then = this.#ask(make, done + 1, changed(change, rewrite));
    if (when.kind === "boolean") return when.value ? then : otherwise;
    if (equalExpressions(then, otherwise)) return otherwise;
    if (then.kind === "boolean" && !then.value && contradict(otherwise, when)) return otherwise;
    return ir.selectBoolean(when, then, otherwise);
  }

  #condition(rewrite: Rewrite, change: Change): BooleanExpression {
    return ir.all(
      rewrite.when.map(({ parameter, mask, values }) =>
        parameter === this.#name
          ? this.#test(change, mask, values)
          : this.#other(parameter).ask((test) => test(mask, values)),
      ),
    );
  }

  /** Whether the changed bits equal one of the values under the mask. */
  #test({ clear, set }: Change, mask: bigint, values: readonly bigint[]): BooleanExpression {
    const asked = mask & this.#whole;
    const preserved = asked & ~clear;
    const possible = values.filter((value) => (value & asked & clear) === (set & asked));
    if (preserved === 0n) return possible.length > 0 ? ir.always : ir.never;
    const bits = preserved === this.#whole ? this.register() : ir.masked(this.register(), preserved);
    return ir.oneOf(
      bits,
      possible.map((value) => value & preserved),
    );
  }

  get #whole(): bigint {
    return (1n << BigInt(this.width)) - 1n;
  }

  /** The bits that can be set after all rewrites. */
  get #possible(): bigint {
    return this.#rewrites.reduce(
      (bits, { when, clear, set }) => (when.length === 0 ? bits & ~clear : bits) | (set & this.#whole),
      this.#whole,
    );
  }

  get #mayBeNegative(): boolean {
    return this.usedBits === this.width;
  }
}

function changed(change: Change, { clear, set }: Rewrite): Change {
  return { clear: change.clear | clear | set, set: (change.set & ~clear) | set };
}

/**
 * Whether the test and one of the conditions test one value and exclude each other. False if the forms do not show it.
 */
function contradict(test: BooleanExpression, conditions: BooleanExpression): boolean {
  const asked = membership(test);
  return (conditions.kind === "all" ? conditions.of : [conditions]).some((condition) => {
    const other = membership(condition);
    return (
      asked !== undefined &&
      other !== undefined &&
      equalExpressions(asked.value, other.value) &&
      intersection(asked.intervals, other.intervals).length === 0
    );
  });
}

function membership(
  test: BooleanExpression,
): { readonly value: IntegerExpression; readonly intervals: readonly Interval[] } | undefined {
  if (test.kind === "within") return test;
  if (test.kind !== "compare" || test.operator !== "equal" || test.right.kind !== "constant") return undefined;
  return { value: test.left, intervals: [{ from: test.right.value, to: test.right.value }] };
}
