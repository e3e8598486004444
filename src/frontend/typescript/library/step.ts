/** A check for functions that exist only inside the step. */

import type { Range as SourceRange } from "../../source/file.ts";
import type { Compilation } from "../walk/compilation.ts";

/** Whether the walk is inside the step; reports an error if not. */
export function inStep(c: Compilation, node: SourceRange, what: string): boolean {
  if (c.time === "step") return true;
  c.error(
    "P0319",
    node,
    `${what} is known only at each call, not at the top of a module`,
    "inside the function that is given to policy(…)",
  );
  return false;
}
