/** The state, inputs and memory that a body of statements uses. */
import type { Input } from "../../../ir/inputs.ts";
import type { Source } from "../../../ir/observation.ts";
import type { Program, Statement } from "../../../ir/program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../../ir/traverse.ts";

/** Whether a call creates a process; `unless-thread`: unless the flags in its first argument have CLONE_THREAD. */
export type ProcessMaking = "never" | "always" | "unless-thread";

export interface BodyUse {
  readonly program: Program;
  /** Indexes of the cells and tables that it reads or writes. */
  readonly cells: ReadonlySet<number>;
  readonly tables: ReadonlySet<number>;
  readonly inputs: ReadonlySet<Input>;
  /** Whether the calls that it judges create processes. */
  readonly makesProcesses: ProcessMaking;
  /** Whether it needs exclusive access to its state. */
  readonly locked: boolean;
  /** The calls that it judges. */
  readonly numbers: readonly number[];
  /** For each observation that it reads and that its calls pass: the register, which is the same for all of them. */
  readonly sources: ReadonlyMap<number, Source>;
}

/** The entry of a body. */
export type BodyHow = Pick<BodyUse, "makesProcesses" | "locked"> & Partial<Pick<BodyUse, "numbers">>;

export function bodyUse(
  program: Program,
  body: readonly Statement[],
  { makesProcesses, locked, numbers = [] }: BodyHow,
): BodyUse {
  const cells = new Set<number>();
  const tables = new Set<number>();
  const inputs = new Set<Input>();
  forEachStatement(body, (statement) => {
    if (statement.kind === "store") cells.add(statement.cell);
    if (statement.kind === "table-set" || statement.kind === "table-delete") tables.add(statement.table);
    for (const root of expressionsOf(statement)) {
      forEachExpression(root, (expression) => {
        if (expression.kind === "cell") cells.add(expression.cell);
        if (expression.kind === "table-get" || expression.kind === "table-has") tables.add(expression.table);
        if (expression.kind === "input") inputs.add(expression.input);
      });
    }
  });
  const sources = new Map<number, Source>();
  for (const observation of observationsIn(program, body)) {
    const source = program.observations[observation]!.sources.find(({ number }) => number === numbers[0]);
    if (source !== undefined) sources.set(observation, source);
  }
  return { program, cells, tables, inputs, makesProcesses, locked, numbers, sources };
}

/** The observations of which a body reads words, ascending. */
export function observationsIn(program: Program, body: readonly Statement[]): readonly number[] {
  const found = new Set<number>();
  if (program.words.length === 0) return [];
  forEachStatement(body, (statement) => {
    for (const root of expressionsOf(statement))
      forEachExpression(root, (expression) => {
        if (expression.kind === "observed") found.add(program.words[expression.word]!.observation);
      });
  });
  return [...found].sort((a, b) => a - b);
}

/** Whether the policy reads the number of living processes. */
export function countsAlive(program: Program): boolean {
  return bodyUse(program, program.body, { makesProcesses: "never", locked: false }).inputs.has("alive");
}

/** Whether a body inserts into a table or enters a room, which may raise a verdict. */
export function mayRaise(body: readonly Statement[]): boolean {
  let raises = false;
  forEachStatement(body, (statement) => {
    raises ||= statement.kind === "table-set" || statement.kind === "enter";
  });
  return raises;
}
