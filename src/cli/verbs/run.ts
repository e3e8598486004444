import { StartError } from "../../engines/start-error.ts";
import { compiledPolicy } from "../compiled.ts";
import { enforce, failureOf, planOf } from "../enforce.ts";
import { runPage } from "../run-page.ts";
import { failed, type Verb } from "../verb.ts";

export const run: Verb = {
  ...runPage,
  async execute(invocation, context) {
    const plan = planOf(invocation);
    try {
      return await enforce(plan, await compiledPolicy(plan, invocation, context));
    } catch (error) {
      // A StartError of 125 says that nothing was started and that it was not the command's fault.
      if (!plan.bestEffort || !(error instanceof StartError) || error.status !== failed) throw failureOf(error);
      const { staticPart } = await import("../best-effort.ts");
      const weaker = await staticPart(invocation, context);
      context.err(
        `portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could give: ${error.message}\n`,
      );
      return await enforce(plan, weaker).catch((again: unknown) => {
        throw failureOf(again);
      });
    }
  },
};
