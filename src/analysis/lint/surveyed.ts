/** The survey's results for calls by name. */
import type { Program } from "../../ir/program.ts";
import { passes } from "../../ir/verdicts.ts";
import { numberOf } from "../../linux/calls.ts";
import { unnamedNumber } from "../explain/unnamed.ts";
import { type End, surveyPolicy } from "./survey.ts";

/** The results for one call: the verdicts that it certainly gets and possibly gets. */
export interface Surveyed {
  readonly certain: ReadonlySet<number>;
  readonly perhaps: ReadonlySet<number>;
  /** State may change. */
  readonly changes: boolean;
  /** Some execution takes a path that changes state. */
  readonly changesCertainly: boolean;
  /** The verdict may depend on arguments. */
  readonly onArguments: boolean;
}

export class SurveyView {
  readonly program: Program;
  readonly ends: readonly End[];
  readonly unnamed: Surveyed;
  readonly #byNumber = new Map<number, Surveyed>();
  readonly #endsOf = new Map<number, End[]>();

  /** Undefined if the survey would take too long. */
  static of(program: Program): SurveyView | undefined {
    const numbers: number[] = [];
    for (const { from, to } of program.admission.judged) {
      for (let number = Number(from); number <= Number(to); number++) numbers.push(number);
    }
    numbers.push(unnamedNumber);
    const ends = surveyPolicy(program, numbers);
    return ends === undefined ? undefined : new SurveyView(program, ends);
  }

  private constructor(program: Program, ends: readonly End[]) {
    this.program = program;
    this.ends = ends;
    for (const end of ends) {
      // Indexes, here and below: a check visits some thousand ends once, before V8 removes iterators.
      const { numbers } = end;
      for (let at = 0; at < numbers.length; at++) {
        const number = numbers[at]!;
        const list = this.#endsOf.get(number);
        if (list === undefined) this.#endsOf.set(number, [end]);
        else list.push(end);
      }
    }
    this.unnamed = this.#number(unnamedNumber)!;
  }

  /** Undefined if the policy does not judge the call. */
  call(name: string): Surveyed | undefined {
    const number = numberOf(name, this.program.architecture);
    return number === undefined ? undefined : this.#number(number);
  }

  /** The results of all judged calls. */
  calls(): readonly Surveyed[] {
    return [...this.#endsOf.keys()].filter((number) => number !== unnamedNumber).map((number) => this.#number(number)!);
  }

  isDenial(verdict: number): boolean {
    return !passes(this.program.verdicts[verdict]!);
  }

  #number(number: number): Surveyed | undefined {
    const known = this.#byNumber.get(number);
    if (known !== undefined) return known;
    const ends = this.#endsOf.get(number);
    if (ends === undefined) return undefined;
    const certain = new Set<number>();
    const perhaps = new Set<number>();
    let [changes, changesCertainly, onArguments] = [false, false, false];
    for (let at = 0; at < ends.length; at++) {
      const end = ends[at]!;
      perhaps.add(end.verdict);
      if (end.raised.length > 0) for (const verdict of end.raised) perhaps.add(verdict);
      if (end.certain) certain.add(end.verdict);
      changes ||= end.changes;
      changesCertainly ||= end.changes && end.certain;
      onArguments ||= end.onArguments;
    }
    const surveyed = { certain, perhaps, changes, changesCertainly, onArguments };
    this.#byNumber.set(number, surveyed);
    return surveyed;
  }
}
