/**
 * The intermediate representation (IR): the front end makes it from TypeScript, the split and the back ends read it.
 *
 * A program is one step, (state, call) → (verdict, state). It has no loops and no functions, because the front end unrolls
 * and inlines them; control only goes forward, so a program terminates. Integers are 64-bit patterns. Each operation says
 * whether it reads them as signed, and wraps modulo 2^64. The front end has proved by ranges that the policy's own
 * arithmetic never wraps. `interpreter.ts` is the reference semantics.
 */
import type { ArchitectureName } from "../abi/architecture.ts";
import type { HostRules } from "./hosts.ts";
import type { Input } from "./inputs.ts";
import type { Location } from "./location.ts";
import type { ObjectLayer, ProtectedName } from "./objects.ts";
import type { Observation, ObservedWord } from "./observation.ts";
import type { Setting } from "./settings.ts";
import type { Verdict } from "./verdicts.ts";

export interface Program {
  readonly architecture: ArchitectureName;
  /** The policy's file name without the extension. */
  readonly name: string;
  /** Paths for messages; `Location.file` is an index into this list. */
  readonly files: readonly string[];
  readonly admission: Admission;
  /** Entry 0 is always a plain allow. */
  readonly verdicts: readonly Verdict[];
  readonly cells: readonly Cell[];
  readonly tables: readonly Table[];
  readonly rooms: readonly Room[];
  readonly reports: readonly Report[];
  /** Values that are given when the policy is started and never change afterwards. */
  readonly parameters: readonly Parameter[];
  /** The memory behind pointer arguments that an engine reads, once, before it judges a call. */
  readonly observations: readonly Observation[];
  /** The integers that are computed from the observations; `observed` expressions are indexes into it. */
  readonly words: readonly ObservedWord[];
  /** The type of each local variable. Locals start as 0, false, or verdict 0. */
  readonly locals: readonly ValueType[];
  /** The tree opens files of proc file systems for reading only: the launcher enforces it (native/launcher/domain.h). */
  readonly readOnlyProc: boolean;
  /** The files, ports and scopes to which the launcher restricts the tree. At most `mostLayers`. */
  readonly objects: readonly ObjectLayer[];
  /** The values of the policy's parameters. Undefined if it has none, or is not compiled from TypeScript. */
  readonly settings?: readonly Setting[];
  /** With the step that protects files by their names: these names. */
  readonly protectedNames?: readonly ProtectedName[];
  /** The hosts that the tree can reach; empty if no policy restricts them. */
  readonly hosts: readonly HostRules[];
  /** Every path through it ends in a `return`. */
  readonly body: readonly Statement[];
}

/** The declarations of a program that has neither state nor locals, reads no memory and restricts no files. */
export const noDeclarations = {
  cells: [],
  tables: [],
  rooms: [],
  reports: [],
  parameters: [],
  observations: [],
  words: [],
  locals: [],
  readOnlyProc: false,
  objects: [],
  hosts: [],
} as const satisfies Partial<Program>;

/** A closed interval of unsigned 64-bit patterns. */
export interface Interval {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * The decision before the policy runs (docs/language-reference.md, "Calls that the policy never sees"). Sorted, disjoint
 * intervals of call numbers. A number in neither list gets ENOSYS, and so does every call of a foreign ABI.
 */
export interface Admission {
  /** Always allowed without an evaluation: restart_syscall, rt_sigreturn, exit, exit_group. */
  readonly always: readonly Interval[];
  readonly judged: readonly Interval[];
}

// ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The owner of the state. A `process` is a thread group. The `tree` is the command and all its descendants. A new
 * thread's thread state is fresh; the first thread of a new process gets its parent's thread state by `onFork`.
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

/** Says how to print the word, and bounds its values; the checker relies on the bounds. */
export type CellKind =
  | { readonly is: "flag" }
  /** 0 … 2^63 − 1. */
  | { readonly is: "counter" }
  | { readonly is: "value" }
  /** An index into `names`; it never decreases. */
  | { readonly is: "phases"; readonly names: readonly string[] };

/**
 * The initial value in a child: a copy of its parent's word at the time of the fork, the cell's initial value, or, for
 * phases, `map[parent's phase]`. Always "fresh" in the tree scope, where it has no effect.
 */
export type OnFork = "copy" | "fresh" | { readonly map: readonly number[] };

/** Maps 64-bit keys to 64-bit values. A set is a table whose values are not read. */
export interface Table {
  readonly name: string;
  readonly scope: Scope;
  /** 1 … 65,536 in the tree scope; in the others, bounded by 4 KiB for all state of a scope (`limits.ts`). */
  readonly capacity: number;
  /** The verdict that an insert into the full table raises; an index into `Program.verdicts`, never an allow. */
  readonly full: number;
  readonly onFork: "copy" | "fresh";
  readonly holdsValues: boolean;
  readonly at: Location | undefined;
}

/**
 * The owner of a room. `memory` is an address space: the threads of a process, and children that share its memory
 * (CLONE_VM) until they execute a program.
 */
export type RoomScope = "process" | "memory" | "tree";

/**
 * Calls of one side run together; calls of different sides never overlap. A call holds its side from its admission until
 * it has ended. `src/rooms/table.ts` defines who is admitted when.
 */
export interface Room {
  readonly name: string;
  readonly scope: RoomScope;
  /** 1 … 32 names. */
  readonly sides: readonly string[];
  /** Bit n is set if side n admits one call at a time. */
  readonly exclusive: number;
  /** The longest wait for admission, in nanoseconds: 1 ms … 60 s. */
  readonly timeout: bigint;
  /** The verdict of a call that has waited this long; an index into `Program.verdicts`, a deny or a kill. */
  readonly late: number;
  readonly at: Location | undefined;
}

export interface Report {
  readonly text: string;
  /** Names of the values, in order, and the format of each. */
  readonly values: readonly { readonly name: string; readonly print: "unsigned" | "signed" | "boolean" }[];
  readonly at: Location | undefined;
}

/**
 * A value that is the same for the life of the tree and is given when the policy is started (`parameters.ts`). A value
 * that is given at compile time is a constant of the program.
 */
export interface Parameter {
  readonly name: string;
  /** A flag is 0 or 1. */
  readonly kind: "integer" | "flag";
  /** The range fits one 64-bit type; if `from` is negative, the word is read as signed. */
  readonly from: bigint;
  readonly to: bigint;
  /** Undefined if the start must give a value. */
  readonly default: bigint | undefined;
  readonly at: Location | undefined;
}

// ── Expressions ─────────────────────────────────────────────────────────────────────────────────────────────────────

export type ValueType = "integer" | "boolean" | "verdict";

/** Modulo 2^64. Division by 0 gives 0 and leaves the dividend as remainder (as in eBPF); shifts use the low 6 bits. */
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
 * Expressions have no side effects, so they may be evaluated in any order or not at all. A change of state is a
 * statement; the front end splits `a() && b()` into an `if` if `b` changes state.
 */
export type IntegerExpression =
  /** A pattern, 0 … 2^64 − 1: −1 is 0xffff_ffff_ffff_ffff. */
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "input"; readonly input: Input }
  | { readonly kind: "local"; readonly local: number }
  | { readonly kind: "cell"; readonly cell: number }
  | { readonly kind: "parameter"; readonly parameter: number }
  /** An index into `Program.words`. 0 where the observation has no source for the call. */
  | { readonly kind: "observed"; readonly word: number }
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
  /** Gives `otherwise` if the key is absent. */
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
  /** True if the value lies in one of these sorted, disjoint, non-adjacent intervals (unsigned). */
  | { readonly kind: "within"; readonly value: IntegerExpression; readonly intervals: readonly Interval[] }
  | { readonly kind: "not"; readonly value: BooleanExpression }
  | { readonly kind: "all"; readonly of: readonly BooleanExpression[] }
  | { readonly kind: "any"; readonly of: readonly BooleanExpression[] }
  | { readonly kind: "table-has"; readonly table: number; readonly key: IntegerExpression };

export type VerdictExpression =
  /** An index into `Program.verdicts`. */
  | { readonly kind: "verdict"; readonly verdict: number }
  | { readonly kind: "verdict-local"; readonly local: number }
  /** The strictest operand; of equally strict ones, the first. */
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
  /** Updates a present key, else inserts. If the table is full, changes nothing and raises `Table.full`. */
  | {
      readonly kind: "table-set";
      readonly table: number;
      readonly key: IntegerExpression;
      readonly value: IntegerExpression;
    }
  | { readonly kind: "table-delete"; readonly table: number; readonly key: IntegerExpression }
  /**
   * Records that the call takes this side, if its final verdict lets it run. The same side again changes nothing.
   * Another side of the room, or a fifth room, records nothing and raises `Room.late`.
   */
  | { readonly kind: "enter"; readonly room: number; readonly side: number }
  /** One value for each of `Report.values`. */
  | { readonly kind: "report"; readonly report: number; readonly values: readonly IntegerExpression[] }
  | {
      readonly kind: "if";
      readonly condition: BooleanExpression;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  /**
   * Runs the first arm whose (disjoint, sorted) intervals hold the value, else `otherwise`. There is no fall-through.
   */
  | {
      readonly kind: "switch";
      readonly value: IntegerExpression;
      readonly arms: readonly { readonly intervals: readonly Interval[]; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  /** A `leave` with this label continues after the block. Labels are unique in a program. */
  | { readonly kind: "block"; readonly label: number; readonly body: readonly Statement[] }
  | { readonly kind: "leave"; readonly label: number }
  /**
   * Ends the evaluation. The result is the strictest of this verdict and those that full tables and rooms have raised; of equally
   * strict ones, this one.
   */
  | { readonly kind: "return"; readonly verdict: VerdictExpression }
) & { readonly at?: Location | undefined };
