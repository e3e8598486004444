/** From a policy's file to what the engine notify runs; loaded only where the cache has nothing. */
import { diagnostic, hasErrors } from "../diagnostics/catalogue.ts";
import { compileForNotify } from "../engines/notify/compile.ts";
import type { NotifyMode, NotifyPolicy } from "../engines/notify/policy.ts";
import type { Program } from "../ir/program.ts";
import { loadPolicy } from "../language/load.ts";
import type { ReadFile } from "./cache.ts";
import type { Context } from "./context.ts";
import type { RunPlan } from "./enforce.ts";
import { provePromises, tellDiagnostics } from "./policy.ts";
import { chosenArchitecture, readParameters } from "./policy-arguments.ts";
import { Failure, type Invocation } from "./verb.ts";

/** @throws Failure with everything that is wrong */
export async function compileAnew(
  file: string,
  { mode, bestEffort }: Pick<RunPlan, "mode" | "bestEffort">,
  invocation: Invocation,
  context: Context,
): Promise<{ readonly policy: NotifyPolicy; readonly files: readonly ReadFile[] }> {
  const loaded = loadPolicy(file, { architecture: chosenArchitecture(invocation), set: readParameters(invocation) });
  const { program, diagnostics, sources, files } = loaded;
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  await provePromises(program, loaded.promises, sources);
  const strict = compileOrFail(program, mode);
  if (strict.policy !== undefined) return { policy: strict.policy, files };
  if (!bestEffort) throw new Failure(strict.diagnostics, sources);
  const approximated = compileOrFail(withoutTraps(program), mode);
  if (approximated.policy === undefined) throw new Failure(approximated.diagnostics, sources);
  await tellDiagnostics(strict.diagnostics, sources, context);
  context.err("portcullis: BEST EFFORT: traps that depend on state kill the process instead\n");
  return { policy: approximated.policy, files };
}

/** What a back end cannot hold is a fault of the policy, not of ours. */
export function compileOrFail(program: Program, mode: NotifyMode): ReturnType<typeof compileForNotify> {
  try {
    return compileForNotify(program, mode);
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
