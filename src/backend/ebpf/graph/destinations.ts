/** Resolves the final target of a jump to a block. */
import type { Block } from "./graph.ts";

/**
 * A jump to a block that only jumps goes to that block's target. Blocks that only return the same constant, or only
 * enter the same body, are represented by one of them, as long as no block changes meanwhile. The representative has
 * the first location in the policy, or none if it also represents a return that is not the policy's.
 */
export class Destinations {
  readonly #exits = new Map<number, Block>();
  readonly #bodies = new Map<number, Block>();

  of(block: Block): Block {
    let at = block;
    while (at.instructions.length === 0 && at.terminator?.kind === "goto") at = at.terminator.to;
    const { terminator } = at;
    if (at.instructions.length === 0 && terminator?.kind === "body") {
      const known = this.#bodies.get(terminator.number);
      if (known === undefined) this.#bodies.set(terminator.number, at);
      return known ?? at;
    }
    if (at.instructions.length > 0 || terminator?.kind !== "exit" || !("immediate" in terminator.result)) return at;
    const { immediate } = terminator.result;
    const known = this.#exits.get(immediate);
    if (known === undefined) {
      this.#exits.set(immediate, at);
      return at;
    }
    if (known.terminator?.kind === "exit")
      known.terminator = { ...known.terminator, at: known.terminator.at && terminator.at && known.terminator.at };
    return known;
  }
}
