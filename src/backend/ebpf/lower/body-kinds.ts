/** Groups calls whose bodies, specialised to the number, are equal, and which pass the memory that is read alike. */

import type { ArchitectureName } from "../../../abi/architecture.ts";
import { callNumber } from "../../../abi/call-numbers.ts";
import { creatingCalls, numbersOf } from "../../../abi/process-calls.ts";
import { equivalentNumbers } from "../../../ir/optimise/equivalent-numbers.ts";
import { specialise } from "../../../ir/optimise/specialise.ts";
import type { Program, Statement } from "../../../ir/program.ts";
import { countsAlive, observationsIn, type ProcessMaking } from "./uses.ts";

export interface BodyKind {
  readonly statements: readonly Statement[];
  readonly makesProcesses: ProcessMaking;
  /** The first number represents the others. */
  readonly numbers: readonly number[];
}

/**
 * clone3's flags are behind a pointer, so it counts as creating a process; seccomp.ts refuses a policy that counts
 * processes and reads these flags. Unless the policy counts living processes, it does not matter whether clone creates a
 * thread, and clone can share a body with other calls.
 */
function processMaking(number: number, architecture: ArchitectureName, countsAlive: boolean): ProcessMaking {
  if (!numbersOf(creatingCalls, architecture).includes(number)) return "never";
  return countsAlive && number === callNumber("clone", architecture) ? "unless-thread" : "always";
}

export class BodyKinds {
  readonly #program: Program;
  readonly #kinds = new Map<string, BodyKind & { readonly numbers: number[] }>();
  readonly #byNumber = new Map<number, BodyKind>();
  readonly #countsAlive: boolean;
  readonly #alike: ReadonlyMap<number, number>;
  readonly #bodies = new Map<number, Body>();
  /** Equal bodies are shared. */
  readonly #byText = new Map<string, Body>();

  constructor(program: Program) {
    this.#program = program;
    this.#countsAlive = countsAlive(program);
    this.#alike = equivalentNumbers(program, judgedNumbers(program));
  }

  /** The number whose body judges this call. */
  representative(number: number): number {
    return this.#kind(number).numbers[0]!;
  }

  /** The kinds of these numbers, each once. */
  of(representatives: readonly number[]): readonly BodyKind[] {
    return [...new Set(representatives.map((number) => this.#kind(number)))];
  }

  #kind(number: number): BodyKind {
    const known = this.#byNumber.get(number);
    if (known !== undefined) return known;
    const { statements, id, observations } = this.#body(this.#alike.get(number) ?? number);
    const makesProcesses = processMaking(number, this.#program.architecture, this.#countsAlive);
    const registers = observations.map((observation) => this.#registerOf(observation, number) ?? "none");
    const key = `${makesProcesses} ${id} ${registers.join()}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { statements, makesProcesses, numbers: [] };
      this.#kinds.set(key, kind);
    }
    kind.numbers.push(number);
    this.#byNumber.set(number, kind);
    return kind;
  }

  #registerOf(observation: number, number: number): number | undefined {
    return this.#program.observations[observation]!.sources.find((source) => source.number === number)?.register;
  }

  #body(number: number): Body {
    let body = this.#bodies.get(number);
    if (body === undefined) {
      const { body: statements } = specialise(this.#program, number);
      const text = print(statements);
      const observations = observationsIn(this.#program, statements);
      body = this.#byText.get(text) ?? { statements, id: this.#byText.size, observations };
      this.#byText.set(text, body);
      this.#bodies.set(number, body);
    }
    return body;
  }
}

interface Body {
  readonly statements: readonly Statement[];
  readonly id: number;
  readonly observations: readonly number[];
}

function judgedNumbers({ admission }: Program): number[] {
  return admission.judged.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => Number(from) + index),
  );
}

/** Equal statements have equal text, which includes their locations. */
function print(statements: readonly Statement[]): string {
  return JSON.stringify(statements, (_key, value) => (typeof value === "bigint" ? `${value}n` : value));
}
