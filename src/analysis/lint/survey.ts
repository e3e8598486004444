/**
 * A quick walk over a policy that finds for each call which verdicts it certainly gets, by some argument and some state,
 * and which it perhaps gets. Where that suffices to see that a lint has nothing to say, the split, which costs many times
 * more, is not asked for (lint.ts).
 *
 * The program is executed once with sets of ways: what may be known of words at a place, each with the call numbers that
 * can come there. A condition tells the ways apart; where control flow joins, so do they. A way is certain as long as
 * there is a word for each symbol that meets all that was asked of it: symbols are independent, so together these words
 * make an execution. It ends because control only goes forward, and soon because ways are bounded.
 */

import { compareOperations } from "../../ir/arithmetic.ts";
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
import { Questions } from "./questions.ts";
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
import { joined, knowing, numbersIn, partition, uncertain, type Way, withValue } from "./ways.ts";

/** How an evaluation of these calls may end. */
export interface End {
  readonly numbers: readonly number[];
  readonly verdict: number;
  readonly certain: boolean;
  /** State may have been changed on the way. */
  readonly changes: boolean;
  readonly raised: readonly number[];
  /** Something was asked of arguments. */
  readonly onArguments: boolean;
}

/** Ways that go through one statement, and steps in all. What needs more is left to the split. */
const mostWays = 2_000;
const mostSteps = 50_000;

class TooLong extends Error {}

/** All ends; undefined where there are too many ways. */
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
  readonly #left = new Map<number, Way[]>();
  readonly #ended = new Map<readonly number[], Map<number, End>>();
  readonly #questions = new Questions();
  readonly #fixed = new Map<IntegerExpression, Value | undefined>();
  #steps = 0;

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

  /** The ways behind the statements. */
  #block(statements: readonly Statement[], ways: readonly Way[]): readonly Way[] {
    let now = ways;
    for (let at = 0; at < statements.length; at++) {
      const statement = statements[at]!;
      if (now.length === 0) return now;
      if (now.length > mostWays) throw new TooLong();
      this.#steps += now.length;
      if (this.#steps > mostSteps) throw new TooLong();
      now = this.#statement(statement, now);
    }
    return now;
  }

  #statement(statement: Statement, ways: readonly Way[]): readonly Way[] {
    switch (statement.kind) {
      case "if": {
        const then: Way[] = [];
        const otherwise: Way[] = [];
        for (let at = 0; at < ways.length; at++) this.#decide(statement.condition, ways[at]!, then, otherwise);
        return joined(this.#block(statement.then, then), this.#block(statement.otherwise, otherwise));
      }
      case "switch":
        return this.#switch(statement, ways);
      case "return":
        for (let at = 0; at < ways.length; at++) this.#verdict(statement.verdict, ways[at]!, this.#end);
        return [];
      case "block": {
        const after = this.#block(statement.body, ways);
        const left = this.#left.get(statement.label);
        this.#left.delete(statement.label);
        return left === undefined ? after : joined(left, after);
      }
      case "leave": {
        const left = this.#left.get(statement.label);
        if (left === undefined) this.#left.set(statement.label, [...ways]);
        else left.push(...ways);
        return [];
      }
      case "report":
        return ways;
      case "set-integer": {
        const after: Way[] = [];
        for (const way of ways) {
          this.#integer(statement.value, way, (value, each) => after.push(withValue(each, statement.local, value)));
        }
        return after;
      }
      case "set-boolean": {
        const after: Way[] = [];
        for (const way of ways) {
          const then: Way[] = [];
          const otherwise: Way[] = [];
          this.#decide(statement.value, way, then, otherwise);
          for (const each of then) after.push(withValue(each, statement.local, true));
          for (const each of otherwise) after.push(withValue(each, statement.local, false));
        }
        return after;
      }
      case "set-verdict": {
        const after: Way[] = [];
        for (const way of ways) {
          this.#verdict(statement.value, way, (verdict, each) => after.push(withValue(each, statement.local, verdict)));
        }
        return after;
      }
      case "store": {
        const after: Way[] = [];
        const slot = this.#program.locals.length + statement.cell;
        for (const way of ways) {
          this.#integer(statement.value, way, (value, each) => {
            after.push({ ...withValue(each, slot, value), changes: true });
          });
        }
        return after;
      }
      case "table-set":
      case "table-delete": {
        const { table } = statement;
        const full = statement.kind === "table-set" ? [this.#program.tables[table]!.full] : [];
        return ways.map((way) => ({
          ...way,
          changes: true,
          raised: [...way.raised, ...full],
          tables: [...way.tables, table],
        }));
      }
    }
  }

  #switch(statement: Statement & { readonly kind: "switch" }, ways: readonly Way[]): readonly Way[] {
    const { value, arms, otherwise } = statement;
    const after: Way[][] = [];
    if (value.kind === "input" && value.input === "number") {
      const groups: Way[][] = arms.map(() => []);
      const rest: Way[] = [];
      for (const way of ways) {
        const parts = partition(
          way.numbers,
          arms.map(({ intervals }) => intervals),
        );
        parts.forEach((numbers, arm) => {
          if (numbers !== undefined) (groups[arm] ?? rest).push({ ...way, numbers });
        });
      }
      for (const [arm, { body }] of arms.entries()) after.push([...this.#block(body, groups[arm]!)]);
      return [...after.flat(), ...this.#block(otherwise, rest)];
    }
    let open = ways;
    for (const { intervals, body } of arms) {
      const then: Way[] = [];
      const next: Way[] = [];
      for (const way of open) {
        this.#integer(value, way, (found, each) => this.#ask(found, intervals, each, then, next));
      }
      after.push([...this.#block(body, then)]);
      open = next;
    }
    return [...after.flat(), ...this.#block(otherwise, open)];
  }

  readonly #end = (verdict: number, way: Way): void => {
    const { numbers, certain, changes, raised, onArguments } = way;
    let known = this.#ended.get(numbers);
    if (known === undefined) {
      known = new Map();
      this.#ended.set(numbers, known);
    }
    const end = known.get(verdict);
    // Most ends say nothing that an earlier one does not say.
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

  #decide(condition: BooleanExpression, way: Way, then: Way[], otherwise: Way[]): void {
    const question = this.#questions.of(condition);
    if (question !== undefined) {
      this.#integer(question.subject, way, (value, each) => this.#ask(value, question.set, each, then, otherwise));
      return;
    }
    switch (condition.kind) {
      case "boolean":
        (condition.value ? then : otherwise).push(way);
        return;
      case "boolean-local":
        (way.values.get(condition.local) === true ? then : otherwise).push(way);
        return;
      case "not":
        this.#decide(condition.value, way, otherwise, then);
        return;
      case "all": {
        let open = [way];
        for (const part of condition.of) {
          const next: Way[] = [];
          for (const each of open) this.#decide(part, each, next, otherwise);
          open = next;
        }
        then.push(...open);
        return;
      }
      case "any": {
        let open = [way];
        for (const part of condition.of) {
          const next: Way[] = [];
          for (const each of open) this.#decide(part, each, then, next);
          open = next;
        }
        otherwise.push(...open);
        return;
      }
      case "within":
        throw new Error("a question about one value");
      case "compare":
        this.#compare(condition, way, then, otherwise);
        return;
      case "table-has": {
        const asked = this.#asking(way, condition.table);
        then.push(asked);
        otherwise.push(asked);
        return;
      }
    }
  }

  #compare(condition: BooleanExpression & { readonly kind: "compare" }, way: Way, then: Way[], otherwise: Way[]): void {
    const { operator, left, right } = condition;
    this.#integer(left, way, (a, afterLeft) =>
      this.#integer(right, afterLeft, (b, each) => {
        if (b.symbol === undefined) this.#ask(a, satisfying(operator, b.add), each, then, otherwise);
        else if (a.symbol === undefined) this.#ask(b, satisfyingFromLeft(operator, a.add), each, then, otherwise);
        // Two of which nothing is known are not for that the same.
        else if (a.symbol.free && sameValue(a, b)) (compareOperations[operator](0n, 0n) ? then : otherwise).push(each);
        else {
          then.push(uncertain(each));
          otherwise.push(uncertain(each));
        }
      }),
    );
  }

  /** Is the value in these intervals? */
  #ask(value: Value, intervals: readonly Interval[], way: Way, then: Way[], otherwise: Way[]): void {
    const { symbol } = value;
    if (symbol === undefined) {
      (holds(intervals, value.add) ? then : otherwise).push(way);
      return;
    }
    if (symbol.id === numberId) {
      const parts = numbersIn(value, intervals, way.numbers);
      if (parts[0].length > 0) then.push(parts[1].length === 0 ? way : { ...way, numbers: parts[0] });
      if (parts[1].length > 0) otherwise.push(parts[0].length === 0 ? way : { ...way, numbers: parts[1] });
      return;
    }
    if (!symbol.free) {
      then.push(uncertain(way));
      otherwise.push(uncertain(way));
      return;
    }
    const images = this.#questions.imagesOf(value, intervals);
    const inside = learn(way.facts, symbol, value.mask, images.inside);
    if (inside !== "impossible") then.push(knowing(way, inside));
    const outside = learn(way.facts, symbol, value.mask, images.outside);
    if (outside !== "impossible") otherwise.push(knowing(way, outside));
  }

  /** The value on each way that evaluating it makes. */
  #integer(expression: IntegerExpression, way: Way, use: (value: Value, way: Way) => void): void {
    switch (expression.kind) {
      case "constant":
        use(constantValue(expression.value), way);
        return;
      case "input":
        use(symbolValue(this.#input(expression.input)), way);
        return;
      case "local":
        use((way.values.get(expression.local) as Value | undefined) ?? constantValue(0n), way);
        return;
      case "cell": {
        const known = way.values.get(this.#program.locals.length + expression.cell) as Value | undefined;
        use(known ?? symbolValue(this.#cell(expression.cell)), way);
        return;
      }
      case "observed":
        use(symbolValue(this.#observed(expression.word)), way);
        return;
      case "parameter":
        use(unclear, uncertain(way));
        return;
      case "extend": {
        const fixed = this.#fixedValue(expression);
        if (fixed !== undefined) {
          use(fixed, way);
          return;
        }
        this.#integer(expression.value, way, (value, each) => {
          const result = extended(value, expression.width, expression.signed);
          if (result === undefined) use(unclear, uncertain(each));
          else use(result, each);
        });
        return;
      }
      case "binary": {
        const fixed = this.#fixedValue(expression);
        if (fixed !== undefined) {
          use(fixed, way);
          return;
        }
        this.#integer(expression.left, way, (left, afterLeft) =>
          this.#integer(expression.right, afterLeft, (right, each) => {
            const result = binary(expression, left, right);
            if (result === undefined) use(unclear, uncertain(each));
            else use(result, each);
          }),
        );
        return;
      }
      case "select": {
        const then: Way[] = [];
        const otherwise: Way[] = [];
        this.#decide(expression.condition, way, then, otherwise);
        for (const each of then) this.#integer(expression.then, each, use);
        for (const each of otherwise) this.#integer(expression.otherwise, each, use);
        return;
      }
      case "from-boolean": {
        const then: Way[] = [];
        const otherwise: Way[] = [];
        this.#decide(expression.value, way, then, otherwise);
        for (const each of then) use(constantValue(1n), each);
        for (const each of otherwise) use(constantValue(0n), each);
        return;
      }
      case "table-get": {
        const { table } = expression;
        const asked = this.#asking(way, table);
        if (asked.certain) use(symbolValue(this.#symbol(`table ${table}`, maximum, true, false)), asked);
        else use(unclear, asked);
        return;
      }
    }
  }

  /** The value of what is made of inputs only, where it has one. */
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

  #verdict(expression: VerdictExpression, way: Way, use: (verdict: number, way: Way) => void): void {
    switch (expression.kind) {
      case "verdict":
        use(expression.verdict, way);
        return;
      case "verdict-local":
        use((way.values.get(expression.local) as number | undefined) ?? 0, way);
        return;
      case "verdict-select": {
        const then: Way[] = [];
        const otherwise: Way[] = [];
        this.#decide(expression.condition, way, then, otherwise);
        for (const each of then) this.#verdict(expression.then, each, use);
        for (const each of otherwise) this.#verdict(expression.otherwise, each, use);
        return;
      }
      case "strictest":
        this.#strictest(expression.of, 0, -1, way, use);
        return;
    }
  }

  #strictest(
    parts: readonly VerdictExpression[],
    at: number,
    strictest: number,
    way: Way,
    use: (verdict: number, way: Way) => void,
  ): void {
    if (at === parts.length) {
      use(Math.max(0, strictest), way);
      return;
    }
    const { verdicts } = this.#program;
    const rank = (verdict: number) => (verdict < 0 ? -1 : strictness[verdicts[verdict]!.action]);
    this.#verdict(parts[at]!, way, (verdict, each) =>
      this.#strictest(parts, at + 1, rank(verdict) > rank(strictest) ? verdict : strictest, each, use),
    );
  }

  /** The way after a question to a table: the first may be answered by anything. */
  #asking(way: Way, table: number): Way {
    return way.tables.includes(table) ? uncertain(way) : { ...way, tables: [...way.tables, table] };
  }

  #input(input: (IntegerExpression & { readonly kind: "input" })["input"]): Source {
    const known = this.#symbols.get(input);
    if (known !== undefined) return known;
    const small = input === "pid" || input === "tid" || input === "uid" || input === "gid";
    const most = input === "now" ? maximum >> 1n : small ? 0xffff_ffffn : maximum;
    return this.#symbol(input, most, true, input.startsWith("argument") || input === "instructionPointer");
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

const maximum = 0xffff_ffff_ffff_ffffn;
const numberId = 0;

/** A value of which nothing is known. */
const unclear = symbolValue({ id: -1, bits: maximum, most: maximum, free: false, isArgument: true });

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
