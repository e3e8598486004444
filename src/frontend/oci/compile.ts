/**
 * Compiles OCI seccomp profiles (also Docker's and Podman's superset) without a TypeScript module: text → JSON with
 * locations → typed profile → rules for this host → decisions for each call → IR.
 */
import { basename } from "node:path";
import { hasErrors, sortDiagnostics } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { checkProgram } from "../../ir/check.ts";
import { maximumDeclarations, maximumNodes } from "../../ir/limits.ts";
import { noDeclarations, type Program } from "../../ir/program.ts";
import { programSize } from "../../ir/size.ts";
import type { Verdict } from "../../ir/verdicts.ts";
import { admissionOf } from "../program/admission.ts";
import { CallNames } from "../program/call-names.ts";
import { SourceFile } from "../source/file.ts";
import { decideCalls } from "./decisions.ts";
import { readJson } from "./json.ts";
import { lintProfile } from "./lints.ts";
import { noteAction } from "./losses.ts";
import { lowerOciProfile, newerCalls, type OciPart } from "./lower.ts";
import type { OciHost } from "./profile.ts";
import { OciReader } from "./reader.ts";
import { readShape } from "./schema.ts";
import { selectRules } from "./select.ts";

export { lowerOciProfile, type OciPart } from "./lower.ts";
export type { OciHost } from "./profile.ts";

export interface CompiledOciProfile {
  /** Undefined if and only if a diagnostic is an error. */
  readonly program: Program | undefined;
  /** Sorted by place. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles a profile as a complete policy. `path` is the path in messages. */
export function compileOciProfile(text: string, path: string, host: OciHost): CompiledOciProfile {
  return compileOciFile(new SourceFile(path, path, text, 0), host);
}

/** `compileOciProfile` for a file that is already read. */
export function compileOciFile(file: SourceFile, host: OciHost): CompiledOciProfile {
  const { part, diagnostics } = readOciProfile(file, host);
  if (part === undefined) return { program: undefined, diagnostics };
  const program = programOf(part, host);
  const { nodes } = programSize(program);
  if (nodes > maximumNodes || program.verdicts.length > maximumDeclarations) {
    const reader = new OciReader(file);
    reader.report("P0708", { start: 0, end: 1 }, `this profile has ${nodes} steps; ${maximumNodes} are allowed`);
    return { program: undefined, diagnostics: sortDiagnostics([...diagnostics, ...reader.diagnostics]) };
  }
  const problems = checkProgram(program);
  if (problems.length > 0) throw new Error(`the profile's program is wrong: ${problems.join("; ")}`);
  return { program, diagnostics };
}

/**
 * Reads a profile that becomes a part of a policy (`lowerOciProfile`); undefined if and only if a diagnostic is an
 * error. Locations in it have `file.index`.
 */
export function readOciProfile(
  file: SourceFile,
  host: OciHost,
): { readonly part: OciPart | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const reader = new OciReader(file);
  const part = read(file, host, reader);
  const diagnostics = sortDiagnostics(reader.diagnostics);
  return { part: hasErrors(diagnostics) ? undefined : part, diagnostics };
}

function read(file: SourceFile, host: OciHost, reader: OciReader): OciPart | undefined {
  const json = readJson(file.text);
  if (!("root" in json)) {
    reader.report("P0702", json.at, json.problem, json.help);
    return undefined;
  }
  const profile = readShape(json.root, reader, host);
  if (profile === undefined || hasErrors(reader.diagnostics)) return undefined;
  const { defaultAction } = profile;
  const rules = selectRules(profile.rules, defaultAction, host, reader);
  for (const action of [defaultAction, ...rules.map(({ rule }) => rule.action)]) noteAction(reader, action);
  const calls = decideCalls(rules, defaultAction, host.architecture, reader);
  lintProfile({ calls, defaultAction, architecture: host.architecture, reader });
  const newer = newerCalls(
    rules.map(({ rule }) => rule),
    defaultAction,
    host.architecture,
  );
  return { file, defaultAction, calls, names: new Set(calls.map(({ name }) => name)), newer };
}

function programOf(part: OciPart, { architecture }: OciHost): Program {
  const verdicts: Verdict[] = [{ action: "allow", errno: 0, reason: undefined, at: undefined }];
  const indexes = new Map<string, number>();
  const body = lowerOciProfile(part, {
    verdict(action, errno, reason, at) {
      const key = `${action} ${errno} ${at?.line}:${at?.column}`;
      const index = indexes.get(key) ?? verdicts.push({ action, errno, reason, at }) - 1;
      indexes.set(key, index);
      return { kind: "verdict", verdict: index };
    },
    give: (verdict, at) => [{ kind: "return", verdict, at }],
  });
  return {
    architecture,
    name: basename(part.file.shown).replace(/\.json$/, ""),
    files: [part.file.shown],
    admission: admissionOf(new CallNames(architecture), part.names),
    verdicts,
    ...noDeclarations,
    body,
  };
}
