/** From a policy's file to what an engine runs; loaded only where the cache has nothing. */
import { diagnostic, hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { CompiledPolicy } from "../engines/compiled.ts";
import { compileForNotify, type NotifyCompileOptions } from "../engines/notify/compile.ts";
import type { NotifyMode } from "../engines/notify/policy.ts";
import { compileForSeccompEbpf } from "../engines/seccomp-ebpf/compile.ts";
import type { Program } from "../ir/program.ts";
import { type LoadedPolicy, loadPolicy } from "../language/load.ts";
import type { ReadFile } from "./cache.ts";
import type { Context } from "./context.ts";
import type { RunPlan } from "./enforce.ts";
import type { Engine } from "./engine.ts";
import { version } from "./package.ts";
import { hostOf, provePromises, tellDiagnostics } from "./policy.ts";
import { chosenArchitecture, readParameters } from "./policy-arguments.ts";
import { Failure, type Invocation } from "./verb.ts";

interface Compilation {
  readonly compiled: CompiledPolicy;
  readonly files: readonly ReadFile[];
}

/** @throws Failure with everything that is wrong */
export async function compileAnew(
  file: string,
  engine: Engine,
  plan: Pick<RunPlan, "mode" | "killEvents" | "bestEffort" | "destination">,
  invocation: Invocation,
  context: Context,
): Promise<Compilation> {
  const loaded = loadPolicy(file, {
    architecture: chosenArchitecture(invocation),
    set: readParameters(invocation),
    host: hostOf(invocation, "this-kernel"),
  });
  const { program, diagnostics, sources, files } = loaded;
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  await provePromises(program, loaded.promises, sources);
  if (engine.name === "seccomp-ebpf") {
    const { compiled, diagnostics: impossible } = forKernel(program, loaded, engine.unprivileged, plan, invocation);
    if (compiled !== undefined) return { compiled, files };
    if (!engine.isChoice) throw new Failure(impossible, sources);
  }
  const strict = compileOrFail(program, plan.mode, plan);
  if (strict.policy !== undefined) return { compiled: { engine: "notify", policy: strict.policy }, files };
  if (!plan.bestEffort) throw new Failure(strict.diagnostics, sources);
  const approximated = compileOrFail(withoutTraps(program), plan.mode, plan);
  if (approximated.policy === undefined) throw new Failure(approximated.diagnostics, sources);
  await tellDiagnostics(strict.diagnostics, sources, context);
  context.err("portcullis: BEST EFFORT: traps that depend on state kill the process instead\n");
  return { compiled: { engine: "notify", policy: approximated.policy }, files };
}

function forKernel(
  program: Program,
  { sources }: Pick<LoadedPolicy, "sources">,
  unprivileged: boolean,
  { mode, destination }: Pick<RunPlan, "mode" | "destination">,
  invocation: Invocation,
): { readonly compiled: CompiledPolicy | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const { policy, diagnostics } = compileForSeccompEbpf(program, {
    // What nobody hears of is not told.
    mode: mode === "reported" && destination !== undefined ? "reported" : "quiet",
    unprivileged,
    compiler: `portcullis ${version()}`,
    fixed: [...readParameters(invocation)],
    sources,
  });
  return { compiled: policy === undefined ? undefined : { engine: "seccomp-ebpf", policy }, diagnostics };
}

/** What a back end cannot hold is a fault of the policy, not of ours. */
export function compileOrFail(
  program: Program,
  mode: NotifyMode,
  options: NotifyCompileOptions = {},
): ReturnType<typeof compileForNotify> {
  try {
    return compileForNotify(program, mode, options);
  } catch (error) {
    if (error instanceof Error && /^(?:FilterTooLarge|WasmLimit)Error$/.test(error.name)) {
      throw new Failure([
        diagnostic("P0314", error.message, { help: "fewer conditions on arguments, smaller tables, shorter code" }),
      ]);
    }
    throw error;
  }
}

/** The next stricter verdict that every engine can give by state. */
function withoutTraps(program: Program): Program {
  const verdicts = program.verdicts.map((verdict) =>
    verdict.action === "trap" ? ({ ...verdict, action: "kill-process" } as const) : verdict,
  );
  return { ...program, verdicts };
}
