/**
 * From a policy's file to its program. Synchronous; nothing of the policy runs. All that is wrong is collected: there is
 * a program exactly where no diagnostic is an error.
 */

import { basename, resolve } from "node:path";
import { hasErrors, sortDiagnostics } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import { unassignedLocals } from "../ir/assigned.ts";
import type { Program } from "../ir/program.ts";
import type { ArchitectureName } from "../linux/architecture.ts";
import { makeGlobals, makeLibrary } from "./library/library.ts";
import { evaluate } from "./lower/expressions.ts";
import { apply, callExpression, functionValue } from "./lower/functions.ts";
import { defaultName, type Module, Modules } from "./modules.ts";
import { compileOciFile } from "./oci/compile.ts";
import type { OciHost } from "./oci/profile.ts";
import { admissionOf, clone3Refusal, refusesClone3, withoutClone3 } from "./program/admission.ts";
import { ProgramBuilder } from "./program/builder.ts";
import { CallNames } from "./program/call-names.ts";
import { withoutUnusedVerdicts } from "./program/prune.ts";
import { SourceFile } from "./source/file.ts";
import { FileStore, type ReadFile } from "./source/store.ts";
import { typicalValue } from "./values/conform.ts";
import { resolveType } from "./values/declared-types.ts";
import { LexicalScope } from "./values/scope.ts";
import { type FunctionValue, type PolicyValue, unknown, type Value } from "./values/values.ts";
import { checkUncalled, lowerPolicy } from "./walk/combine.ts";
import { Compilation } from "./walk/compilation.ts";
import type { Extension, TighteningPromise } from "./walk/findings.ts";
import { type DeclaredParameter, type OpenParameters, Parameters } from "./walk/parameters.ts";
import { GiveUp, Reporter } from "./walk/reporter.ts";
import type { Walker } from "./walk/walker.ts";

export interface LoadOptions {
  readonly architecture: ArchitectureName;
  /** Values of parameters, as `--set name=value` gives them. */
  readonly set?: ReadonlyMap<string, string> | undefined;
  /** Which integers and flags stay open until the policy is started (open.ts). None where it is left out. */
  readonly open?: OpenParameters | undefined;
  /** What OCI profiles are read for. Without it, a command without capabilities on any kernel that an engine runs on. */
  readonly host?: Omit<OciHost, "architecture"> | undefined;
  /** Gives the content of an absolute path, or throws; for tests. The file system otherwise. */
  readonly readFile?: ((path: string) => Uint8Array | string) | undefined;
}

export interface LoadedPolicy {
  /** Undefined exactly where a diagnostic is an error. */
  readonly program: Program | undefined;
  /** Sorted by place. */
  readonly diagnostics: readonly Diagnostic[];
  /** For `renderDiagnostics`. */
  readonly sources: Sources;
  /** All that was read, the policy's own file first: a compiled policy is good as long as these are what they were. */
  readonly files: readonly ReadFile[];
  /** Promises to be proved on the program (`tightening: true`). */
  readonly promises: readonly TighteningPromise[];
  readonly parameters: readonly DeclaredParameter[];
  /** Where the policy extends others. */
  readonly extension: Extension | undefined;
}

const walker = (c: Compilation): Walker => ({
  evaluate: (node) => evaluate(c, node),
  apply: (callee, values, node, options) => apply(c, callee, values, node, options),
  callInTail: (node, target) => callExpression(c, node, target),
  functionValue: (node, name) => functionValue(c, node, name),
});

export function loadPolicy(path: string, options: LoadOptions): LoadedPolicy {
  const absolute = resolve(path);
  const reporter = new Reporter();
  const store = new FileStore(reporter, options.readFile);
  if (absolute.endsWith(".json")) return loadProfile(absolute, store, reporter, options);
  const parameters = new Parameters(options.set ?? new Map(), options.open);
  // A placeholder file for the declarations that precede every module.
  const nowhere = new SourceFile(absolute, path, "", -1);
  const globals = new LexicalScope<Value>(undefined, nowhere);
  const names = new CallNames(options.architecture);
  const host: OciHost = { architecture: options.architecture, ...options.host };
  const builder = new ProgramBuilder();
  const c = new Compilation({ reporter, host, names, builder, parameters, walker, scope: globals });
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
  try {
    const module = new Modules(c, store, library, globals).load(absolute);
    if (module !== undefined) compiled = compileModule(c, module, store);
  } catch (error) {
    if (error instanceof RangeError && /call stack/i.test(error.message)) {
      reporter.report("P0318", "the policy nests too deeply to be compiled");
    } else if (!(error instanceof GiveUp)) throw error;
  }
  if (compiled !== undefined && options.host?.capabilities !== undefined && !c.findings.asksForCapabilities) {
    reporter.report("P0909", "nothing is to be done with --cap: no OCI profile of the policy asks for it");
  }
  const diagnostics = sortDiagnostics(reporter.diagnostics);
  return {
    program: reporter.failed ? undefined : compiled?.program,
    diagnostics,
    sources: new Map(store.files.map((file) => [file.shown, file.text])),
    get files() {
      return store.hashes;
    },
    promises: c.findings.promises,
    parameters: parameters.declared,
    extension: compiled?.extension,
  };
}

/** A profile without any TypeScript around it. It has no parameters. */
function loadProfile(path: string, store: FileStore, reporter: Reporter, options: LoadOptions): LoadedPolicy {
  new Parameters(options.set ?? new Map()).reportUnused(reporter, undefined);
  const file = store.read(path, undefined);
  const host: OciHost = { architecture: options.architecture, ...options.host };
  const compiled = file === undefined ? undefined : compileOciFile(file, host);
  const diagnostics = sortDiagnostics([...reporter.diagnostics, ...(compiled?.diagnostics ?? [])]);
  return {
    program: hasErrors(diagnostics) ? undefined : compiled?.program,
    diagnostics,
    sources: new Map(store.files.map((one) => [one.shown, one.text])),
    get files() {
      return store.hashes;
    },
    promises: [],
    parameters: [],
    extension: undefined,
  };
}

interface CompiledModule {
  readonly program: Program;
  readonly extension?: Extension;
}

function compileModule(c: Compilation, module: Module, store: FileStore): CompiledModule | undefined {
  const policy = policyOf(c, module);
  const lowered = policy === undefined ? undefined : lowerPolicy(c, policy);
  checkUncalled(c, typicalArgument(c));
  c.reportComparisons();
  if (policy !== undefined) c.parameters.reportUnused(c.reporter, { file: module.file, node: policy.at });
  if (lowered === undefined || c.reporter.failed) return undefined;
  const whole = programOf(c, module, store, lowered.body);
  const program = finish(c, whole);
  // A verdict that a path forgets to set would be allow: no such program leaves the compiler.
  const forgotten = unassignedLocals(program);
  if (forgotten.length > 0) {
    c.reporter.report(
      "P0399",
      `the compiler lost a value (local ${forgotten[0]}) on a path of this policy`,
      { file: module.file, node: policy!.at },
      "this is a fault of portcullis: report it with this policy",
    );
    return undefined;
  }
  if (lowered.extension === undefined) return { program };
  const { own, base, named } = lowered.extension;
  return { program, extension: { own: { ...whole, body: own }, base: { ...whole, body: base }, named } };
}

function policyOf(c: Compilation, module: Module): PolicyValue | undefined {
  const value = module.scope.own(defaultName)?.value;
  if (value?.is === "policy") return value;
  if (value === undefined || value.is !== "unknown") {
    c.reporter.report(
      "P0312",
      value === undefined ? "this module exports no policy" : "what this module exports by default is no policy",
      { file: module.file, node: module.scope.own(defaultName)?.at ?? { start: 0, end: 1 } },
      "export default policy((call) => …)",
    );
  }
  return undefined;
}

/** What a parameter of a function that nothing calls could be. */
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
  return {
    architecture: names.architecture,
    name: basename(module.file.path).replace(/\.ts$/, ""),
    files: store.files.map((file) => file.shown),
    admission: admissionOf(names, c.findings.literalNames),
    verdicts: builder.verdicts,
    cells: builder.cells,
    tables: builder.tables,
    reports: builder.reports,
    parameters: builder.parameters,
    locals: builder.locals,
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
