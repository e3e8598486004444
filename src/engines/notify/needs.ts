/** What the supervisor must follow for a policy. */
import type { Input, Program } from "../../ir/program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../ir/traverse.ts";
import type { Needs } from "./policy.ts";

export function needsOf(program: Program): Needs {
  const read = new Set<Input>();
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement)) {
      forEachExpression(expression, (one) => {
        if (one.kind === "input") read.add(one.input);
      });
    }
  });
  const state = [...program.cells, ...program.tables];
  const of = (scope: "thread" | "process") => state.filter((one) => one.scope === scope);
  const alive = read.has("alive");
  return {
    // A thread of its own has each slot of a window (pin/pinning.ts), and its end must be seen.
    threads: of("thread").length > 0 || program.observations.length > 0,
    processes: of("process").length > 0,
    births: alive || state.some((one) => one.scope !== "tree" && one.onFork !== "fresh"),
    alive,
    processId: read.has("pid"),
    credentials: read.has("uid") || read.has("gid"),
  };
}
