/**
 * The optimiser: an ordered list of passes that make a program smaller and preserve its semantics. Engines compile the
 * optimised form; diagnostics and `explain` use the original (`explain --ir` prints both).
 */
import type { Program } from "../program.ts";
import { dropDeadStores } from "./drop-dead-stores.ts";
import { dropUnreachable } from "./drop-unreachable.ts";
import { flattenBlocks } from "./flatten-blocks.ts";
import { foldBranches } from "./fold-branches.ts";
import type { Pass } from "./pass.ts";
import { propagateLocals } from "./propagate-locals.ts";
import { simplifyExpressions } from "./simplify-expressions.ts";

/** Each pass prepares for the next. */
export const passes: readonly Pass[] = [
  // First: makes constant conditions visible to the next pass.
  simplifyExpressions,
  // Can leave a `return` in the middle of a list.
  foldBranches,
  // Before flattening: an unreachable `leave` would keep its block alive.
  dropUnreachable,
  // Joins statement lists, so propagation sees more.
  flattenBlocks,
  propagateLocals,
  // Last: the passes before it remove the reads that keep stores alive.
  dropDeadStores,
];

/** Each round makes the program smaller or is the last. Further rounds gained nothing in measurements. */
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
