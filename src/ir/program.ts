/**
 * The intermediate representation: what a policy means, with nothing of TypeScript left in it and nothing of an engine
 * in it yet.
 *
 * A program is one step, (state, call) → (verdict, state). It has no loops and no functions (the front end unrolls the
 * one and inlines the other), so it ends by construction: control only ever goes forward. Integers are 64-bit patterns;
 * every operation says whether it reads them as signed, and wraps modulo 2^64. The front end has proved, by ranges,
 * that for the policy's own arithmetic wrapping never happens.
 *
 * `interpreter.ts` is the reference meaning. Every compiled form must agree with it.
 */
import type { ArchitectureName } from "../linux/architecture.ts";
import type { Location } from "./location.ts";
import type { Verdict } from "./verdicts.ts";

export interface Program {
  readonly architecture: ArchitectureName;
  /** What people call the policy: its file name without the extension. */
  readonly name: string;
  /** Paths as shown to people; `Location.file` is an index into this. */
  readonly files: readonly string[];
  readonly admission: Admission;
  /** Entry 0 is always a plain allow. */
  readonly verdicts: readonly Verdict[];
  readonly cells: readonly Cell[];
  readonly tables: readonly Table[];
  readonly reports: readonly Report[];
  /** Values that whoever starts the policy gives, and nothing changes afterwards. */
  readonly parameters: readonly Parameter[];
  /** The type of each local variable. Locals start as 0, false, or verdict 0. */
  readonly locals: readonly ValueType[];
  /** Every path through it ends in a `return`. */
  readonly body: readonly Statement[];
}

/** A closed interval of unsigned 64-bit patterns. */
export interface Interval {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * What happens before the policy is asked (docs/language.md, "What comes before the policy"). Sorted, disjoint
 * intervals of call numbers. A number in neither list gets ENOSYS, and so does every call of a foreign ABI.
 */
export interface Admission {
  /** Never judged, always allowed: restart_syscall, rt_sigreturn, exit, exit_group. */
  readonly always: readonly Interval[];
  /** The policy decides. */
  readonly judged: readonly Interval[];
}

// ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Whose state it is. `process` is a thread group. `tree` is all that the command started, so there is one.
 * A new thread's thread state is fresh; a new process's first thread gets its parent's thread state by `onFork`.
 */
export type Scope = "thread" | "process" | "tree";

/** One 64-bit word of state. */
export interface Cell {
  readonly name: string;
  readonly scope: Scope;
  readonly kind: CellKind;
  readonly initial: bigint;
  readonly onFork: OnFork;
  readonly at: Location | undefined;
}

/** What the word stands for: says how to print it and bounds what it can hold (a claim that the checker relies on). */
export type CellKind =
  | { readonly is: "flag" }
  /** 0 … 2^63 − 1. */
  | { readonly is: "counter" }
  | { readonly is: "value" }
  /** An index into `names`; only ever grows. */
  | { readonly is: "phases"; readonly names: readonly string[] };

/**
 * What a child starts with: a copy of its parent's word as it was when the fork was judged, the initial value, or, for
 * phases, `map[parent's phase]`. Always "fresh" in the tree's scope, where it has no meaning.
 */
export type OnFork = "copy" | "fresh" | { readonly map: readonly number[] };

/** 64-bit keys to 64-bit values. A set is a table whose values are not read. */
export interface Table {
  readonly name: string;
  readonly scope: Scope;
  /** 1 … 65,536 for the tree; what fits 4 KiB a scope (`limits.ts`) for a thread or a process. */
  readonly capacity: number;
  /** Raised when a new key finds the table full. Never an allow. An index into `Program.verdicts`. */
  readonly full: number;
  readonly onFork: "copy" | "fresh";
  readonly holdsValues: boolean;
  readonly at: Location | undefined;
}

export interface Report {
  readonly text: string;
  /** Names of the values, in order; and how each is to be printed. */
  readonly values: readonly { readonly name: string; readonly print: "unsigned" | "signed" | "boolean" }[];
  readonly at: Location | undefined;
}

/**
 * A value that is the same for the life of the tree and is known only where the policy is started (`parameters.ts`).
 * What is known when it is compiled is a constant, and no parameter of the program any more.
 */
export interface Parameter {
  readonly name: string;
  /** A flag is 0 or 1. */
  readonly kind: "integer" | "flag";
  /** Integers that one 64-bit type holds: where `from` is negative, the word is read as signed. */
  readonly from: bigint;
  readonly to: bigint;
  /** Undefined where a value must be given. */
  readonly default: bigint | undefined;
  readonly at: Location | undefined;
}

// ── Expressions ─────────────────────────────────────────────────────────────────────────────────────────────────────

export type ValueType = "integer" | "boolean" | "verdict";

/**
 * What an evaluation is told. `number` … `argument5` are the call's; `now` is CLOCK_MONOTONIC in ns (0 … 2^63 − 1);
 * `pid` (of the thread group), `tid`, `uid`, `gid` (effective) are as seen from where the command was started, 32 bits;
 * `alive` counts the living processes of the tree, the caller's included, forks in flight too.
 */
export const inputs = [
  "number",
  "instructionPointer",
  "argument0",
  "argument1",
  "argument2",
  "argument3",
  "argument4",
  "argument5",
  "now",
  "pid",
  "tid",
  "uid",
  "gid",
  "alive",
] as const;
export type Input = (typeof inputs)[number];

/** Modulo 2^64. Dividing by 0 gives 0 and leaves the dividend as remainder (as eBPF does); shifts use the low 6 bits. */
export type BinaryOperator =
  | "add"
  | "subtract"
  | "multiply"
  | "divide-unsigned"
  | "divide-signed"
  | "remainder-unsigned"
  | "remainder-signed"
  | "and"
  | "or"
  | "xor"
  | "shift-left"
  | "shift-right-unsigned"
  | "shift-right-signed";

export type CompareOperator =
  | "equal"
  | "not-equal"
  | "less-unsigned"
  | "less-or-equal-unsigned"
  | "less-signed"
  | "less-or-equal-signed";

/**
 * Expressions change nothing, so their order does not matter and each may be evaluated or not. (What changes state is a
 * statement; the front end splits `a() && b()` into an `if` where `b` changes state.)
 */
export type IntegerExpression =
  /** A pattern, 0 … 2^64 − 1: −1 is 0xffff_ffff_ffff_ffff. */
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "input"; readonly input: Input }
  | { readonly kind: "local"; readonly local: number }
  | { readonly kind: "cell"; readonly cell: number }
  | { readonly kind: "parameter"; readonly parameter: number }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: IntegerExpression;
      readonly right: IntegerExpression;
    }
  /** The low `width` bits, zero- or sign-extended to 64. */
  | {
      readonly kind: "extend";
      readonly width: 8 | 16 | 32;
      readonly signed: boolean;
      readonly value: IntegerExpression;
    }
  | {
      readonly kind: "select";
      readonly condition: BooleanExpression;
      readonly then: IntegerExpression;
      readonly otherwise: IntegerExpression;
    }
  /** `otherwise` where the key is absent. */
  | {
      readonly kind: "table-get";
      readonly table: number;
      readonly key: IntegerExpression;
      readonly otherwise: IntegerExpression;
    }
  | { readonly kind: "from-boolean"; readonly value: BooleanExpression };

export type BooleanExpression =
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "boolean-local"; readonly local: number }
  | {
      readonly kind: "compare";
      readonly operator: CompareOperator;
      readonly left: IntegerExpression;
      readonly right: IntegerExpression;
    }
  /** The value lies in one of these sorted, disjoint, non-adjacent intervals (unsigned). */
  | { readonly kind: "within"; readonly value: IntegerExpression; readonly intervals: readonly Interval[] }
  | { readonly kind: "not"; readonly value: BooleanExpression }
  | { readonly kind: "all"; readonly of: readonly BooleanExpression[] }
  | { readonly kind: "any"; readonly of: readonly BooleanExpression[] }
  | { readonly kind: "table-has"; readonly table: number; readonly key: IntegerExpression };

export type VerdictExpression =
  /** An index into `Program.verdicts`. */
  | { readonly kind: "verdict"; readonly verdict: number }
  | { readonly kind: "verdict-local"; readonly local: number }
  /** The strictest; between two that are equally strict, the first. */
  | { readonly kind: "strictest"; readonly of: readonly VerdictExpression[] }
  | {
      readonly kind: "verdict-select";
      readonly condition: BooleanExpression;
      readonly then: VerdictExpression;
      readonly otherwise: VerdictExpression;
    };

export type Expression = IntegerExpression | BooleanExpression | VerdictExpression;

// ── Statements ──────────────────────────────────────────────────────────────────────────────────────────────────────

export type Statement = (
  | { readonly kind: "set-integer"; readonly local: number; readonly value: IntegerExpression }
  | { readonly kind: "set-boolean"; readonly local: number; readonly value: BooleanExpression }
  | { readonly kind: "set-verdict"; readonly local: number; readonly value: VerdictExpression }
  | { readonly kind: "store"; readonly cell: number; readonly value: IntegerExpression }
  /** Updates a present key, else inserts. Where the table is full, it changes nothing and raises `Table.full`. */
  | {
      readonly kind: "table-set";
      readonly table: number;
      readonly key: IntegerExpression;
      readonly value: IntegerExpression;
    }
  | { readonly kind: "table-delete"; readonly table: number; readonly key: IntegerExpression }
  /** One value for each of `Report.values`. */
  | { readonly kind: "report"; readonly report: number; readonly values: readonly IntegerExpression[] }
  | {
      readonly kind: "if";
      readonly condition: BooleanExpression;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  /** The first arm whose (disjoint, sorted) intervals hold the value; else `otherwise`. No fall-through. */
  | {
      readonly kind: "switch";
      readonly value: IntegerExpression;
      readonly arms: readonly { readonly intervals: readonly Interval[]; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  /** `leave` inside the body goes on after the block. Labels are unique in a program. */
  | { readonly kind: "block"; readonly label: number; readonly body: readonly Statement[] }
  | { readonly kind: "leave"; readonly label: number }
  /** Ends the evaluation. The verdict is the strictest of this and of what full tables have raised, this one first. */
  | { readonly kind: "return"; readonly verdict: VerdictExpression }
) & { readonly at?: Location | undefined };
