/**
 * The result of the split: for each call, and each condition on its arguments, the weakest verdict that any state could
 * give, and whether the stateful part must see the call.
 *
 * An open parameter (`Program.parameters`) counts as state here: a statement about the decision holds for all its values.
 *
 * A decision is a node of a directed acyclic graph in which equal nodes are one object, so `===` compares whole decisions.
 */
import type { CallWord, CircumstanceInput } from "../ir/inputs.ts";
import type { Interval } from "../ir/program.ts";

/**
 * The only form of test in a classic filter: whether `word & mask` lies in these intervals. Truncation, sign extension,
 * signed comparison, shifts by constants, flags and added constants reduce to it: `int fd < 5` is `argument0 &
 * 0xffffffff` in [0, 4] ∪ [0x80000000, 0xffffffff].
 */
export interface ArgumentTest {
  readonly word: CallWord;
  /** 1 … 2^64 − 1. */
  readonly mask: bigint;
  /** Unsigned, sorted, disjoint, non-adjacent, not empty, and not everything that the mask permits. */
  readonly intervals: readonly Interval[];
}

export type Decision = DecisionTest | DecisionLeaf;

export interface DecisionTest {
  readonly kind: "test";
  readonly test: ArgumentTest;
  readonly then: Decision;
  readonly otherwise: Decision;
}

export interface DecisionLeaf {
  readonly kind: "leaf";
  /** The weakest verdict that any state could give here: an index into `Program.verdicts`. */
  readonly weakest: number;
  /** All verdicts that some state could give here, sorted by strictness, then index. */
  readonly possible: readonly number[];
  /** Why the stateful part must see the call; empty if the weakest verdict is the verdict. */
  readonly stateful: readonly StatefulReason[];
}

export type StatefulReason =
  | { readonly because: "reads-state" | "changes-state"; readonly cell: number }
  | { readonly because: "reads-table" | "changes-table"; readonly table: number }
  | { readonly because: "reads-input"; readonly input: CircumstanceInput }
  | { readonly because: "reads-parameter"; readonly parameter: number }
  /** Reads the memory behind a pointer argument: an index into `Program.observations`. */
  | { readonly because: "reads-memory"; readonly observation: number }
  /** A side of a room, which only the engine can admit to. */
  | { readonly because: "enters-room"; readonly room: number; readonly side: number }
  | { readonly because: "reports"; readonly report: number }
  /** A person decides, whom only a supervisor can ask. */
  | { readonly because: "asks" }
  /** A condition on arguments that no classic filter can test, such as arithmetic between arguments. */
  | { readonly because: "not-expressible" }
  /** The engine must see every new process (`SplitOptions.superviseProcessCreation`). */
  | { readonly because: "process-creation" }
  /** The engine must see every execution of a program (`SplitOptions.superviseExecution`). */
  | { readonly because: "execution" }
  /** The engine must see every thread that restricts itself by Landlock (`SplitOptions.superviseRestriction`). */
  | { readonly because: "restriction" }
  /** The engine must see every thread that changes its rights, root or namespaces (`SplitOptions.superviseRights`). */
  | { readonly because: "rights" }
  /** The split gave up on this call: exploring all its conditions would take too long. */
  | { readonly because: "too-complex" };

/** The decision for each number that the policy judges (`Program.admission.judged`). */
export type SplitPolicy = ReadonlyMap<number, Decision>;

export function isStateful(leaf: DecisionLeaf): boolean {
  return leaf.stateful.length > 0;
}
