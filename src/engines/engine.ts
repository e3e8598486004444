/**
 * What an engine is. It has three parts: a runtime, which a start needs and which loads no compiler (registry.ts lists
 * them), a compiler (compilers.ts), and a description (description.ts, descriptions.ts). An engine is a folder and a line
 * in each of the three lists; nothing in cli/ names one.
 */
import type { AllowedPath } from "../analysis/allowed-paths.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import type { PolicyDescription } from "../events/record.ts";
import type { Program } from "../ir/program.ts";
import type { RunOptions, RunResult } from "./run.ts";
import type { FilterProfile, StaticFilter } from "./static-filter.ts";
import type { StateDescription } from "./status.ts";

/**
 * | mode | a verdict | its event |
 * | --- | --- | --- |
 * | reported | is enforced | each that is not a plain allow |
 * | quiet | is enforced | those that need no extra work of the engine |
 * | audit | is noted, and the call passes | each that is not a plain allow |
 */
export type Mode = "reported" | "quiet" | "audit";

/** A compiled policy, as far as all engines have the same. */
export interface EnginePolicy {
  readonly description: PolicyDescription;
  /** What permits calls by the text of a path: a start examines the directories on the way. */
  readonly allowedPaths: readonly AllowedPath[];
  /** Names of the state, where the engine can show it. */
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
  /** `expected`: no stock kernel has it, so that it is missing says nothing about the machine. */
  | { readonly works: false; readonly missing: Missing; readonly expected: boolean };

export interface EngineRunOptions extends RunOptions {
  /** Whether events have a destination. */
  readonly events: boolean;
}

export interface EngineRuntime<Name extends string, Policy extends EnginePolicy> {
  readonly name: Name;
  /** For help pages: what it is, what it needs. */
  readonly summary: string;
  /** `run --audit` works with it. */
  readonly audits: boolean;
  /** `run --status` works with it. */
  readonly hasStatus: boolean;
  /** What its status lacks, as sentences without a full stop. */
  readonly statusLacks?: readonly string[];
  /** Tries it without an effect on anything else; cached. Throws a NativeUnavailableError. */
  probe(): Availability;
  /** Rejects with a StartError where nothing was started. */
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
  /** Replace verdicts that the engine cannot give by the next stricter ones (`run --best-effort`). */
  readonly approximate: boolean;
  /** Who compiles: "portcullis 0.1.0". */
  readonly compiler: string;
  /** The values of the policy's parameters. */
  readonly fixed: readonly (readonly [name: string, value: string])[];
  readonly sources: Sources;
}

export interface EngineCompilation<Policy extends EnginePolicy> {
  /** Undefined where the engine cannot express the policy: the diagnostics say why. */
  readonly policy: Policy | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** With `approximate`: how the policy differs from the program; undefined where it does not. */
  readonly approximation?: string | undefined;
}

export interface EngineCompiler<Policy extends EnginePolicy> extends FilterProfile {
  /** Throws a FilterTooLargeError or a WasmLimitError. */
  compile(program: Program, options: CompileOptions): EngineCompilation<Policy>;
  /** The classic filter that `run` installs. Throws a FilterTooLargeError. */
  filter(program: Program, options: FilterOptions): StaticFilter;
  /**
   * A policy that enforces only the static part: for each call the weakest verdict that any state could give. Undefined
   * where the engine has none.
   */
  staticPart?(program: Program): Policy;
}
