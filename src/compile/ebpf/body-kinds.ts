/** Which calls are judged by the same statements, once their number is known. */

import { equivalentNumbers } from "../../ir/optimise/equivalent-numbers.ts";
import { specialise } from "../../ir/optimise/specialise.ts";
import type { Program, Statement } from "../../ir/program.ts";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import type { CreatingCall } from "../../linux/process-calls.ts";
import { countsAlive, type ProcessMaking } from "./uses.ts";

export interface BodyKind {
  readonly statements: readonly Statement[];
  readonly makesProcesses: ProcessMaking;
  /** The first stands for all of them. */
  readonly numbers: readonly number[];
}

/**
 * clone3's flags lie behind a pointer, so it counts as making a process. Where nobody counts the living, a thread that
 * clone makes is of no matter, and clone can share a body with the others.
 */
function processMaking(number: number, architecture: ArchitectureName, countsAlive: boolean): ProcessMaking {
  const isCall = (name: CreatingCall) => number >= 0 && number === callNumber(name, architecture);
  if (isCall("clone")) return countsAlive ? "unless-thread" : "always";
  return isCall("fork") || isCall("vfork") || isCall("clone3") ? "always" : "never";
}

export class BodyKinds {
  readonly #program: Program;
  readonly #kinds = new Map<string, BodyKind & { readonly numbers: number[] }>();
  readonly #byNumber = new Map<number, BodyKind>();
  readonly #countsAlive: boolean;
  readonly #alike: ReadonlyMap<number, number>;
  readonly #bodies = new Map<number, Body>();
  /** Equal bodies are one. */
  readonly #byText = new Map<string, Body>();

  constructor(program: Program) {
    this.#program = program;
    this.#countsAlive = countsAlive(program);
    this.#alike = equivalentNumbers(program, judgedNumbers(program));
  }

  /** The number that stands for all that are judged like this one. */
  representative(number: number): number {
    return this.#kind(number).numbers[0]!;
  }

  /** The kinds for which these numbers stand, each once. */
  of(representatives: readonly number[]): readonly BodyKind[] {
    return [...new Set(representatives.map((number) => this.#kind(number)))];
  }

  #kind(number: number): BodyKind {
    const known = this.#byNumber.get(number);
    if (known !== undefined) return known;
    const { statements, id } = this.#body(this.#alike.get(number) ?? number);
    const makesProcesses = processMaking(number, this.#program.architecture, this.#countsAlive);
    const key = `${makesProcesses} ${id}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { statements, makesProcesses, numbers: [] };
      this.#kinds.set(key, kind);
    }
    kind.numbers.push(number);
    this.#byNumber.set(number, kind);
    return kind;
  }

  #body(number: number): Body {
    let body = this.#bodies.get(number);
    if (body === undefined) {
      const { body: statements } = specialise(this.#program, number);
      const text = print(statements);
      body = this.#byText.get(text) ?? { statements, id: this.#byText.size };
      this.#byText.set(text, body);
      this.#bodies.set(number, body);
    }
    return body;
  }
}

interface Body {
  readonly statements: readonly Statement[];
  readonly id: number;
}

function judgedNumbers({ admission }: Program): number[] {
  return admission.judged.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => Number(from) + index),
  );
}

/** Equal statements have equal texts; where in the policy they stand is part of it. */
function print(statements: readonly Statement[]): string {
  return JSON.stringify(statements, (_key, value) => (typeof value === "bigint" ? `${value}n` : value));
}
