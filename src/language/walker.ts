/** The shapes that the parts of the walk share: what is known on a path, where control goes, how the parts call each other. */
import type { CallExpression, Expression as Node } from "@oxc-project/types";
import type { Location, Program, Scope, Statement } from "../ir/program.ts";
import type { Compilation } from "./compilation.ts";
import type { Facts } from "./facts.ts";
import type { Variable } from "./scope.ts";
import type { Range as SourceRange } from "./source/file.ts";
import type { FunctionValue, Value } from "./values.ts";

/**
 * | | |
 * | --- | --- |
 * | live | some call can come here |
 * | folded | none can, because a constant (a parameter, say) decided a test: other constants would |
 * | ended | none can: the path has returned, or left a loop |
 */
export type Liveness = "live" | "folded" | "ended";

/** What is known where the walk is. Variables are those of the step; constants need no flow. */
export interface Flow {
  live: Liveness;
  variables: Map<Variable, Value>;
  facts: Facts;
  /** A statement before could not be understood, which has been said: whether this is reached is not known. */
  uncertain?: true;
}

/** A path's end: what was known there, and where a statement goes that is to run last on it. */
export interface PathEnd {
  readonly flow: Flow;
  readonly out: Statement[];
}

export interface Branch extends PathEnd {
  /** Some call could come to its start. */
  readonly entered: boolean;
}

/** Where `return` goes. */
export interface ReturnTarget {
  /** A verdict ends the program; a value ends an inlined function's block. */
  readonly kind: "program" | "block";
  /** `return a ? b : c` goes there by two ways, which keeps each verdict on a path of its own. */
  readonly splits: boolean;
  readonly label: number;
  readonly ends: (PathEnd & { readonly value: Value; readonly node: SourceRange })[];
  /** Checks a returned value against the declared type of every function that it returns from. */
  readonly check: (value: Value, node: SourceRange) => Value;
}

/** Where `break` and `continue` go. */
export interface JumpTarget {
  readonly name: string | undefined;
  readonly breakLabel: number;
  readonly breaks: PathEnd[];
  /** Undefined in a switch. */
  continues: { readonly label: number; readonly ends: PathEnd[] } | undefined;
}

/** What the walk is made of; the parts know each other only through this. */
export interface Walker {
  evaluate(c: Compilation, node: Node): Value;
  apply(
    c: Compilation,
    callee: FunctionValue,
    values: readonly PlacedValue[],
    node: SourceRange,
    options?: ApplyOptions,
  ): Value;
  callInTail(c: Compilation, node: CallExpression, target: ReturnTarget): Value;
  functionValue(c: Compilation, node: FunctionValue["node"], name: string): Value;
}

export interface ApplyOptions {
  /** The function is an argument of one of the library's, which types its parameters. */
  readonly contextual?: boolean;
  /** `return f(x)`: what it returns, its caller does. */
  readonly tail?: ReturnTarget | undefined;
}

export interface PlacedValue {
  readonly value: Value;
  readonly node: SourceRange;
}

/** A promise of the policy that a lint proves on its program. */
/** A policy that extends others, taken apart: what its lints compare. */
export interface Extension {
  /** The step of the extending policy alone, and the strictest of the policies that it extends. */
  readonly own: Program;
  readonly base: Program;
  /** The calls that the extending step compares with by name, and where. */
  readonly named: readonly NamedCall[];
}

export interface NamedCall {
  readonly name: string;
  readonly at: Location;
}

export interface TighteningPromise {
  /** The cell of the phases. */
  readonly cell: number;
  readonly scope: Scope;
  /** Where it is promised. */
  readonly at: Location;
}
