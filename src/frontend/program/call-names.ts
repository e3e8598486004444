/**
 * Sets of calls as bit masks in a bigint: the type of a variable, a set of calls and the tests on a path combine by
 * `&`.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { CallDescription } from "../../abi/call.ts";
import { allCallNames, callByName, numberOf } from "../../abi/calls.ts";
import { normalise } from "../../ir/intervals.ts";
import type { BooleanExpression, Interval } from "../../ir/program.ts";
import * as ir from "./ir.ts";

/** Always allowed, never judged (docs/language-reference.md, "Calls that the policy never sees"). */
export const alwaysAllowed: readonly string[] = ["restart_syscall", "rt_sigreturn", "exit", "exit_group"];

/** Judged only if the policy names one of them itself. */
export const uringCalls: readonly string[] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];

export class CallNames {
  readonly architecture: ArchitectureName;
  readonly names: readonly string[];
  readonly all: bigint;
  /** The calls that this architecture has. */
  readonly present: bigint;
  /** The calls that a policy can judge here. */
  readonly judgeable: bigint;
  private readonly bits = new Map<string, bigint>();
  private readonly numbers: readonly (bigint | undefined)[];
  /** A cache: a policy uses few masks, and uses them often. */
  private readonly lists = new Map<bigint, readonly string[]>();
  private readonly tests = new Map<bigint, BooleanExpression>();

  constructor(architecture: ArchitectureName) {
    this.architecture = architecture;
    this.names = allCallNames();
    let all = 0n;
    let present = 0n;
    const numbers: (bigint | undefined)[] = [];
    for (const [index, name] of this.names.entries()) {
      const bit = 1n << BigInt(index);
      this.bits.set(name, bit);
      all |= bit;
      const number = numberOf(name, architecture);
      numbers.push(number === undefined ? undefined : BigInt(number));
      if (number !== undefined) present |= bit;
    }
    this.all = all;
    this.present = present;
    this.numbers = numbers;
    this.judgeable = present & ~this.maskOf(alwaysAllowed);
  }

  bit(name: string): bigint | undefined {
    return this.bits.get(name);
  }

  maskOf(names: Iterable<string>): bigint {
    let mask = 0n;
    for (const name of names) mask |= this.bits.get(name) ?? 0n;
    return mask;
  }

  /** The call numbers, in the order of the names; undefined for a call that this architecture lacks. */
  get codes(): readonly (bigint | undefined)[] {
    return this.numbers;
  }

  code(name: string): bigint | undefined {
    const number = numberOf(name, this.architecture);
    return number === undefined ? undefined : BigInt(number);
  }

  /** At most `limit` names of a mask. */
  list(mask: bigint, limit = Number.POSITIVE_INFINITY): readonly string[] {
    let names = this.lists.get(mask);
    if (names === undefined) {
      names = this.decode(mask);
      this.lists.set(mask, names);
    }
    return limit >= names.length ? names : names.slice(0, limit);
  }

  private decode(mask: bigint): string[] {
    const found: string[] = [];
    // Reads hexadecimal digits from the end: shifting a wide bigint bit by bit copies it each time.
    const digits = mask.toString(16);
    for (let place = 0; place < digits.length; place++) {
      const character = digits[digits.length - 1 - place]!;
      if (character === "0") continue;
      const digit = Number.parseInt(character, 16);
      for (let bit = 0; bit < 4; bit++) {
        if ((digit & (1 << bit)) !== 0) found.push(this.names[place * 4 + bit]!);
      }
    }
    return found;
  }

  count(mask: bigint): number {
    return this.list(mask).length;
  }

  descriptions(mask: bigint): CallDescription[] {
    return this.list(mask).map((name) => callByName(name)!);
  }

  intervals(mask: bigint): Interval[] {
    return this.list(mask & this.present).map((name) => {
      const number = this.code(name)!;
      return { from: number, to: number };
    });
  }

  normalised(intervals: readonly Interval[]): readonly Interval[] {
    return normalise(intervals);
  }

  /** Tests whether the call is one of these. */
  test(mask: bigint): BooleanExpression {
    let test = this.tests.get(mask);
    if (test === undefined) {
      test = ir.within(ir.input("number"), this.intervals(mask));
      this.tests.set(mask, test);
    }
    return test;
  }
}
