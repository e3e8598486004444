/** Compiles the policy of a `run` for the first engine that can express it. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { compilerOf } from "../../engines/compilers.ts";
import { withDigest } from "../../engines/engine/digest.ts";
import type { CompileOptions, EngineCompiler, EnginePolicy } from "../../engines/engine/engine.ts";
import { type CompiledPolicy, engineNames } from "../../engines/registry.ts";
import { policyDigest } from "../../export/digest.ts";
import type { ReadFile } from "../../frontend/source/store.ts";
import { packageVersion } from "../../machine/package.ts";
import type { Context } from "../context.ts";
import type { Candidate } from "../engine.ts";
import { Failure } from "../verb.ts";
import type { PolicyRequest } from "./arguments.ts";
import { loadRequested, printDiagnostics, type ValidPolicy } from "./load.ts";
import { hasEvents, type RunRequest } from "./run-request.ts";

interface Compilation {
  readonly compiled: CompiledPolicy;
  readonly files: readonly ReadFile[];
}

/** @throws Failure with every error */
export async function compileRequested(
  request: RunRequest,
  candidates: readonly Candidate[],
  context: Context,
): Promise<Compilation> {
  const loaded = await loadRequested(request, context, { quiet: true });
  const { program, sources, files } = loaded;
  let refused: readonly Diagnostic[] = [];
  for (const [index, { engine, variant }] of candidates.entries()) {
    const compiler: EngineCompiler<EnginePolicy> = await compilerOf(engine);
    const { policy, diagnostics, approximation } = orTooLarge(() =>
      compiler.compile(program, {
        mode: request.mode,
        killEvents: request.killEvents,
        events: hasEvents(request),
        variant,
        // Prefer an engine that expresses the policy exactly.
        approximate: request.bestEffort && index === candidates.length - 1,
        compiler: `portcullis ${packageVersion()}`,
        fixed: [...request.parameters],
        sources,
      } satisfies CompileOptions),
    );
    refused = diagnostics;
    if (policy === undefined) continue;
    if (approximation !== undefined) {
      await printDiagnostics(diagnostics, sources, context);
      context.err(`portcullis: BEST EFFORT: ${approximation}\n`);
    }
    return { compiled: { engine, policy: withDigest(policy, digestOf(loaded, request)) } as CompiledPolicy, files };
  }
  throw new Failure(refused, sources);
}

/**
 * For `--best-effort` after a failed start: only the static part of the policy, by an engine that can enforce it alone.
 *
 * @throws Failure with every error
 */
export async function staticPart(request: PolicyRequest, context: Context): Promise<CompiledPolicy> {
  const loaded = await loadRequested(request, context, { quiet: true });
  for (const engine of engineNames) {
    const { staticPart: make }: EngineCompiler<EnginePolicy> = await compilerOf(engine);
    if (make === undefined) continue;
    const policy = orTooLarge(() => make(loaded.program));
    return { engine, policy: withDigest(policy, digestOf(loaded, request)) } as CompiledPolicy;
  }
  throw new Error("no engine enforces a static part alone");
}

/** Parameters that portcullis adds, such as the proxy's port, are not the policy's. */
function digestOf({ ownFiles }: ValidPolicy, { parameters }: PolicyRequest): string {
  return policyDigest({ files: ownFiles, parameters });
}

/** A program that exceeds a limit of a back end is an error of the policy. */
export function orTooLarge<T>(compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (error instanceof Error && /^(?:FilterTooLarge|WasmLimit)Error$/.test(error.name)) {
      throw new Failure([
        diagnostic("P0314", error.message, { help: "fewer conditions on arguments, smaller tables, shorter code" }),
      ]);
    }
    throw error;
  }
}
