/** Findings of the walk about the whole policy, for later stages and lints. */
import type { Location } from "../../../ir/location.ts";
import type { Program, Scope, Statement } from "../../../ir/program.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import type { FunctionValue } from "../values/values.ts";

/** A promise of the policy (`tightening: true`) that a lint proves on its program. */
export interface TighteningPromise {
  /** The cell of the phases. */
  readonly cell: number;
  readonly scope: Scope;
  /** The place of the promise. */
  readonly at: Location;
}

/** A policy that extends others, as separate programs for the lints. */
export interface Extension {
  /** The step of the extending policy alone. */
  readonly own: Program;
  /** The strictest verdict of the policies that it extends. */
  readonly base: Program;
  /** The calls that the extending step tests by name. */
  readonly named: readonly NamedCall[];
}

export interface NamedCall {
  readonly name: string;
  readonly at: Location;
}

export class Findings {
  readonly promises: TighteningPromise[] = [];
  /** Calls that the policy names itself, not through a group: naming io_uring or process creation has consequences. */
  readonly literalNames = new Set<string>();
  /** In the order of the walk, so the calls of one step are a slice. */
  readonly namedCalls: NamedCall[] = [];
  readsAlive = false;
  /** An OCI profile of the policy tests capabilities, which the profile itself does not give. */
  asksForCapabilities = false;
  /** Reads of `call.raw` that are reported already. */
  readonly rawReads = new Set<SourceRange>();
  /** Returns that a clone3 call can reach, for the rule about it (admission.ts). */
  readonly returnsOfClone3 = new Set<Statement>();
  /** All functions, to find those without a caller. */
  readonly functions = new Map<FunctionValue["node"], FunctionValue>();
  readonly applied = new Set<FunctionValue["node"]>();
  /** Functions that are arguments of a library function, which types their parameters; the step is one. */
  readonly contextual = new Set<FunctionValue["node"]>();
  readonly policySteps = new Set<FunctionValue>();
  /** Declarations about objects that a step enforces. */
  readonly declarations: Location[] = [];
}
