/** Facts about the whole policy that the walk collects and that later stages and lints use. */
import type { Location } from "../../ir/location.ts";
import type { Program, Scope, Statement } from "../../ir/program.ts";
import type { Range as SourceRange } from "../source/file.ts";
import type { FunctionValue } from "../values/values.ts";

/** A promise of the policy (`tightening: true`) that a lint proves on its program. */
export interface TighteningPromise {
  /** The cell of the phases. */
  readonly cell: number;
  readonly scope: Scope;
  /** The place of the promise. */
  readonly at: Location;
}

/** A policy that extends others, taken apart: the programs that its lints compare. */
export interface Extension {
  /** The step of the extending policy alone. */
  readonly own: Program;
  /** The strictest of the policies that it extends. */
  readonly base: Program;
  /** The calls that the extending step compares with by name. */
  readonly named: readonly NamedCall[];
}

export interface NamedCall {
  readonly name: string;
  readonly at: Location;
}

export class Findings {
  readonly promises: TighteningPromise[] = [];
  /** Calls that the policy names literally, not by a group: naming io_uring or process creation has consequences. */
  readonly literalNames = new Set<string>();
  /** In the order of the walk, so that the calls of one step are a slice. */
  readonly namedCalls: NamedCall[] = [];
  readsAlive = false;
  /** An OCI profile does not say itself which capabilities the command has. */
  asksForCapabilities = false;
  /** Reads of `call.raw` that have been reported. */
  readonly rawReads = new Set<SourceRange>();
  /** Returns that a clone3 call can reach, for the rule about it (admission.ts). */
  readonly returnsOfClone3 = new Set<Statement>();
  /** All functions, to check those without a caller. */
  readonly functions = new Map<FunctionValue["node"], FunctionValue>();
  readonly applied = new Set<FunctionValue["node"]>();
  /** Functions that are arguments of a library function, which types their parameters; steps among them. */
  readonly contextual = new Set<FunctionValue["node"]>();
  readonly policySteps = new Set<FunctionValue>();
}
