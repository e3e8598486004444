/** What is left of a policy where nobody can be asked: its static part. */
import type { CompiledPolicy } from "../engines/compiled.ts";
import { armable } from "../engines/notify/compile.ts";
import { notifyEngine } from "../engines/notify/engine.ts";
import { staticFilter } from "../engines/static-filter.ts";
import { compileOrFail } from "./compile.ts";
import type { Context } from "./context.ts";
import { loadForVerb } from "./policy.ts";
import { policyFile } from "./policy-arguments.ts";
import type { Invocation } from "./verb.ts";

/** The weakest verdict that any state could give, for each call: never stricter than the policy, and never asking. */
export async function staticPart(invocation: Invocation, context: Context): Promise<CompiledPolicy> {
  const named = policyFile(invocation.text("policy")!, context.workingDirectory);
  const { program } = await loadForVerb(named, invocation, context, { quiet: true });
  const { classic } = staticFilter(notifyEngine, program, { armed: true, alone: true });
  const filter = armable(classic);
  const policy = { ...compileOrFail(program, "quiet").policy!, filter, fallback: undefined, stateful: false };
  return { engine: "notify", policy };
}
