/** The policy that a verb is given, loaded, with what is wrong with it told. */

import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import type { Program } from "../ir/program.ts";
import type { Extension, TighteningPromise } from "../language/findings.ts";
import type { LoadOptions } from "../language/load.ts";
import type { DeclaredParameter } from "../language/parameters.ts";
import { runningKernel } from "../linux/kernel-version.ts";
import type { Context } from "./context.ts";
import { chosenArchitecture, givenCapabilities, policyFile, readParameters } from "./policy-arguments.ts";
import { Failure, type Invocation } from "./verb.ts";

/** Where what is compiled here runs, if that is known. */
export type Destination = "this-kernel" | "any-kernel";

/**
 * What a profile of the policy is read for.
 *
 * @throws Failure
 */
export function hostOf(invocation: Invocation, destination: Destination): NonNullable<LoadOptions["host"]> {
  const capabilities = givenCapabilities(invocation);
  return {
    capabilities: capabilities === undefined ? undefined : new Set(capabilities),
    kernelVersion: destination === "this-kernel" ? runningKernel(chosenArchitecture(invocation)) : undefined,
  };
}

export interface LoadedPolicy {
  readonly program: Program;
  readonly sources: Sources;
  readonly diagnostics: readonly Diagnostic[];
  /** `tightening: true`, proved. */
  readonly promises: readonly TighteningPromise[];
  readonly extension: Extension | undefined;
  readonly parameters: readonly DeclaredParameter[];
}

/**
 * Loads, and tells its warnings unless it is to be quiet.
 *
 * @throws Failure with everything that is wrong
 */
export async function loadForVerb(
  named: string,
  invocation: Invocation,
  context: Context,
  options: { readonly set?: ReadonlyMap<string, string>; readonly quiet?: boolean } = {},
): Promise<LoadedPolicy> {
  const { loadPolicy } = await import("../language/load.ts");
  const architecture = chosenArchitecture(invocation);
  const set = new Map([...(options.set ?? []), ...readParameters(invocation)]);
  const { program, diagnostics, sources, promises, extension, parameters } = loadPolicy(
    policyFile(named, context.workingDirectory),
    {
      architecture,
      set,
      host: hostOf(invocation, "this-kernel"),
    },
  );
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  await provePromises(program, promises, sources);
  if (options.quiet !== true) await tellDiagnostics(diagnostics, sources, context);
  return { program, sources, diagnostics, promises, extension, parameters };
}

export interface OpenPolicy extends LoadedPolicy {
  /** The integers and flags that were not given and are constants all the same, and what is wrong where they are not. */
  readonly fixed: ReadonlyMap<string, Diagnostic | undefined>;
}

/**
 * Loads as `loadForVerb` does, with the parameters that need no value yet left open.
 *
 * @throws Failure with everything that is wrong
 */
export async function loadOpenForVerb(
  named: string,
  invocation: Invocation,
  context: Context,
  options: {
    readonly quiet?: boolean;
    /** What is wrong with a program in which these parameters are open. */
    readonly objections?: (program: Program) => readonly Diagnostic[];
  } = {},
): Promise<OpenPolicy> {
  const [{ loadOpenPolicy }, { proveTightening }] = await Promise.all([
    import("../language/open.ts"),
    import("../analysis/lint/tightening.ts"),
  ]);
  const { loaded, fixed } = loadOpenPolicy(
    policyFile(named, context.workingDirectory),
    {
      architecture: chosenArchitecture(invocation),
      set: readParameters(invocation),
      host: hostOf(invocation, "any-kernel"),
    },
    // A promise is kept for every value or not at all.
    ({ program, promises }) =>
      program === undefined
        ? []
        : [
            ...promises.flatMap((promise) => proveTightening(program, promise)),
            ...(options.objections?.(program) ?? []),
          ],
  );
  const { program, diagnostics, sources, promises, extension, parameters } = loaded;
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  await provePromises(program, promises, sources);
  if (options.quiet !== true) await tellDiagnostics(diagnostics, sources, context);
  return { program, sources, diagnostics, promises, extension, parameters, fixed };
}

/** @throws Failure where a later phase is more lenient than an earlier one, and the policy promised that none is */
export async function provePromises(
  program: Program,
  promises: readonly TighteningPromise[],
  sources: Sources,
): Promise<void> {
  if (promises.length === 0) return;
  const { proveTightening } = await import("../analysis/lint/tightening.ts");
  const broken = promises.flatMap((promise) => proveTightening(program, promise));
  if (hasErrors(broken)) throw new Failure(broken, sources);
}

export async function tellDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
  context: Context,
): Promise<void> {
  if (diagnostics.length === 0) return;
  const { renderDiagnostics } = await import("../diagnostics/render.ts");
  context.err(renderDiagnostics(diagnostics, sources, { colour: context.colour.err }));
}
