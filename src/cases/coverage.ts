/**
 * Coverage: which rules, statements, branches and phases of policies an evaluation reaches. Several programs, for example
 * one policy with other parameters, are counted together by the places in their files.
 */
import type { SimulatedDecision } from "../engines/simulate/model.ts";
import type { Probes } from "../ir/interpreter.ts";
import type { Location } from "../ir/location.ts";
import type { Program, Statement } from "../ir/program.ts";
import { bodiesOf, forEachStatement } from "../ir/traverse.ts";
import { verdictText } from "../ir/verdicts.ts";

/** A place in a file; lines and columns count as in `Location`, and the length includes further lines. */
export interface CountedPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
  /** How often it was executed. */
  count: number;
}

/** A verdict that the policy gives at one place. */
export interface CountedRule extends CountedPlace {
  /** "deny EPERM" */
  readonly verdict: string;
  readonly reason: string | undefined;
}

/** A statement; `hasEffect` if it changes state or reports. */
export interface CountedStatement extends CountedPlace {
  hasEffect: boolean;
}

/** One arm of an `if` or `switch`, at the place of the condition. */
export interface CountedArm extends CountedPlace {
  readonly of: "if" | "switch";
  /** For an `if`, 0 is the true arm; for a `switch`, the last arm is `default`. */
  readonly arm: number;
  readonly isLast: boolean;
  /** Nothing inside it has a place, so its count says what no other count says. */
  isBare: boolean;
}

export interface CountedPhase {
  /** The names of the declaration, and of the phase. */
  readonly phases: string;
  readonly phase: string;
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
  /** A process or thread was in it. */
  isEntered: boolean;
  /** Calls that were judged in it, by verdict. */
  readonly calls: Map<string, number>;
}

/** The counts of one file. */
export interface FileCoverage {
  readonly file: string;
  readonly rules: readonly CountedRule[];
  readonly statements: readonly CountedStatement[];
  readonly arms: readonly CountedArm[];
  /** Lines with a rule or a statement, sorted: the count of the one that was executed most. */
  readonly lines: readonly { readonly line: number; readonly count: number }[];
}

export class Coverage {
  readonly #rules = new Map<string, CountedRule>();
  readonly #statements = new Map<string, CountedStatement>();
  readonly #arms = new Map<string, CountedArm>();
  readonly #phases = new Map<string, CountedPhase>();
  readonly #calls = new Map<string, number>();

  /** Adds a program's places, uncounted, and returns what counts them. */
  add(program: Program): Probes {
    const placed = (at: Location | undefined) =>
      at === undefined ? undefined : { file: program.files[at.file]!, ...linesOf(at), count: 0 };
    const rules = program.verdicts.map((verdict) => {
      const place = placed(verdict.at);
      if (place === undefined) return undefined;
      const text = verdictText(verdict);
      return once(this.#rules, `${key(place)}:${text}`, () => ({ ...place, verdict: text, reason: verdict.reason }));
    });
    const statements = new Map<Statement, CountedStatement>();
    const arms = new Map<Statement, readonly CountedArm[]>();
    forEachPlaced(program.body, undefined, (statement, isFirst) => {
      const place = placed(statement.at)!;
      const counted = once(this.#statements, key(place), () => ({ ...place, hasEffect: false }));
      counted.hasEffect ||= effects[statement.kind];
      if (isFirst) statements.set(statement, counted);
      if (isCondition(statement) && !isGenerated(statement)) arms.set(statement, this.#armsOf(statement, place));
    });
    for (const { kind, name, at } of program.cells) {
      if (kind.is !== "phases") continue;
      const place = placed(at);
      for (const phase of kind.names) {
        once(this.#phases, phaseKey(name, phase), () => ({
          ...{ phases: name, phase, file: place?.file, line: place?.line ?? 0, column: place?.column ?? 0 },
          ...{ isEntered: false, calls: new Map() },
        }));
      }
    }
    return {
      statement: (statement) => counting(statements.get(statement)),
      arm: (statement, arm) => counting(arms.get(statement)?.[arm]),
      verdict: (index) => counting(rules[index]),
    };
  }

  #armsOf(statement: Condition, place: CountedPlace): readonly CountedArm[] {
    const { kind } = statement;
    return bodiesOf(statement).map((body, arm, { length }) => {
      const fresh = () => ({ ...place, of: kind, arm, isLast: arm === length - 1, isBare: true });
      const one = once(this.#arms, `${key(place)}:${arm}`, fresh);
      one.isBare &&= !hasPlace(body);
      return one;
    });
  }

  /** Counts a call by its verdict and the phases of its caller. */
  decided({ verdict, phases }: Pick<SimulatedDecision, "verdict" | "phases">): void {
    increase(this.#calls, verdict);
    for (const [name, phase] of Object.entries(phases.before)) {
      const counted = this.#phases.get(phaseKey(name, phase));
      if (counted !== undefined) increase(counted.calls, verdict);
    }
  }

  /** Counts the phases that a tree of this program was in. */
  entered(program: Program, neverEntered: readonly { readonly phases: string; readonly phase: string }[]): void {
    const never = new Set(neverEntered.map(({ phases, phase }) => phaseKey(phases, phase)));
    for (const { kind, name } of program.cells) {
      if (kind.is !== "phases") continue;
      for (const phase of kind.names) {
        const counted = this.#phases.get(phaseKey(name, phase));
        if (counted !== undefined && !never.has(phaseKey(name, phase))) counted.isEntered = true;
      }
    }
  }

  get phases(): readonly CountedPhase[] {
    return [...this.#phases.values()];
  }

  /** Calls by verdict. */
  get calls(): ReadonlyMap<string, number> {
    return this.#calls;
  }

  /** Sorted by name; places in the order of the text. */
  get files(): readonly FileCoverage[] {
    const all = [...this.#rules.values(), ...this.#statements.values()];
    const names = [...new Set(all.map(({ file }) => file))].sort();
    return names.map((file) => {
      const of = <P extends CountedPlace>(places: Iterable<P>): P[] =>
        [...places]
          .filter((one) => one.file === file)
          .sort((one, other) => one.line - other.line || one.column - other.column);
      const lines = new Map<number, number>();
      for (const { line, count } of of(all)) lines.set(line, Math.max(count, lines.get(line) ?? 0));
      return {
        file,
        rules: of(this.#rules.values()),
        statements: of(this.#statements.values()),
        arms: of(this.#arms.values()),
        lines: [...lines].sort(([one], [other]) => one - other).map(([line, count]) => ({ line, count })),
      };
    });
  }
}

type Condition = Extract<Statement, { kind: "if" | "switch" }>;

function isCondition(statement: Statement): statement is Condition {
  return statement.kind === "if" || statement.kind === "switch";
}

/**
 * Visits the statements with a place. A call of the library becomes several statements with one place: `isFirst` is true
 * for one of them.
 */
function forEachPlaced(
  list: readonly Statement[],
  around: Location | undefined,
  visit: (statement: Statement, isFirst: boolean) => void,
): void {
  let last = around;
  for (const statement of list) {
    if (statement.at !== undefined) visit(statement, !equal(statement.at, last));
    last = statement.at ?? last;
    for (const body of bodiesOf(statement)) forEachPlaced(body, last, visit);
  }
}

function linesOf(at: Location): Pick<CountedPlace, "line" | "column" | "length"> {
  return { line: at.line, column: at.column, length: at.length + (at.further ?? 0) };
}

function key({ file, line, column }: Pick<CountedPlace, "file" | "line" | "column">): string {
  return `${file}:${line}:${column}`;
}

function phaseKey(phases: string, phase: string): string {
  return `${phases}\0${phase}`;
}

function once<Value>(map: Map<string, Value>, name: string, make: () => Value): Value {
  let value = map.get(name);
  if (value === undefined) {
    value = make();
    map.set(name, value);
  }
  return value;
}

function increase(map: Map<string, number>, name: string): void {
  map.set(name, (map.get(name) ?? 0) + 1);
}

function counting(place: CountedPlace | undefined): (() => void) | undefined {
  if (place === undefined) return undefined;
  return () => {
    place.count++;
  };
}

/** Changes state, enters a room or reports. */
const effects: { readonly [K in Statement["kind"]]: boolean } = {
  "set-integer": false,
  "set-boolean": false,
  "set-verdict": false,
  store: true,
  "table-set": true,
  "table-delete": true,
  enter: true,
  report: true,
  if: false,
  switch: false,
  block: false,
  leave: false,
  return: false,
};

/**
 * A call of the library, `phase.enter("serving")`, becomes conditions of its own at the place of the call; and `a || b`,
 * where b changes state, becomes a condition on a at the place of b.
 */
function isGenerated(statement: Statement): boolean {
  const { at } = statement;
  return bodiesOf(statement).some((body) =>
    body.some((inner) => (inner.at === undefined ? inner.kind === "set-boolean" : equal(inner.at, at))),
  );
}

function equal(one: Location | undefined, other: Location | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.file === other.file && one.line === other.line && one.column === other.column;
}

/** A verdict has a place of its own; its statement has none. */
function hasPlace(body: readonly Statement[]): boolean {
  let found = false;
  forEachStatement(body, ({ at, kind }) => {
    found ||= at !== undefined || kind === "set-verdict" || kind === "return";
  });
  return found;
}
