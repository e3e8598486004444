/** A bundle as the policy of `run`. */
import { BundleError } from "../bundle/bundle.ts";
import { SettingError } from "../bundle/settings.ts";
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { CompiledPolicy } from "../engines/compiled.ts";
import { bundledPolicy } from "../engines/seccomp-ebpf/bundled.ts";
import type { Context } from "./context.ts";
import { chooseEngine, type Engine } from "./engine.ts";
import { readBytes } from "./input.ts";
import { readParameters } from "./policy-arguments.ts";
import { Failure, type Invocation } from "./verb.ts";

/** @throws Failure, and StartError where this kernel enforces no bundle */
export async function bundledPolicyOf(
  file: string,
  engine: Engine,
  invocation: Invocation,
  _context: Context,
): Promise<CompiledPolicy> {
  const settings = readParameters(invocation);
  if (invocation.has("cap")) {
    throw new Failure([
      diagnostic("P0909", "nothing is to be done with --cap: a bundle is compiled already", {
        help: "portcullis compile --cap NAME",
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
    return { engine: "seccomp-ebpf", policy: bundledPolicy(readBytes(file), settings) };
  } catch (error) {
    if (error instanceof BundleError) throw new Failure([diagnostic("P0912", `${file}: ${error.message}`)]);
    if (error instanceof SettingError)
      throw new Failure([diagnostic("P0909", `${file}: ${error.message}`, { help: error.help })]);
    throw error;
  }
}
