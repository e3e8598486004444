/** What is left of a policy where nobody can be asked: its static part. */

import { splitPolicy } from "../analysis/split/split.ts";
import { type ClassicTarget, compileClassic } from "../compile/classic/compile.ts";
import { returnWord, verdictWord } from "../compile/classic/return-word.ts";
import type { CompiledPolicy } from "../engines/compiled.ts";
import { armable } from "../engines/notify/compile.ts";
import { compileOrFail } from "./compile.ts";
import type { Context } from "./context.ts";
import { loadForVerb } from "./policy.ts";
import { policyFile } from "./policy-arguments.ts";
import type { Invocation } from "./verb.ts";

const enosys = 38;

/** The weakest verdict that any state could give, for each call: never stricter than the policy, and never asking. */
export async function staticPart(invocation: Invocation, context: Context): Promise<CompiledPolicy> {
  const named = policyFile(invocation.text("policy")!, context.workingDirectory);
  const { program } = await loadForVerb(named, invocation, context, { quiet: true });
  const split = splitPolicy(program, { superviseProcessCreation: false });
  const target: ClassicTarget = {
    leaf: (leaf) => verdictWord(program.verdicts[leaf.weakest]!),
    unknown: returnWord("ERRNO", enosys),
    foreign: returnWord("ERRNO", enosys),
    always: returnWord("ALLOW"),
    launcherToken: [0, 0, 0, 0],
  };
  const filter = armable(compileClassic(program, split, target));
  const policy = { ...compileOrFail(program, "quiet").policy!, filter, fallback: undefined, stateful: false };
  return { engine: "notify", policy };
}
