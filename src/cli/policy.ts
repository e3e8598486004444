/** The policy that a verb is given, loaded, with what is wrong with it told. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { diagnostic, hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import { nearestName } from "../diagnostics/suggest.ts";
import type { Program } from "../ir/program.ts";
import type { TighteningPromise } from "../language/compilation.ts";
import type { ArchitectureName } from "../linux/architecture.ts";
import { hostArchitecture } from "../linux/architecture.ts";
import type { Context } from "./context.ts";
import { packageRoot } from "./package.ts";
import { Failure, type Invocation, type OptionTable } from "./verb.ts";

export const policyOptions: OptionTable = {
  policy: {
    short: "p",
    value: "POLICY",
    about:
      "The policy: a TypeScript module (.ts), an OCI seccomp profile (.json), or the name of a ready policy (exec-once, nginx, …).",
    complete: "file",
  },
  set: {
    short: "s",
    value: "NAME=VALUE",
    multiple: true,
    about: "The value of one of the policy's parameters.",
  },
};

export const architectureOption: OptionTable = {
  architecture: {
    value: "NAME",
    about: "Compile for x86_64 or aarch64 instead of this machine.",
    complete: ["x86_64", "aarch64"],
  },
};

export interface LoadedPolicy {
  readonly program: Program;
  readonly sources: Sources;
  readonly diagnostics: readonly Diagnostic[];
  /** `tightening: true`, proved. */
  readonly promises: readonly TighteningPromise[];
}

/** The policy of -p, or else the first word; and the words that are left. */
export function policyAndWords(invocation: Invocation): { readonly policy: string; readonly words: readonly string[] } {
  const given = invocation.text("policy");
  const [first, ...rest] = invocation.words;
  if (given !== undefined) return { policy: given, words: invocation.words };
  if (first === undefined) throw missing("a policy", "-p POLICY");
  return { policy: first, words: rest };
}

export function missing(what: string, how: string): Failure {
  return new Failure([diagnostic("P0908", `${what} is missing`, { help: how })]);
}

export function noMoreWords(words: readonly string[]): void {
  if (words.length === 0) return;
  throw new Failure([
    diagnostic("P0909", `nothing is to be done with ${words.map((one) => JSON.stringify(one)).join(", ")}`),
  ]);
}

/**
 * A file as it is named; a bare name that is no file is one of the package's own policies.
 *
 * @throws Failure that names the near ready policy
 */
export function policyFile(named: string, workingDirectory: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(named) || existsSync(resolve(workingDirectory, named))) return named;
  const ready = join(packageRoot(), "policies", `${named}.ts`);
  if (existsSync(ready)) return ready;
  const near = nearestName(named, readyPolicies);
  throw new Failure([
    diagnostic("P0901", `no file and no ready policy is named ${JSON.stringify(named)}`, {
      help: near === undefined ? `the ready ones are ${readyPolicies.join(", ")}` : `write ${near}`,
    }),
  ]);
}

export const readyPolicies = [
  "build-step",
  "call-flow",
  "children",
  "exec-once",
  "fork-rate",
  "nginx",
  "order",
] as const;

/** @throws Failure */
export function readParameters(invocation: Invocation): ReadonlyMap<string, string> {
  const set = new Map<string, string>();
  for (const given of invocation.texts("set")) {
    const at = given.indexOf("=");
    if (at < 1) throw new Failure([diagnostic("P0907", `--set ${given} sets nothing`, { help: "--set NAME=VALUE" })]);
    const name = given.slice(0, at);
    if (set.has(name)) throw new Failure([diagnostic("P0909", `the parameter ${name} is set twice`)]);
    set.set(name, given.slice(at + 1));
  }
  return set;
}

/** @throws Failure */
export function chosenArchitecture(invocation: Invocation): ArchitectureName {
  const given = invocation.text("architecture");
  if (given === "x86_64" || given === "aarch64") return given;
  if (given !== undefined) {
    throw new Failure([
      diagnostic("P0907", `no architecture is called ${JSON.stringify(given)}`, { help: "x86_64 or aarch64" }),
    ]);
  }
  const host = hostArchitecture();
  if (host !== undefined) return host;
  throw new Failure([
    diagnostic("P0908", `portcullis has no table of system calls for ${process.arch}`, {
      help: "--architecture x86_64 or aarch64",
    }),
  ]);
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
  const { program, diagnostics, sources, promises } = loadPolicy(policyFile(named, context.workingDirectory), {
    architecture,
    set,
  });
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  await provePromises(program, promises, sources);
  if (options.quiet !== true) await tellDiagnostics(diagnostics, sources, context);
  return { program, sources, diagnostics, promises };
}

/** @throws Failure where a later phase is more lenient than an earlier one, and the policy promised that none is */
export async function provePromises(
  program: Program,
  promises: readonly TighteningPromise[],
  sources: Sources,
): Promise<void> {
  if (promises.length === 0) return;
  const { proveTightening } = await import("../compile/lint/tightening.ts");
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
