/** `portcullis run`: prepares the policy (src/cli/policy) and runs a command under an engine (src/cli/policy/enforce.ts). */

import { StartError, TreeStartError } from "../../engines/launcher/start-error.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import type { Context } from "../context.ts";
import { runPage } from "../pages/run-page.ts";
import { enforce, failureOf } from "../policy/enforce.ts";
import { holdToHosts } from "../policy/hosts.ts";
import { printDiagnostics } from "../policy/load.ts";
import { examined } from "../policy/path-examination.ts";
import { preparePolicy } from "../policy/prepare.ts";
import { confineWithoutMounts } from "../policy/protection.ts";
import { type RunRequest, runRequest } from "../policy/run-request.ts";
import { Failure, failed, type Verb } from "../verb.ts";

/** @throws Failure */
async function tellExamined(policy: CompiledPolicy, request: RunRequest, context: Context): Promise<void> {
  const found = examined(policy, request);
  if (request.strictPaths && found.length > 0) throw new Failure(found.map((one) => ({ ...one, severity: "error" })));
  await printDiagnostics(found, new Map(), context);
}

export const run: Verb = {
  ...runPage,
  async execute(invocation, context) {
    const request = runRequest(invocation);
    let isHeld = false;
    try {
      const policy = await preparePolicy(request, context);
      const confined = await confineWithoutMounts(request, policy, context);
      if (confined !== undefined) {
        isHeld = true; // the static part would permit the files
        await tellExamined(policy, request, context);
        try {
          const held = await holdToHosts(confined.request, confined.policy, context);
          return await enforce(confined.request, confined.complete(held.policy), held.hosts);
        } finally {
          confined.end();
        }
      }
      await tellExamined(policy, request, context);
      const held = await holdToHosts(request, policy, context);
      isHeld = held.hosts !== undefined;
      return await enforce(request, held.policy, held.hosts);
    } catch (error) {
      // A StartError with status 125 means that nothing was started, for a reason other than the command.
      // A bundle's static part cannot be compiled, because the bundle has no source.
      const isWeaker =
        request.bestEffort && !isHeld && !request.policy.endsWith(".pcl") && !(error instanceof TreeStartError);
      if (!isWeaker || !(error instanceof StartError) || error.status !== failed) throw failureOf(error);
      const { staticPart } = await import("../policy/compile.ts");
      const weaker = await staticPart(request, context);
      context.err(
        `portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could give: ${error.message}\n`,
      );
      const { policy, hosts } = await holdToHosts(request, weaker, context);
      // The static part alone could let the tree around the proxy.
      if (hosts?.port !== undefined) throw failureOf(error);
      return await enforce(request, policy, hosts).catch((again: unknown) => {
        throw failureOf(again);
      });
    }
  },
};
