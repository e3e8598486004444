/** What exists at each call only. */

import type { Range as SourceRange } from "../source/file.ts";
import type { Compilation } from "../walk/compilation.ts";

/** Only at each call: reports where constants are worked out. */
export function inStep(c: Compilation, node: SourceRange, what: string): boolean {
  if (c.time === "step") return true;
  c.error(
    "P0319",
    node,
    `${what} is known at each call only: at the top of a module nothing has been called yet`,
    "inside the function that is given to policy(…)",
  );
  return false;
}
