/** A bundle as the policy of `run`. */
import { BundleError } from "../bundle/bundle.ts";
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { CompiledPolicy } from "../engines/compiled.ts";
import { bundledPolicy } from "../engines/seccomp-ebpf/bundled.ts";
import type { Context } from "./context.ts";
import { chooseEngine, type Engine } from "./engine.ts";
import { readBytes } from "./input.ts";
import { Failure, type Invocation } from "./verb.ts";

/** @throws Failure, and StartError where this kernel enforces no bundle */
export async function bundledPolicyOf(
  file: string,
  engine: Engine,
  invocation: Invocation,
  _context: Context,
): Promise<CompiledPolicy> {
  if (invocation.texts("set").length > 0) {
    throw new Failure([
      diagnostic("P0909", "a bundle has the values of its parameters", {
        help: "--set is given to portcullis compile",
      }),
    ]);
  }
  if (engine.name !== "seccomp-ebpf") {
    // Says why not, where the kernel's own engine is not to be had.
    chooseEngine("seccomp-ebpf", invocation.has("audit"));
    throw new Failure([
      diagnostic("P0907", "a bundle is for the engine seccomp-ebpf", { help: "name the policy it was compiled from" }),
    ]);
  }
  try {
    return { engine: "seccomp-ebpf", policy: bundledPolicy(readBytes(file)) };
  } catch (error) {
    if (error instanceof BundleError) throw new Failure([diagnostic("P0912", `${file}: ${error.message}`)]);
    throw error;
  }
}
