/** A bundle as the policy of a `run`. */
import { SettingError } from "../../backend/bundle/settings.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { bundledPolicy, bundleEngine } from "../../engines/bundled.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { candidates } from "../engine.ts";
import { readBytes } from "../input.ts";
import { Failure } from "../verb.ts";
import type { PolicyFile } from "./arguments.ts";
import { withBundleFaults } from "./bundle-fault.ts";
import { demandsOf, type RunRequest } from "./run-request.ts";

/**
 * Reports errors of the file before missing features of the kernel, because they are errors on every machine.
 *
 * @throws Failure; StartError if this kernel cannot enforce bundles; NativeUnavailableError
 */
export function policyOfBundle(file: PolicyFile, request: RunRequest): CompiledPolicy {
  if (request.capabilities !== undefined) {
    throw new Failure([
      diagnostic("P0909", "--cap cannot be used with a bundle, which is already compiled", {
        help: "portcullis compile --cap NAME",
      }),
    ]);
  }
  const policy = readBundle(file, request);
  if (!candidates(request.engine, demandsOf(request)).some(({ engine }) => engine === bundleEngine)) {
    requireEngine(request);
    throw new Failure([diagnostic("P0907", `a bundle is for the engine ${bundleEngine}`, { help: withoutEngine })]);
  }
  return { engine: bundleEngine, policy };
}

function readBundle({ name, openedAs }: PolicyFile, request: RunRequest): ReturnType<typeof bundledPolicy> {
  try {
    return withBundleFaults(name, () => bundledPolicy(readBytes(name, openedAs), request.parameters));
  } catch (error) {
    if (error instanceof SettingError)
      throw new Failure([diagnostic("P0909", `${name}: ${error.message}`, { help: error.help })]);
    throw error;
  }
}

const withoutEngine =
  "run the policy that it was compiled from; `launcher run --best-effort` enforces a bundle's static part on any kernel";

/** @throws StartError if this kernel cannot enforce bundles; another engine cannot replace theirs */
function requireEngine(request: RunRequest): void {
  try {
    candidates(bundleEngine, demandsOf(request));
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new StartError(error.status, error.message, withoutEngine);
  }
}
