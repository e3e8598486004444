/**
 * The survey: one quick walk over a policy that finds for each call the verdicts that it certainly gets, for some arguments
 * and state, and those that it possibly gets. Where this rules a lint out, `check` does not need the split, which costs many
 * times more (lint.ts).
 *
 * Splitting only the calls that a lint names does not replace the survey. P0504 (unreachable.ts) reports a verdict that no
 * judged call gives, so it needs a result for all calls; without the survey every `check` would make the full split.
 *
 * The program is executed once with sets of paths, each with the facts about its values and the call numbers that can take
 * it. A condition splits paths; control-flow joins collect them. A path is certain while there is a witness for each symbol:
 * symbols are independent, so the witnesses together are an execution. The walk terminates because control only goes
 * forward, and soon because the number of paths is bounded.
 */

import { compareOperations } from "../../ir/arithmetic.ts";
import { inputFacts, isCallWord } from "../../ir/inputs.ts";
import { holds } from "../../ir/intervals.ts";
import { cellMaximum } from "../../ir/limits.ts";
import { wordMaximum } from "../../ir/observation.ts";
import type {
  BooleanExpression,
  IntegerExpression,
  Interval,
  Program,
  Statement,
  VerdictExpression,
} from "../../ir/program.ts";
import { satisfying, satisfyingFromLeft } from "../../ir/simplify/booleans.ts";
import { strictness } from "../../ir/verdicts.ts";
import { maximumWord } from "../../linux/word.ts";
import { Questions } from "./questions.ts";
import { joined, knowing, numbersIn, partition, type SurveyPath, uncertain, withValue } from "./survey-paths.ts";
import {
  constantValue,
  difference,
  extended,
  learn,
  masked,
  type Source,
  sameValue,
  sum,
  symbolValue,
  type Value,
} from "./values.ts";

/** How an evaluation of these calls can end. */
export interface End {
  readonly numbers: readonly number[];
  readonly verdict: number;
  readonly certain: boolean;
  /** State may have changed on the path. */
  readonly changes: boolean;
  readonly raised: readonly number[];
  /** The path depends on arguments. */
  readonly onArguments: boolean;
}

/** Limits of paths through one statement, of steps, and of questions. Beyond them, the split is needed. */
const mostPaths = 2_000;
const mostSteps = 50_000;
const mostQuestions = 200_000;

class TooLong extends Error {}

/** All ends; undefined if there are too many paths. */
export function surveyPolicy(program: Program, numbers: readonly number[]): readonly End[] | undefined {
  const survey = new Survey(program);
  try {
    survey.run(numbers);
  } catch (error) {
    if (error instanceof TooLong) return undefined;
    throw error;
  }
  return survey.ends;
}

class Survey {
  readonly ends: End[] = [];
  readonly #program: Program;
  readonly #symbols = new Map<string | number, Source>();
  readonly #left = new Map<number, SurveyPath[]>();
  readonly #ended = new Map<readonly number[], Map<number, End>>();
  readonly #questions = new Questions();
  readonly #fixed = new Map<IntegerExpression, Value | undefined>();
  #steps = 0;
  #asked = 0;

  constructor(program: Program) {
    this.#program = program;
  }

  run(numbers: readonly number[]): void {
    this.#block(this.#program.body, [
      {
        numbers,
        facts: undefined,
        values: new Map(),
        certain: true,
        changes: false,
        onArguments: false,
        raised: [],
        tables: [],
      },
    ]);
  }

  /** The paths after the statements. */
  #block(statements: readonly Statement[], paths: readonly SurveyPath[]): readonly SurveyPath[] {
    let now = paths;
    for (let at = 0; at < statements.length; at++) {
      const statement = statements[at]!;
      if (now.length === 0) return now;
      if (now.length > mostPaths) throw new TooLong();
      this.#steps += now.length;
      if (this.#steps > mostSteps) throw new TooLong();
      now = this.#statement(statement, now);
    }
    return now;
  }

  #statement(statement: Statement, paths: readonly SurveyPath[]): readonly SurveyPath[] {
    switch (statement.kind) {
      case "if": {
        const then: SurveyPath[] = [];
        const otherwise: SurveyPath[] = [];
        for (let at = 0; at < paths.length; at++) this.#decide(statement.condition, paths[at]!, then, otherwise);
        return joined(this.#block(statement.then, then), this.#block(statement.otherwise, otherwise));
      }
      case "switch":
        return this.#switch(statement, paths);
      case "return":
        for (let at = 0; at < paths.length; at++) this.#verdict(statement.verdict, paths[at]!, this.#end);
        return [];
      case "block": {
        const after = this.#block(statement.body, paths);
        const left = this.#left.get(statement.label);
        this.#left.delete(statement.label);
        return left === undefined ? after : joined(left, after);
      }
      case "leave": {
        const left = this.#left.get(statement.label);
        if (left === undefined) this.#left.set(statement.label, [...paths]);
        else left.push(...paths);
        return [];
      }
      case "report":
        return paths;
      case "enter": {
        const { late } = this.#program.rooms[statement.room]!;
        return paths.map((path) => ({ ...path, raised: [...path.raised, late] }));
      }
      case "set-integer": {
        const after: SurveyPath[] = [];
        for (const path of paths) {
          this.#integer(statement.value, path, (value, each) => after.push(withValue(each, statement.local, value)));
        }
        return after;
      }
      case "set-boolean": {
        const after: SurveyPath[] = [];
        for (const path of paths) {
          const then: SurveyPath[] = [];
          const otherwise: SurveyPath[] = [];
          this.#decide(statement.value, path, then, otherwise);
          for (const each of then) after.push(withValue(each, statement.local, true));
          for (const each of otherwise) after.push(withValue(each, statement.local, false));
        }
        return after;
      }
      case "set-verdict": {
        const after: SurveyPath[] = [];
        for (const path of paths) {
          this.#verdict(statement.value, path, (verdict, each) =>
            after.push(withValue(each, statement.local, verdict)),
          );
        }
        return after;
      }
      case "store": {
        const after: SurveyPath[] = [];
        const slot = this.#program.locals.length + statement.cell;
        for (const path of paths) {
          this.#integer(statement.value, path, (value, each) => {
            after.push({ ...withValue(each, slot, value), changes: true });
          });
        }
        return after;
      }
      case "table-set":
      case "table-delete": {
        const { table } = statement;
        const full = statement.kind === "table-set" ? [this.#program.tables[table]!.full] : [];
        return paths.map((path) => ({
          ...path,
          changes: true,
          raised: [...path.raised, ...full],
          tables: [...path.tables, table],
        }));
      }
    }
  }

  #switch(statement: Statement & { readonly kind: "switch" }, paths: readonly SurveyPath[]): readonly SurveyPath[] {
    const { value, arms, otherwise } = statement;
    const after: SurveyPath[][] = [];
    if (value.kind === "input" && value.input === "number") {
      const groups: SurveyPath[][] = arms.map(() => []);
      const rest: SurveyPath[] = [];
      for (const path of paths) {
        const parts = partition(
          path.numbers,
          arms.map(({ intervals }) => intervals),
        );
        parts.forEach((numbers, arm) => {
          if (numbers !== undefined) (groups[arm] ?? rest).push({ ...path, numbers });
        });
      }
      for (const [arm, { body }] of arms.entries()) after.push([...this.#block(body, groups[arm]!)]);
      return [...after.flat(), ...this.#block(otherwise, rest)];
    }
    let open = paths;
    for (const { intervals, body } of arms) {
      const then: SurveyPath[] = [];
      const next: SurveyPath[] = [];
      for (const path of open) {
        this.#integer(value, path, (found, each) => this.#ask(found, intervals, each, then, next));
      }
      after.push([...this.#block(body, then)]);
      open = next;
    }
    return [...after.flat(), ...this.#block(otherwise, open)];
  }

  readonly #end = (verdict: number, path: SurveyPath): void => {
    const { numbers, certain, changes, raised, onArguments } = path;
    let known = this.#ended.get(numbers);
    if (known === undefined) {
      known = new Map();
      this.#ended.set(numbers, known);
    }
    const end = known.get(verdict);
    // Most ends add nothing to an earlier one.
    if (
      end !== undefined &&
      (end.certain || !certain) &&
      (end.changes || !changes) &&
      (end.onArguments || !onArguments) &&
      raised.every((each) => end.raised.includes(each))
    ) {
      return;
    }
    const next = { numbers, verdict, certain, changes, raised, onArguments };
    known.set(verdict, next);
    this.ends.push(next);
  };

  #decide(condition: BooleanExpression, path: SurveyPath, then: SurveyPath[], otherwise: SurveyPath[]): void {
    const question = this.#questions.of(condition);
    if (question !== undefined) {
      this.#integer(question.subject, path, (value, each) => this.#ask(value, question.set, each, then, otherwise));
      return;
    }
    switch (condition.kind) {
      case "boolean":
        (condition.value ? then : otherwise).push(path);
        return;
      case "boolean-local":
        (path.values.get(condition.local) === true ? then : otherwise).push(path);
        return;
      case "not":
        this.#decide(condition.value, path, otherwise, then);
        return;
      case "all": {
        let open = [path];
        for (let part = 0; part < condition.of.length; part++) {
          const next: SurveyPath[] = [];
          for (let at = 0; at < open.length; at++) this.#decide(condition.of[part]!, open[at]!, next, otherwise);
          if (next.length > mostPaths) throw new TooLong();
          open = next;
        }
        then.push(...open);
        return;
      }
      case "any": {
        let open = [path];
        for (let part = 0; part < condition.of.length; part++) {
          const next: SurveyPath[] = [];
          for (let at = 0; at < open.length; at++) this.#decide(condition.of[part]!, open[at]!, then, next);
          if (next.length > mostPaths) throw new TooLong();
          open = next;
        }
        otherwise.push(...open);
        return;
      }
      case "within":
        throw new Error("a question about one value");
      case "compare":
        this.#compare(condition, path, then, otherwise);
        return;
      case "table-has": {
        const asked = this.#asking(path, condition.table);
        then.push(asked);
        otherwise.push(asked);
        return;
      }
    }
  }

  #compare(
    condition: BooleanExpression & { readonly kind: "compare" },
    path: SurveyPath,
    then: SurveyPath[],
    otherwise: SurveyPath[],
  ): void {
    const { operator, left, right } = condition;
    this.#integer(left, path, (a, afterLeft) =>
      this.#integer(right, afterLeft, (b, each) => {
        if (b.symbol === undefined) this.#ask(a, satisfying(operator, b.add), each, then, otherwise);
        else if (a.symbol === undefined) this.#ask(b, satisfyingFromLeft(operator, a.add), each, then, otherwise);
        // Two unknown values are not necessarily equal.
        else if (a.symbol.free && sameValue(a, b)) (compareOperations[operator](0n, 0n) ? then : otherwise).push(each);
        else {
          then.push(uncertain(each));
          otherwise.push(uncertain(each));
        }
      }),
    );
  }

  /** Splits the path by whether the value lies in the intervals. */
  #ask(
    value: Value,
    intervals: readonly Interval[],
    path: SurveyPath,
    then: SurveyPath[],
    otherwise: SurveyPath[],
  ): void {
    // One expression, such as `(a ? 1n : 2n) + (b ? 3n : 4n) + …`, can have exponentially many paths.
    if (++this.#asked > mostQuestions) throw new TooLong();
    const { symbol } = value;
    if (symbol === undefined) {
      (holds(intervals, value.add) ? then : otherwise).push(path);
      return;
    }
    if (symbol.id === numberId) {
      const parts = numbersIn(value, intervals, path.numbers);
      if (parts[0].length > 0) then.push(parts[1].length === 0 ? path : { ...path, numbers: parts[0] });
      if (parts[1].length > 0) otherwise.push(parts[0].length === 0 ? path : { ...path, numbers: parts[1] });
      return;
    }
    if (!symbol.free) {
      then.push(uncertain(path));
      otherwise.push(uncertain(path));
      return;
    }
    const images = this.#questions.imagesOf(value, intervals);
    const inside = learn(path.facts, symbol, value.mask, images.inside);
    if (inside !== "impossible") then.push(knowing(path, inside));
    const outside = learn(path.facts, symbol, value.mask, images.outside);
    if (outside !== "impossible") otherwise.push(knowing(path, outside));
  }

  /** Evaluates to a value on each path that evaluation splits into. */
  #integer(expression: IntegerExpression, path: SurveyPath, use: (value: Value, path: SurveyPath) => void): void {
    switch (expression.kind) {
      case "constant":
        use(constantValue(expression.value), path);
        return;
      case "input":
        use(symbolValue(this.#input(expression.input)), path);
        return;
      case "local":
        use((path.values.get(expression.local) as Value | undefined) ?? constantValue(0n), path);
        return;
      case "cell": {
        const known = path.values.get(this.#program.locals.length + expression.cell) as Value | undefined;
        use(known ?? symbolValue(this.#cell(expression.cell)), path);
        return;
      }
      case "observed":
        use(symbolValue(this.#observed(expression.word)), path);
        return;
      case "parameter":
        use(unclear, uncertain(path));
        return;
      case "extend": {
        const fixed = this.#fixedValue(expression);
        if (fixed !== undefined) {
          use(fixed, path);
          return;
        }
        this.#integer(expression.value, path, (value, each) => {
          const result = extended(value, expression.width, expression.signed);
          if (result === undefined) use(unclear, uncertain(each));
          else use(result, each);
        });
        return;
      }
      case "binary": {
        const fixed = this.#fixedValue(expression);
        if (fixed !== undefined) {
          use(fixed, path);
          return;
        }
        this.#integer(expression.left, path, (left, afterLeft) =>
          this.#integer(expression.right, afterLeft, (right, each) => {
            const result = binary(expression, left, right);
            if (result === undefined) use(unclear, uncertain(each));
            else use(result, each);
          }),
        );
        return;
      }
      case "select": {
        const then: SurveyPath[] = [];
        const otherwise: SurveyPath[] = [];
        this.#decide(expression.condition, path, then, otherwise);
        for (const each of then) this.#integer(expression.then, each, use);
        for (const each of otherwise) this.#integer(expression.otherwise, each, use);
        return;
      }
      case "from-boolean": {
        const then: SurveyPath[] = [];
        const otherwise: SurveyPath[] = [];
        this.#decide(expression.value, path, then, otherwise);
        for (const each of then) use(constantValue(1n), each);
        for (const each of otherwise) use(constantValue(0n), each);
        return;
      }
      case "table-get": {
        const { table } = expression;
        const asked = this.#asking(path, table);
        if (asked.certain) use(symbolValue(this.#symbol(`table ${table}`, maximumWord, true, false)), asked);
        else use(unclear, asked);
        return;
      }
    }
  }

  /** The value of an expression of inputs only, if it has one. */
  #fixedValue(expression: IntegerExpression): Value | undefined {
    switch (expression.kind) {
      case "constant":
        return constantValue(expression.value);
      case "input":
        return symbolValue(this.#input(expression.input));
      case "observed":
        return symbolValue(this.#observed(expression.word));
      case "extend":
      case "binary": {
        if (this.#fixed.has(expression)) return this.#fixed.get(expression);
        let value: Value | undefined;
        if (expression.kind === "extend") {
          const inner = this.#fixedValue(expression.value);
          value = inner === undefined ? undefined : extended(inner, expression.width, expression.signed);
        } else {
          const left = this.#fixedValue(expression.left);
          const right = left === undefined ? undefined : this.#fixedValue(expression.right);
          value = left === undefined || right === undefined ? undefined : binary(expression, left, right);
        }
        this.#fixed.set(expression, value);
        return value;
      }
      default:
        return undefined;
    }
  }

  #verdict(expression: VerdictExpression, path: SurveyPath, use: (verdict: number, path: SurveyPath) => void): void {
    switch (expression.kind) {
      case "verdict":
        use(expression.verdict, path);
        return;
      case "verdict-local":
        use((path.values.get(expression.local) as number | undefined) ?? 0, path);
        return;
      case "verdict-select": {
        const then: SurveyPath[] = [];
        const otherwise: SurveyPath[] = [];
        this.#decide(expression.condition, path, then, otherwise);
        for (const each of then) this.#verdict(expression.then, each, use);
        for (const each of otherwise) this.#verdict(expression.otherwise, each, use);
        return;
      }
      case "strictest":
        this.#strictest(expression.of, path, use);
        return;
    }
  }

  /** Part by part on all paths, without recursion: a policy may extend thousands of others. */
  #strictest(
    parts: readonly VerdictExpression[],
    path: SurveyPath,
    use: (verdict: number, path: SurveyPath) => void,
  ): void {
    const { verdicts } = this.#program;
    const rank = (verdict: number) => (verdict < 0 ? -1 : strictness[verdicts[verdict]!.action]);
    let open: readonly (readonly [strictest: number, path: SurveyPath])[] = [[-1, path]];
    for (const part of parts) {
      const next: (readonly [number, SurveyPath])[] = [];
      for (const [strictest, each] of open) {
        this.#verdict(part, each, (verdict, after) =>
          next.push([rank(verdict) > rank(strictest) ? verdict : strictest, after]),
        );
      }
      // Conditions of n parts make up to 2^n paths.
      if (next.length > mostPaths) throw new TooLong();
      open = next;
    }
    for (const [strictest, each] of open) use(Math.max(0, strictest), each);
  }

  /** The path after a test of a table: only the first test of a table is independent of others. */
  #asking(path: SurveyPath, table: number): SurveyPath {
    return path.tables.includes(table) ? uncertain(path) : { ...path, tables: [...path.tables, table] };
  }

  #input(input: (IntegerExpression & { readonly kind: "input" })["input"]): Source {
    const known = this.#symbols.get(input);
    if (known !== undefined) return known;
    return this.#symbol(input, inputFacts[input].maximum, true, isCallWord(input));
  }

  #observed(word: number): Source {
    const key = `observed ${word}`;
    return this.#symbols.get(key) ?? this.#symbol(key, wordMaximum(this.#program.words[word]!), true, false);
  }

  #cell(cell: number): Source {
    return this.#symbols.get(cell) ?? this.#symbol(cell, cellMaximum(this.#program.cells[cell]!), true, false);
  }

  #symbol(key: string | number, most: bigint, free: boolean, isArgument: boolean): Source {
    let symbol = this.#symbols.get(key);
    if (symbol === undefined) {
      let bits = most;
      for (let shift = 1n; shift < 64n; shift *= 2n) bits |= bits >> shift;
      const id = key === "number" ? numberId : this.#symbols.size + 1;
      symbol = { id, bits, most, free, isArgument };
      this.#symbols.set(key, symbol);
    }
    return symbol;
  }
}

const numberId = 0;

/** An unknown value. */
const unclear = symbolValue({ id: -1, bits: maximumWord, most: maximumWord, free: false, isArgument: true });

function binary(
  { operator }: IntegerExpression & { readonly kind: "binary" },
  left: Value,
  right: Value,
): Value | undefined {
  const [a, b] = [left.symbol, right.symbol];
  switch (operator) {
    case "add":
      return b === undefined ? sum(left, right.add) : a === undefined ? sum(right, left.add) : undefined;
    case "subtract":
      return b === undefined ? sum(left, -right.add) : a === undefined ? difference(left.add, right) : undefined;
    case "and":
      return b === undefined ? masked(left, right.add) : a === undefined ? masked(right, left.add) : undefined;
    default:
      return undefined;
  }
}
