/** Limits of one compilation: how much the walk may do and emit before the policy is refused as too large. */
import type { DiagnosticCode } from "../../../diagnostics/catalogue.ts";
import type { Statement } from "../../../ir/program.ts";
import type { ProgramBuilder } from "../../program/builder.ts";
import type { Range as SourceRange } from "../../source/file.ts";

/** A hostile policy is refused after this many steps, in about a second. */
const mostSteps = 2_000_000;
const deepestWalk = 400;

/** Reports the diagnostic and ends the compilation. */
export type GiveUpWith = (code: DiagnosticCode, node: SourceRange, message: string, help: string) => never;

export class Bounds {
  readonly #builder: ProgramBuilder;
  readonly #giveUp: GiveUpWith;
  #steps = 0;
  #depth = 0;
  /** The depth of the statement list that the walk emits into. */
  #nesting = 0;

  constructor(builder: ProgramBuilder, giveUp: GiveUpWith) {
    this.#builder = builder;
    this.#giveUp = giveUp;
  }

  /** Begins one step of the walk, for each expression and statement. `leave` ends it. */
  enter(node: SourceRange): void {
    if (++this.#steps > mostSteps) this.#tooLarge(node);
    if (++this.#depth > deepestWalk) {
      this.#giveUp(
        "P0318",
        node,
        `nested more than ${deepestWalk} deep`,
        "name parts of it with const, or write a function",
      );
    }
  }

  leave(): void {
    this.#depth--;
  }

  /** Charges for work that is not a step of its own. */
  charge(steps: number): void {
    this.#steps += steps;
  }

  /** Runs `body`, which emits into a nested list. */
  nested<T>(body: () => T): T {
    this.#nesting++;
    try {
      return body();
    } finally {
      this.#nesting--;
    }
  }

  /** Counts a statement that is emitted at the current nesting. */
  count(statement: Statement, node: SourceRange): void {
    this.#builder.count(statement, this.#nesting);
    if (this.#builder.tooLarge) this.#tooLarge(node);
    if (this.#builder.tooDeep) {
      this.#giveUp(
        "P0318",
        node,
        "the step nests too deeply after its functions are inlined",
        "return early instead of else",
      );
    }
  }

  #tooLarge(node: SourceRange): never {
    this.#giveUp(
      "P0314",
      node,
      "too large: with its loops unrolled and its functions inlined, the policy has more than 200,000 parts",
      "fewer rounds of the loop, or a set of calls or a table instead of it",
    );
  }
}
