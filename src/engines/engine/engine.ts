/**
 * The type of an engine. An engine has three parts: a runtime, which a start needs and which loads no compiler
 * (registry.ts), a compiler (compilers.ts), and a description (description.ts, descriptions.ts). It is a folder and a line
 * in each of the three lists; no file in cli/ names an engine.
 */

import type { ExaminedPath } from "../../analysis/file-paths/guarded-paths.ts";
import type { RefusedObject } from "../../analysis/file-paths/refused-objects.ts";
import type { Ruleset } from "../../backend/landlock/rulesets.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sources } from "../../diagnostics/render.ts";
import type { PolicyDescription } from "../../events/record.ts";
import type { Program } from "../../ir/program.ts";
import type { RunOptions, RunResult } from "./run.ts";
import type { FilterProfile, StaticFilter } from "./static-filter.ts";
import type { StateDescription } from "./status.ts";

/**
 * | mode | a verdict | its event |
 * | --- | --- | --- |
 * | reported | is enforced | for every verdict but a plain allow |
 * | quiet | is enforced | only if it costs the engine no extra work |
 * | audit | is recorded, and the call passes | for every verdict but a plain allow |
 */
export type Mode = "reported" | "quiet" | "audit";

/** The members that compiled policies of all engines have. */
export interface EnginePolicy {
  readonly description: PolicyDescription;
  /** Rules that allow calls by the string of a path: a start examines the directories of that path. */
  readonly allowedPaths: readonly ExaminedPath[];
  /** Rules that refuse objects: a start examines who can move them. */
  readonly refusedObjects: readonly RefusedObject[];
  /** The launcher lets the tree open files of proc file systems for reading only; never in an audit. */
  readonly readOnlyProc: boolean;
  /** The files, ports and scopes to which the launcher restricts the tree; none in an audit. */
  readonly objects: readonly Ruleset[];
  /** The engine opens objects for callers, which must be in its own namespaces. */
  readonly opensForCaller?: boolean;
  /** Names of the state, if the engine can show it. */
  readonly state?: StateDescription;
}

/** `what` and `help` are sentences without a full stop. */
export interface Missing {
  readonly what: string;
  readonly help: string;
}

/** Whether an engine works here. `variant` is what its compiler must know about this machine. */
export type Availability =
  | { readonly works: true; readonly variant: string }
  /** `expected`: no stock kernel has the feature, so its absence is not a fault of the machine. */
  | { readonly works: false; readonly missing: Missing; readonly expected: boolean };

export interface EngineRunOptions extends RunOptions {
  /** Whether events have a destination. */
  readonly events: boolean;
}

/** Sentences about one engine on the page of `run`. */
export interface RunHelp {
  /** The role of portcullis while the command runs. */
  readonly supervision: string;
  readonly "no-denial-events"?: string;
  readonly "kill-events": string;
  /** The exit status after a verdict that kills, without a full stop. */
  readonly killed: string;
}

export interface EngineRuntime<Name extends string, Policy extends EnginePolicy> {
  readonly name: Name;
  /** For help pages: a description and the requirements. */
  readonly summary: string;
  readonly runHelp: RunHelp;
  /** `run --audit` works with it. */
  readonly audits: boolean;
  /** `run --status` works with it. */
  readonly hasStatus: boolean;
  /** Data that its status lacks, as sentences without a full stop. */
  readonly statusLacks?: readonly string[];
  /** Tries the engine without side effects; the result is cached. Throws a NativeUnavailableError. */
  probe(): Availability;
  /** Rejects with a StartError if the command was not started. */
  run(policy: Policy, command: readonly string[], options: EngineRunOptions): Promise<RunResult>;
}

export interface FilterOptions {
  readonly mode: Mode;
  /** The engine carries out static kills, so that they become events. */
  readonly killEvents?: boolean;
  /** With a token of zeroes, which the launcher replaces. */
  readonly armed: boolean;
}

export interface CompileOptions {
  readonly mode: Mode;
  readonly killEvents: boolean;
  /** Whether events have a destination. */
  readonly events: boolean;
  /** `Availability.variant` of the machine that will run it. */
  readonly variant: string;
  /** Replaces verdicts that the engine cannot give by the next stricter ones (`run --best-effort`). */
  readonly approximate: boolean;
  /** Name and version of the compiler: "portcullis 0.1.0". */
  readonly compiler: string;
  /** The values of the policy's parameters. */
  readonly fixed: readonly (readonly [name: string, value: string])[];
  readonly sources: Sources;
}

export interface EngineCompilation<Policy extends EnginePolicy> {
  /** Undefined if the engine cannot express the policy; the diagnostics say why. */
  readonly policy: Policy | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** With `approximate`: the difference between policy and program; undefined without one. */
  readonly approximation?: string | undefined;
}

export interface EngineCompiler<Policy extends EnginePolicy> extends FilterProfile {
  /** Throws a FilterTooLargeError or a WasmLimitError. */
  compile(program: Program, options: CompileOptions): EngineCompilation<Policy>;
  /** The classic filter that `run` installs. Throws a FilterTooLargeError. */
  filter(program: Program, options: FilterOptions): StaticFilter;
  /**
   * Compiles a policy that enforces only the static part: for each call the weakest verdict that any state could give.
   * Absent if the engine has no such policy.
   */
  staticPart?(program: Program): Policy;
}
