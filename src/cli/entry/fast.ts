/**
 * The entry of dist/portcullis.cjs, which bin/portcullis.cjs starts: `run`, in one file that Node loads without its loader
 * of ES modules (some 15 ms). The compiler is another file, dist/compiler.cjs, for policies that the cache lacks. The full
 * command line handles every other command line, and all errors before a command was started.
 */
import { StartError } from "../../engines/launcher/start-error.ts";
import { NativeUnavailableError } from "../../machine/native.ts";
import { exitAtOnce } from "../../machine/process.ts";
import { internalError, isWithoutDirectory, writeNow } from "../context.ts";
import { startThroughFront } from "../front.ts";
import { runPage } from "../pages/run-page.ts";
import { parseInvocation } from "../parse.ts";
import { enforce } from "../policy/enforce.ts";
import { holdToHosts } from "../policy/hosts.ts";
import { examined } from "../policy/path-examination.ts";
import { preparePolicy } from "../policy/prepare.ts";
import { runRequest } from "../policy/run-request.ts";
import { runContext } from "../run-context.ts";
import { Failure, failed, type Verb } from "../verb.ts";

/** The exit status; undefined if nothing was started and the full command line must run it or report the error. */
async function runFast(argv: readonly string[]): Promise<number | undefined> {
  if (argv[0] !== "run") return undefined;
  try {
    const context = runContext();
    const invocation = parseInvocation(runPage as Verb, argv.slice(1));
    if (invocation.has("help")) return undefined;
    const request = runRequest(invocation);
    if (request.bestEffort) return undefined;
    const policy = await preparePolicy(request, context).catch(() => undefined);
    if (policy === undefined || examined(policy, request).length > 0) return undefined;
    // Where the launcher cannot make the namespaces, the full command line finds another way.
    const held = await holdToHosts(request, policy, context, "own-network");
    try {
      return await enforce(request, held.policy, held.hosts);
    } finally {
      held.hosts?.close();
    }
  } catch (error) {
    if (error instanceof Failure || error instanceof StartError || error instanceof NativeUnavailableError)
      return undefined;
    if (isWithoutDirectory(error)) return undefined;
    writeNow(2, internalError(error, process.env["PORTCULLIS_DEBUG"] !== undefined));
    return failed;
  }
}

const argv = process.argv.slice(2);
startThroughFront(argv);
void runFast(argv).then(async (status) => {
  // Read no file from now on: the confined command may have changed it.
  if (status !== undefined) exitAtOnce(status);
  await (await import("./main.ts")).main(argv);
});
