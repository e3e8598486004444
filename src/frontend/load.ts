/**
 * The front end's entry: compiles a policy file to a program. It is synchronous and executes nothing of the policy. It
 * collects all faults; there is a program if and only if no diagnostic is an error.
 */

import { basename, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ArchitectureName } from "../abi/architecture.ts";
import { diagnostic, hasErrors, sortDiagnostics } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import { unassignedLocals } from "../ir/dataflow/assigned.ts";
import { type Location, spanOf } from "../ir/location.ts";
import { patternsOf } from "../ir/observe.ts";
import type { Program } from "../ir/program.ts";
import { compileMatcher } from "../patterns/matcher.ts";
import { describePattern, type Pattern } from "../patterns/pattern.ts";
import { exportOf, type Module, Modules } from "./modules.ts";
import { compileOciFile } from "./oci/compile.ts";
import type { OciHost } from "./oci/profile.ts";
import { admissionOf, clone3Refusal, refusesClone3, withoutClone3 } from "./program/admission.ts";
import { ProgramBuilder } from "./program/builder.ts";
import { CallNames } from "./program/call-names.ts";
import { withoutUnusedVerdicts } from "./program/prune.ts";
import { roomFaults } from "./program/room-faults.ts";
import { SourceFile } from "./source/file.ts";
import { GiveUp, Reporter } from "./source/reporter.ts";
import { FileStore, type ReadFile } from "./source/store.ts";
import { makeGlobals, makeLibrary } from "./typescript/library/library.ts";
import { checkUncalled, lowerPolicy } from "./typescript/lower/combine.ts";
import { typicalValue } from "./typescript/lower/conform.ts";
import { resolveType } from "./typescript/lower/declared-types.ts";
import { evaluate, wrappingInteger } from "./typescript/lower/expressions.ts";
import { apply, callExpression, functionValue } from "./typescript/lower/functions.ts";
import { LexicalScope } from "./typescript/values/scope.ts";
import { type FunctionValue, type PolicyValue, unknown, type Value } from "./typescript/values/values.ts";
import { Compilation } from "./typescript/walk/compilation.ts";
import type { Extension, TighteningPromise } from "./typescript/walk/findings.ts";
import { type DeclaredParameter, type OpenParameters, Parameters } from "./typescript/walk/parameters.ts";
import type { Walker } from "./typescript/walk/walker.ts";

export interface LoadOptions {
  readonly architecture: ArchitectureName;
  /** Values of parameters, from `--set name=value`. */
  readonly set?: ReadonlyMap<string, string> | undefined;
  /** The integers and flags that stay open until the policy is started (open.ts). Default: none. */
  readonly open?: OpenParameters | undefined;
  /**
   * The host for which OCI profiles are read. Default: a command without capabilities, on any kernel that an engine
   * supports.
   */
  readonly host?: Omit<OciHost, "architecture"> | undefined;
  /**
   * The ABI level of Landlock of the kernel that runs the policy: what it cannot restrict and a step can decide becomes part
   * of the step (`unix.connect`). Default 0.
   */
  readonly landlockAbi?: number | undefined;
  /**
   * The launcher can let the kernel count the processes of a tree that has mounts: `limits.processes` of such a policy is no part of
   * the step. Default false.
   */
  readonly kernelCounts?: boolean | undefined;
  /** The name by which this process opens the policy's own file, where messages have another. Default: the path. */
  readonly openedAs?: string | undefined;
  /** Files of policies that are combined with this one, as if it extended them. Not with an OCI profile as the policy. */
  readonly also?: readonly string[] | undefined;
  /** Reads the file at an absolute path, or throws; tests replace it. Default: the file system. */
  readonly readFile?: ((path: string) => Uint8Array | string) | undefined;
}

export interface LoadedPolicy {
  /** Undefined if and only if a diagnostic is an error. */
  readonly program: Program | undefined;
  /** Sorted by place. */
  readonly diagnostics: readonly Diagnostic[];
  /** For `renderDiagnostics`. */
  readonly sources: Sources;
  /** All files that were read, the policy's own file first. A cached policy is valid while they are unchanged. */
  readonly files: readonly ReadFile[];
  /** Those of the policy, without the policies of `also`: they are its text (`policyDigest`). */
  readonly ownFiles: readonly ReadFile[];
  /** Promises that a lint proves on the program (`tightening: true`). */
  readonly promises: readonly TighteningPromise[];
  /** Declarations about objects that the program enforces. */
  readonly declarations: readonly Location[];
  readonly parameters: readonly DeclaredParameter[];
  /** Set if the policy extends others. */
  readonly extension: Extension | undefined;
}

const walker = (c: Compilation): Walker => ({
  evaluate: (node) => evaluate(c, node),
  evaluateWrapping: (node) => wrappingInteger(c, node),
  apply: (callee, values, node, options) => apply(c, callee, values, node, options),
  callInTail: (node, target) => callExpression(c, node, target),
  functionValue: (node, name) => functionValue(c, node, name),
});

export function loadPolicy(path: string, options: LoadOptions): LoadedPolicy {
  const absolute = resolve(path);
  const reporter = new Reporter();
  const store = new FileStore(reporter, options.readFile, path, options.openedAs);
  if (absolute.endsWith(".json")) return loadProfile(absolute, store, reporter, options);
  const parameters = new Parameters(options.set ?? new Map(), options.open);
  // A placeholder file for the declarations that precede every module.
  const nowhere = new SourceFile(absolute, path, "", -1);
  const globals = new LexicalScope<Value>(undefined, nowhere);
  const names = new CallNames(options.architecture);
  const host = hostOf(options);
  const landlockAbi = () => options.landlockAbi ?? 0;
  const builder = new ProgramBuilder();
  const kernelCounts = options.kernelCounts ?? false;
  const parts = { reporter, host, names, builder, parameters, landlockAbi, kernelCounts, walker, scope: globals };
  const c = new Compilation(parts);
  const library = makeLibrary(c);
  c.libraryNames = new Set(library.keys());
  for (const [name, value] of makeGlobals(c)) {
    globals.declare({
      name,
      kind: "const",
      file: nowhere,
      at: { start: 0, end: 0 },
      time: "constant",
      ofModule: true,
      value,
    });
  }

  let compiled: CompiledModule | undefined;
  let others = { from: 0, to: 0 };
  try {
    const modules = new Modules(c, store, library, globals);
    const module = modules.load(absolute);
    const from = store.files.length;
    const also = (options.also ?? []).map((file) => modules.load(resolve(file)));
    others = { from, to: store.files.length };
    if (module !== undefined) compiled = compileModule(c, module, store, also);
  } catch (error) {
    if (error instanceof RangeError && /call stack/i.test(error.message)) {
      reporter.report("P0318", "the policy nests too deeply");
    } else if (!(error instanceof GiveUp)) throw error;
  }
  if (compiled !== undefined && options.host?.capabilities !== undefined && !c.findings.asksForCapabilities) {
    reporter.report("P0909", "--cap has no effect: no OCI profile of the policy tests a capability");
  }
  const diagnostics = sortDiagnostics(reporter.diagnostics);
  return {
    program: reporter.failed ? undefined : compiled?.program,
    diagnostics,
    sources: new Map(store.files.map((file) => [file.shown, file.text])),
    get files() {
      return store.hashes;
    },
    get ownFiles() {
      return store.hashes.filter((_, index) => index < others.from || index >= others.to);
    },
    promises: c.findings.promises,
    declarations: c.findings.declarations,
    parameters: parameters.declared,
    extension: compiled?.extension,
  };
}

/** Only a profile reads the kernel's version, which is found on demand. */
function hostOf({ architecture, host }: LoadOptions): OciHost {
  return {
    architecture,
    capabilities: host?.capabilities,
    get kernelVersion() {
      return host?.kernelVersion;
    },
  };
}

/** Compiles a profile without a TypeScript module. It has no parameters. */
function loadProfile(path: string, store: FileStore, reporter: Reporter, options: LoadOptions): LoadedPolicy {
  new Parameters(options.set ?? new Map()).reportUnused(reporter, undefined);
  const file = store.read(path, undefined);
  const host = hostOf(options);
  const compiled = file === undefined ? undefined : compileOciFile(file, host);
  const diagnostics = sortDiagnostics([...reporter.diagnostics, ...(compiled?.diagnostics ?? [])]);
  return {
    program: hasErrors(diagnostics) ? undefined : compiled?.program,
    diagnostics,
    sources: new Map(store.files.map((one) => [one.shown, one.text])),
    get files() {
      return store.hashes;
    },
    get ownFiles() {
      return store.hashes;
    },
    promises: [],
    declarations: [],
    parameters: [],
    extension: undefined,
  };
}

interface CompiledModule {
  readonly program: Program;
  readonly extension?: Extension;
}

function compileModule(
  c: Compilation,
  module: Module,
  store: FileStore,
  also: readonly (Module | undefined)[],
): CompiledModule | undefined {
  const own = policyOf(c, module);
  const others = also.flatMap((one) => (one === undefined ? [] : (policyOf(c, one) ?? [])));
  const policy = own === undefined ? undefined : { ...own, extended: [...own.extended, ...others] };
  const lowered = policy === undefined ? undefined : lowerPolicy(c, policy);
  checkUncalled(c, typicalArgument(c));
  c.reportComparisons();
  if (policy !== undefined) c.parameters.reportUnused(c.reporter, { file: module.file, node: policy.at });
  if (lowered === undefined || c.reporter.failed) return undefined;
  const whole = programOf(c, module, store, lowered.body);
  if (!hasMatchers(c, whole)) return undefined;
  const program = finish(c, whole);
  // An unassigned verdict would be an allow, so the compiler does not emit such a program.
  const unassigned = unassignedLocals(program);
  if (unassigned.length > 0) {
    c.reporter.report(
      "P0399",
      `the compiler lost a value (local ${unassigned[0]}) on a path of this policy`,
      { file: module.file, node: policy!.at },
      "this is a bug in portcullis: please report it with this policy",
    );
    return undefined;
  }
  const faults = roomFaults(program);
  c.reporter.diagnostics.push(...faults);
  if (faults.length > 0) return undefined;
  if (lowered.extension === undefined) return { program };
  const { own: step, base, named } = lowered.extension;
  return { program, extension: { own: { ...whole, body: step }, base: { ...whole, body: base }, named } };
}

/** Reports observations whose patterns have no matcher. Observers rely on it (ir/observe.ts). */
function hasMatchers(c: Compilation, program: Program): boolean {
  const { observations, words } = program;
  const placeOf = (pattern: Pattern) => spanOf(program, c.builder.observations.placeOf(pattern));
  for (const [index, { name }] of observations.entries()) {
    const patterns = patternsOf(words.filter(({ observation }) => observation === index));
    const { tooLarge } = compileMatcher(patterns);
    if (tooLarge === undefined) continue;
    const { pattern, other, help } = tooLarge;
    const span = placeOf(patterns[pattern]!);
    const second = other === undefined ? undefined : placeOf(patterns[other]!);
    // Patterns of a list have the place of the list.
    const related =
      second === undefined || isDeepStrictEqual(second, span)
        ? undefined
        : { span: second, message: `${describePattern(patterns[other!]!)} is compared here` };
    c.reporter.diagnostics.push(diagnostic("P0215", `\`${name}\`: ${tooLarge.message}`, { span, related, help }));
  }
  return !c.reporter.failed;
}

function policyOf(c: Compilation, module: Module): PolicyValue | undefined {
  const exported = exportOf(module, "default");
  const value = exported?.value;
  // The export of a name that the module does not declare is reported already.
  if (exported === undefined && module.exports.has("default") && c.reporter.failed) return undefined;
  if (value?.is === "policy") return value;
  if (value === undefined || value.is !== "unknown") {
    c.reporter.report(
      "P0312",
      value === undefined ? "this module exports no policy" : "this module's default export is not a policy",
      { file: module.file, node: exported?.file === module.file ? exported.at : { start: 0, end: 1 } },
      "export default policy((call) => …)",
    );
  }
  return undefined;
}

/** Typical arguments for the parameters of a function that has no caller. */
function typicalArgument(c: Compilation): (fn: FunctionValue, index: number) => Value {
  return (fn, index) => {
    const parameter = fn.node.params[index];
    const annotation = parameter !== undefined && "typeAnnotation" in parameter ? parameter.typeAnnotation : undefined;
    if (annotation == null) return unknown;
    return typicalValue(c, resolveType(c, { node: annotation.typeAnnotation, scope: fn.scope, file: fn.file }));
  };
}

function programOf(c: Compilation, module: Module, store: FileStore, body: Program["body"]): Program {
  const { builder, names } = c;
  const { settings } = c.parameters;
  return {
    architecture: names.architecture,
    name: basename(module.file.path).replace(/\.ts$/, ""),
    files: store.files.map((file) => file.shown),
    admission: admissionOf(names, c.findings.literalNames),
    verdicts: builder.verdicts,
    cells: builder.cells,
    tables: builder.tables,
    rooms: builder.rooms,
    reports: builder.reports,
    parameters: builder.parameters,
    observations: builder.observations.list,
    words: builder.observations.words,
    locals: builder.locals,
    readOnlyProc: builder.readOnlyProc,
    objects: builder.objects,
    hosts: builder.hosts,
    ...(settings.length === 0 ? {} : { settings }),
    body,
  };
}

function finish(c: Compilation, program: Program): Program {
  const { builder, names } = c;
  if (!refusesClone3(builder, c.findings.literalNames, c.findings.readsAlive)) return withoutUnusedVerdicts(program);
  const refusal = clone3Refusal(builder);
  const body = withoutClone3(program.body, c.findings.returnsOfClone3, names, builder.verdicts, refusal);
  return withoutUnusedVerdicts({ ...program, body });
}
