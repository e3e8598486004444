/** A bundle as the policy of a `run`. */
import { BundleError } from "../../bundle/bundle.ts";
import { SettingError } from "../../bundle/settings.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { bundledPolicy, bundleEngine } from "../../engines/seccomp-ebpf/bundled.ts";
import { type Candidate, candidates } from "../engine.ts";
import { readBytes } from "../input.ts";
import type { RunRequest } from "../run-request.ts";
import { Failure } from "../verb.ts";

/** @throws Failure, and StartError where this kernel enforces no bundle */
export function policyOfBundle(file: string, possible: readonly Candidate[], request: RunRequest): CompiledPolicy {
  if (request.capabilities !== undefined) {
    throw new Failure([
      diagnostic("P0909", "nothing is to be done with --cap: a bundle is compiled already", {
        help: "portcullis compile --cap NAME",
      }),
    ]);
  }
  if (!possible.some(({ engine }) => engine === bundleEngine)) {
    // Where the kernel cannot enforce bundles, this throws the reason.
    candidates(bundleEngine, request.mode === "audit");
    throw new Failure([
      diagnostic("P0907", `a bundle is for the engine ${bundleEngine}`, {
        help: "name the policy that it was compiled from",
      }),
    ]);
  }
  try {
    return { engine: bundleEngine, policy: bundledPolicy(readBytes(file), request.parameters) };
  } catch (error) {
    if (error instanceof BundleError) throw new Failure([diagnostic("P0912", `${file}: ${error.message}`)]);
    if (error instanceof SettingError)
      throw new Failure([diagnostic("P0909", `${file}: ${error.message}`, { help: error.help })]);
    throw error;
  }
}
