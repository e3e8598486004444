/** The split as lints use it: by call name, and for a call that no rule names. */

import { callByName, callByNumber } from "../../abi/calls.ts";
import type { Span } from "../../diagnostics/diagnostic.ts";
import { holds } from "../../ir/intervals.ts";
import { spanOf } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { asks, mayPass } from "../../ir/verdicts.ts";
import type { Decision, DecisionLeaf } from "../decision.ts";
import { leavesOf } from "../explain/paths.ts";
import { unnamedNumber } from "../explain/unnamed.ts";
import { splitPolicy } from "../split/split.ts";

export class View {
  readonly program: Program;
  readonly decisions: ReadonlyMap<number, Decision>;
  /** The decision for a call that no rule names. */
  readonly unnamed: Decision;
  /** Cached: most calls share a decision, and one may have thousands of leaves. */
  readonly #possible = new Map<Decision, readonly number[]>();

  constructor(program: Program) {
    const unnamed = BigInt(unnamedNumber);
    const judged = [...program.admission.judged, { from: unnamed, to: unnamed }];
    const split = splitPolicy(
      { ...program, admission: { ...program.admission, judged } },
      { superviseProcessCreation: false },
    );
    this.program = program;
    this.unnamed = split.get(unnamedNumber)!;
    this.decisions = new Map([...split].filter(([number]) => number !== unnamedNumber));
  }

  decisionOf(name: string): Decision | undefined {
    const number = callByName(name)?.number[this.program.architecture];
    return number === undefined ? undefined : this.decisions.get(number);
  }

  leavesOf(name: string): readonly DecisionLeaf[] {
    const decision = this.decisionOf(name);
    return decision === undefined ? [] : leavesOf(decision);
  }

  name(number: number): string {
    return callByNumber(this.program.architecture, number)?.name ?? `call ${number}`;
  }

  isDenial(verdict: number): boolean {
    return !mayPass(this.program.verdicts[verdict]!);
  }

  /** Whether the call fails or waits for a person, which its caller can want to avoid. */
  restricts(verdict: number): boolean {
    return this.isDenial(verdict) || asks(this.program.verdicts[verdict]!);
  }

  /** "is refused", or "asks". */
  effect(verdict: number): string {
    return this.isDenial(verdict) ? "is refused" : "asks";
  }

  /** The verdicts that some arguments and some state give. */
  possible(name: string): readonly number[] {
    const decision = this.decisionOf(name);
    if (decision === undefined) return [];
    let possible = this.#possible.get(decision);
    if (possible === undefined) {
      const all = new Set<number>();
      for (const leaf of leavesOf(decision)) for (const verdict of leaf.possible) all.add(verdict);
      possible = [...all];
      this.#possible.set(decision, possible);
    }
    return possible;
  }

  /** The verdicts that some state gives for these registers; missing ones are 0. */
  possibleFor(name: string, registers: readonly bigint[]): readonly number[] {
    let node = this.decisionOf(name);
    while (node?.kind === "test") {
      const { word, mask, intervals } = node.test;
      const value = word === "instructionPointer" ? 0n : (registers[Number(word.slice(-1))] ?? 0n);
      node = holds(intervals, value & mask) ? node.then : node.otherwise;
    }
    return node?.possible ?? [];
  }

  span(verdict: number): Span | undefined {
    return spanOf(this.program, this.program.verdicts[verdict]!.at);
  }
}

/** "a", "a and b", "a, b and c". */
export function enumerate(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
