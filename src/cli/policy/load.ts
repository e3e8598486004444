/** Loads the requested policy and prints its diagnostics. */
import { existsSync } from "node:fs";
import { runningKernel } from "../../abi/kernel-version.ts";
import { newestAbi } from "../../abi/landlock.ts";
import { diagnostic, hasErrors } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sources } from "../../diagnostics/render.ts";
import type { LoadedPolicy, LoadOptions } from "../../frontend/load.ts";
import type { OpenPolicy } from "../../frontend/open.ts";
import type { TighteningPromise } from "../../frontend/typescript/walk/findings.ts";
import type { ObjectLayer, PathRule } from "../../ir/objects.ts";
import type { Program } from "../../ir/program.ts";
import { abiOfThisKernel } from "../../machine/landlock-abi.ts";
import { packageFile } from "../../machine/package.ts";
import type { Context } from "../context.ts";
import { Failure } from "../verb.ts";
import { isBundle, ownDirectory, type PolicyFile, type PolicyRequest, policyFile } from "./arguments.ts";
import { protectedNamesOf } from "./protected-names.ts";

/** The host on which the result runs, if known. */
export type Destination = "this-kernel" | "any-kernel";

/** The host that the rules of an OCI profile are selected for. */
function hostOf(
  { capabilities, architecture }: PolicyRequest,
  destination: Destination,
): NonNullable<LoadOptions["host"]> {
  return {
    capabilities: capabilities === undefined ? undefined : new Set(capabilities),
    get kernelVersion() {
      return destination === "this-kernel" ? runningKernel(architecture) : undefined;
    },
  };
}

/** Without errors. */
export type ValidPolicy = LoadedPolicy & { readonly program: Program };
export type ValidOpenPolicy = ValidPolicy & Pick<OpenPolicy, "fixed">;

/** @throws Failure as `policyFile`, or if it is a bundle, which has no source */
function sourceFile({ policy }: PolicyRequest, context: Context): PolicyFile {
  const file = policyFile(policy, context.workingDirectory);
  if (!isBundle(file) || !existsSync(file.openedAs)) return file;
  throw new Failure([
    diagnostic("P0912", `${file.name} is a bundle, and a policy's source is needed here`, {
      help: "name the policy that it was compiled from; `portcullis disasm` lists a bundle, `run` enforces it",
    }),
  ]);
}

/**
 * Loads a policy, checks its promises, and prints its warnings unless `quiet`.
 *
 * @throws Failure with every error
 */
export async function loadRequested(
  request: PolicyRequest,
  context: Context,
  options: { readonly set?: ReadonlyMap<string, string>; readonly quiet?: boolean } = {},
): Promise<ValidPolicy> {
  const { loadPolicy } = await import("../../frontend/load.ts");
  const { name, openedAs } = sourceFile(request, context);
  const { proxyPort, withoutMounts, kernelCounts } = request;
  const { names, sockets } = withoutMounts ?? {};
  const loaded = loadPolicy(name, {
    openedAs,
    architecture: request.architecture,
    also: [
      ...(proxyPort === undefined ? [] : [packageFile("policies/shared/through-proxy.ts")]),
      ...(names === undefined ? [] : [packageFile("policies/shared/protected-paths.ts")]),
      ...(sockets === undefined ? [] : [packageFile("policies/shared/listed-sockets.ts")]),
    ],
    set: new Map([
      ...(options.set ?? []),
      ...request.parameters,
      ...(proxyPort === undefined ? [] : [["proxy-port", `${proxyPort}`] as const]),
      ...Object.entries(names ?? {}).flatMap(([name, values]) => listParameter(`protected-${name}`, values)),
      ...listParameter("listed-sockets", sockets ?? []),
    ]),
    host: hostOf(request, "this-kernel"),
    kernelCounts: withoutMounts === undefined && kernelCounts === true,
    get landlockAbi() {
      return abiOfThisKernel();
    },
  });
  const valid = await validated(loaded, context, options.quiet);
  if (withoutMounts === undefined) return valid;
  const { program } = valid;
  const objects = program.objects.map(withoutMountRules).filter(restricts);
  const protectedNames = names === undefined ? {} : { protectedNames: protectedNamesOf(program.objects) };
  return { ...valid, program: { ...program, objects, ...protectedNames } };
}

/** The default is the empty list, which no text names. */
const listParameter = (name: string, values: readonly string[]): readonly (readonly [string, string])[] =>
  values.length === 0 ? [] : [[name, values.join()]];

/** The declarations without mounts: lists with a private directory get the tree's own one instead. */
function withoutMountRules(layer: ObjectLayer): ObjectLayer {
  const { files } = layer;
  if (files === undefined) return layer;
  const hidden = new Set(files.private.map(({ path }) => path));
  const shown = (rules: readonly PathRule[]) =>
    rules.map((rule) => (hidden.has(rule.path) ? { ...rule, path: ownDirectory } : rule));
  const lists = Object.fromEntries(Object.entries(files.lists).map(([list, rules]) => [list, shown(rules)]));
  const rest = { ...layer, limits: undefined };
  if (Object.keys(lists).length === 0) return { ...rest, files: undefined };
  return { ...rest, files: { ...files, lists, protect: [], private: [] } };
}

const restricts = ({ files, tcp, udp, unix, scopes }: ObjectLayer): boolean =>
  [files, tcp, udp, unix].some((rules) => rules !== undefined) || scopes.length > 0;

/**
 * As `loadRequested`, but parameters that need no value yet stay open.
 *
 * @throws Failure with every error
 */
export async function loadOpen(
  request: PolicyRequest,
  context: Context,
  options: {
    readonly quiet?: boolean;
    /** The errors of a program in which these parameters are open. */
    readonly objections?: (program: Program) => readonly Diagnostic[];
  } = {},
): Promise<ValidOpenPolicy> {
  const [{ loadOpenPolicy }, { proveTightening }] = await Promise.all([
    import("../../frontend/open.ts"),
    import("../../analysis/lint/tightening.ts"),
  ]);
  const { name, openedAs } = sourceFile(request, context);
  const { loaded, fixed } = loadOpenPolicy(
    name,
    {
      openedAs,
      architecture: request.architecture,
      set: request.parameters,
      host: hostOf(request, "any-kernel"),
      // A bundle's program cannot decide by objects, so the launcher must.
      landlockAbi: newestAbi,
    },
    // A promise must hold for every value.
    ({ program, promises }) =>
      program === undefined
        ? []
        : [
            ...promises.flatMap((promise) => proveTightening(program, promise)),
            ...(options.objections?.(program) ?? []),
          ],
  );
  return { ...(await validated(loaded, context, options.quiet)), fixed };
}

/** @throws Failure with every error, or the promise that the policy breaks */
async function validated(loaded: LoadedPolicy, context: Context, quiet = false): Promise<ValidPolicy> {
  const { program, diagnostics, sources, promises } = loaded;
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  await provePromises(program, promises, sources);
  if (!quiet) await printDiagnostics(diagnostics, sources, context);
  return loaded as ValidPolicy;
}

/** @throws Failure if a later phase is more lenient than an earlier one although the policy promises the opposite */
async function provePromises(
  program: Program,
  promises: readonly TighteningPromise[],
  sources: Sources,
): Promise<void> {
  if (promises.length === 0) return;
  const { proveTightening } = await import("../../analysis/lint/tightening.ts");
  const broken = promises.flatMap((promise) => proveTightening(program, promise));
  if (hasErrors(broken)) throw new Failure(broken, sources);
}

export async function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
  context: Context,
): Promise<void> {
  if (diagnostics.length === 0) return;
  const { renderDiagnostics } = await import("../../diagnostics/render.ts");
  context.err(renderDiagnostics(diagnostics, sources, { colour: context.colour.err }));
}
