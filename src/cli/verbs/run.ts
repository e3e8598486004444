/** `portcullis run`: prepares the policy (src/cli/policy) and runs a command under an engine (src/cli/enforce.ts). */
import { StartError } from "../../engines/start-error.ts";
import { enforce, failureOf } from "../enforce.ts";
import { runPage } from "../pages/run-page.ts";
import { preparePolicy } from "../policy/prepare.ts";
import { runRequest } from "../run-request.ts";
import { failed, type Verb } from "../verb.ts";

export const run: Verb = {
  ...runPage,
  async execute(invocation, context) {
    const request = runRequest(invocation);
    try {
      return await enforce(request, await preparePolicy(request, context));
    } catch (error) {
      // A StartError with status 125 means that nothing was started, for a reason other than the command.
      if (!request.bestEffort || !(error instanceof StartError) || error.status !== failed) throw failureOf(error);
      const { staticPart } = await import("../policy/compile.ts");
      const weaker = await staticPart(request, context);
      context.err(
        `portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could give: ${error.message}\n`,
      );
      return await enforce(request, weaker).catch((again: unknown) => {
        throw failureOf(again);
      });
    }
  },
};
