/**
 * Makes a program smaller without changing what it means. Engines compile the optimised form; people see the original
 * (`explain --ir` shows both).
 */
import type { Program } from "../program.ts";
import { dropDeadStores } from "./drop-dead-stores.ts";
import { dropUnreachable } from "./drop-unreachable.ts";
import { flattenBlocks } from "./flatten-blocks.ts";
import { foldBranches } from "./fold-branches.ts";
import type { Pass } from "./pass.ts";
import { propagateLocals } from "./propagate-locals.ts";
import { simplifyExpressions } from "./simplify-expressions.ts";

/** In the order in which each helps the next. */
export const passes: readonly Pass[] = [
  // First, so that conditions that are constant look constant.
  simplifyExpressions,
  // Leaves `return`s in the middle of a list where a branch was.
  foldBranches,
  // Before blocks are flattened: a `leave` that nothing reaches keeps its block alive.
  dropUnreachable,
  // Joins what was apart, so that more is known of locals.
  flattenBlocks,
  propagateLocals,
  // Last: the passes before take away the reads that keep stores alive.
  dropDeadStores,
];

/** Every round makes something smaller or it is the last; more than this never paid. */
const maximumRounds = 6;

export interface Optimised {
  readonly program: Program;
  /** Names of the passes that changed something, in the order in which they ran. */
  readonly changedBy: readonly string[];
}

export function optimise(program: Program): Optimised {
  const changedBy: string[] = [];
  let current = program;
  for (let round = 0; round < maximumRounds; round++) {
    const before = current;
    for (const pass of passes) {
      const next = pass.run(current);
      if (next !== current) changedBy.push(pass.name);
      current = next;
    }
    if (current === before) break;
  }
  return { program: current, changedBy };
}
