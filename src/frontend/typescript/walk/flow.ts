/** The state of a path of the walk: its facts, and the targets of its jumps. */
import type { Statement } from "../../../ir/program.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import type { Facts } from "../values/facts.ts";
import type { Variable } from "../values/scope.ts";
import type { Value } from "../values/values.ts";

/**
 * | | |
 * | --- | --- |
 * | live | some call can reach this place |
 * | folded | no call can, because a constant (a parameter, say) decided a test; another constant would |
 * | ended | no call can: the path has returned or left a loop |
 */
export type Liveness = "live" | "folded" | "ended";

/** The variables of the step and the facts at this point. Constants are not in the flow. */
export interface Flow {
  live: Liveness;
  variables: Map<Variable<Value>, Value>;
  facts: Facts;
  /** An earlier statement had an error, so reachability is unknown. */
  uncertain?: true;
}

/** The end of a path: its flow, and the list to append to for statements that run last on the path. */
export interface PathEnd {
  readonly flow: Flow;
  readonly out: Statement[];
}

export interface Branch extends PathEnd {
  /** A call can reach its start. */
  readonly entered: boolean;
}

/** The target of `return`. */
export interface ReturnTarget {
  /** A verdict ends the program; a value ends an inlined function's block. */
  readonly kind: "program" | "block";
  /** `return a ? b : c` becomes two paths, so that each verdict has its own path. */
  readonly splits: boolean;
  readonly label: number;
  readonly ends: (PathEnd & { readonly value: Value; readonly node: SourceRange })[];
  /** Checks a returned value against the declared type of every function that it returns from. */
  readonly check: (value: Value, node: SourceRange) => Value;
}

/** The targets of `break` and `continue`. */
export interface JumpTarget {
  readonly name: string | undefined;
  readonly breakLabel: number;
  readonly breaks: PathEnd[];
  /** Undefined in a switch. */
  continues: { readonly label: number; readonly ends: PathEnd[] } | undefined;
}
