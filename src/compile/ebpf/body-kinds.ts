/** Which calls are judged by the same statements, once their number is known. */
import { specialise } from "../../ir/optimise/specialise.ts";
import type { Program, Statement } from "../../ir/program.ts";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import type { ProcessMaking } from "./uses.ts";

export interface BodyKind {
  readonly statements: readonly Statement[];
  readonly makesProcesses: ProcessMaking;
  /** The first stands for all of them. */
  readonly numbers: readonly number[];
}

/** clone3's flags lie behind a pointer, so it counts as making a process. */
function processMaking(number: number, architecture: ArchitectureName): ProcessMaking {
  if (number < 0) return "never";
  if (number === callNumber("clone", architecture)) return "unless-thread";
  return (["fork", "vfork", "clone3"] as const).some((name) => number === callNumber(name, architecture))
    ? "always"
    : "never";
}

export class BodyKinds {
  readonly #program: Program;
  readonly #kinds = new Map<string, BodyKind & { readonly numbers: number[] }>();
  readonly #byNumber = new Map<number, BodyKind>();

  constructor(program: Program) {
    this.#program = program;
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
    const { body: statements } = specialise(this.#program, number);
    const makesProcesses = processMaking(number, this.#program.architecture);
    const key = `${makesProcesses} ${print(statements)}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { statements, makesProcesses, numbers: [] };
      this.#kinds.set(key, kind);
    }
    kind.numbers.push(number);
    this.#byNumber.set(number, kind);
    return kind;
  }
}

/** Equal statements have equal texts; where in the policy they stand is part of it. */
function print(statements: readonly Statement[]): string {
  return JSON.stringify(statements, (_key, value) => (typeof value === "bigint" ? `${value}n` : value));
}
