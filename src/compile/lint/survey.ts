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
import { equalExpressions } from "../../ir/equality.ts";
import { complement, holds, intersection, union } from "../../ir/intervals.ts";
import { cellMaximum } from "../../ir/limits.ts";
import {
  type BooleanExpression,
  type CompareOperator,
  type IntegerExpression,
  type Interval,
  type Program,
  type Statement,
  strictness,
  type VerdictExpression,
} from "../../ir/program.ts";
import { satisfying, satisfyingFromLeft } from "../../ir/simplify/booleans.ts";
import {
  constantValue,
  difference,
  extended,
  type Facts,
  inverse,
  learn,
  masked,
  type Source,
  sameValue,
  sum,
  symbolValue,
  type Value,
} from "./values.ts";

/** What is known on one path, of the calls that take it. Never changed once it is shared. */
interface Way {
  readonly numbers: readonly number[];
  readonly facts: Facts | undefined;
  /** By local, then by cell. */
  readonly values: ReadonlyMap<number, Value | boolean | number>;
  readonly certain: boolean;
  readonly changes: boolean;
  readonly onArguments: boolean;
  /** Verdicts of tables that may have been full. */
  readonly raised: readonly number[];
  /** Tables that were asked or changed: what else is asked of them is not independent. */
  readonly tables: readonly number[];
}

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

/** A condition that asks whether one value lies in a set. */
interface Question {
  readonly subject: IntegerExpression;
  readonly set: readonly Interval[];
}

/** What a question about this value asks of its symbol, and what its opposite does. */
interface Images {
  readonly value: Value;
  readonly inside: readonly Interval[];
  readonly outside: readonly Interval[];
}

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
  readonly #sets = new Map<string, readonly Interval[]>();
  readonly #questions = new Map<BooleanExpression, Question | undefined>();
  readonly #images = new Map<readonly Interval[], Images>();
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
    const question = this.#question(condition);
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
      case "table-has":
      case "observe": {
        const table = condition.kind === "table-has" ? condition.table : -1;
        const asked = this.#asking(way, table);
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
        else if (sameValue(a, b)) (compareOperations[operator](0n, 0n) ? then : otherwise).push(each);
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
    const images = this.#imagesOf(value, intervals);
    const inside = learn(way.facts, symbol, value.mask, images.inside);
    if (inside !== "impossible") then.push(knowing(way, inside));
    const outside = learn(way.facts, symbol, value.mask, images.outside);
    if (outside !== "impossible") otherwise.push(knowing(way, outside));
  }

  /** Kept for the value that is asked next, which mostly is of the same form. */
  #imagesOf(value: Value, intervals: readonly Interval[]): Images {
    let images = this.#images.get(intervals);
    if (images === undefined || !sameValue(images.value, value)) {
      images = { value, inside: inverse(value, intervals), outside: inverse(value, complement(intervals)) };
      this.#images.set(intervals, images);
    }
    return images;
  }

  /** The condition as one question about one value, where it is that. */
  #question(condition: BooleanExpression): Question | undefined {
    switch (condition.kind) {
      case "within":
      case "compare":
      case "not":
      case "all":
      case "any":
        break;
      default:
        return undefined;
    }
    if (this.#questions.has(condition)) return this.#questions.get(condition);
    const question = this.#makeQuestion(condition);
    this.#questions.set(condition, question);
    return question;
  }

  /** One object for each question, which keeps its images: a policy asks the same of its state again and again. */
  #setOf(operator: CompareOperator, value: bigint, fromLeft: boolean): readonly Interval[] {
    const key = `${fromLeft ? "<" : ">"}${operator}${value}`;
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = fromLeft ? satisfyingFromLeft(operator, value) : satisfying(operator, value);
      this.#sets.set(key, set);
    }
    return set;
  }

  #makeQuestion(condition: BooleanExpression): Question | undefined {
    switch (condition.kind) {
      case "within":
        return { subject: condition.value, set: condition.intervals };
      case "compare": {
        const { operator, left, right } = condition;
        if (right.kind === "constant") return { subject: left, set: this.#setOf(operator, right.value, false) };
        if (left.kind === "constant") return { subject: right, set: this.#setOf(operator, left.value, true) };
        return undefined;
      }
      case "not": {
        const question = this.#question(condition.value);
        return question === undefined ? undefined : { ...question, set: complement(question.set) };
      }
      case "all":
      case "any": {
        let whole: Question | undefined;
        for (const part of condition.of) {
          const question = this.#question(part);
          if (question === undefined) return undefined;
          if (whole === undefined) whole = question;
          else {
            if (!equalExpressions(whole.subject, question.subject)) return undefined;
            const join = condition.kind === "all" ? intersection : union;
            whole = { subject: whole.subject, set: join(whole.set, question.set) };
          }
        }
        return whole;
      }
      default:
        return undefined;
    }
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

function uncertain(way: Way): Way {
  return way.certain ? { ...way, certain: false } : way;
}

function knowing(way: Way, facts: Facts): Way {
  const { numbers, values, certain, changes, onArguments, raised, tables } = way;
  return {
    numbers,
    facts,
    values,
    certain: certain && facts.witness !== undefined,
    changes,
    onArguments: onArguments || facts.symbol.isArgument,
    raised,
    tables,
  };
}

function withValue(way: Way, slot: number, value: Value | boolean | number): Way {
  return { ...way, values: new Map(way.values).set(slot, value) };
}

function joined(left: readonly Way[], right: readonly Way[]): readonly Way[] {
  return left.length === 0 ? right : right.length === 0 ? left : [...left, ...right];
}

/** Numbers for which the value lies in the intervals, and the others. */
function numbersIn(
  value: Value,
  intervals: readonly Interval[],
  numbers: readonly number[],
): readonly [readonly number[], readonly number[]] {
  const inside: number[] = [];
  const outside: number[] = [];
  const plain = value.signed === 0 && !value.negated && value.add === 0n && value.mask >= 0xffff_ffffn;
  if (plain) {
    const bounds = intervals.map(({ from, to }) => [Number(from), Number(to)] as const);
    for (const number of numbers) {
      (bounds.some(([from, to]) => from <= number && number <= to) ? inside : outside).push(number);
    }
    return [inside, outside];
  }
  for (const number of numbers) {
    (holds(intervals, wordOf(value, BigInt(number))) ? inside : outside).push(number);
  }
  return [inside, outside];
}

function wordOf({ mask, signed, negated, add }: Value, word: bigint): bigint {
  const low = signed === 0 ? word & mask : BigInt.asIntN(signed, word & mask);
  return BigInt.asUintN(64, (negated ? -low : low) + add);
}

/** By the first list that holds them; those that none holds last. */
function partition(
  numbers: readonly number[],
  lists: readonly (readonly Interval[])[],
): readonly (readonly number[] | undefined)[] {
  const groups: (number[] | undefined)[] = new Array(lists.length + 1).fill(undefined);
  const armOf = new Map<number, number>();
  const wide: { readonly from: number; readonly to: number; readonly list: number }[] = [];
  lists.forEach((intervals, list) => {
    for (const interval of intervals) {
      const from = Number(interval.from);
      const to = Number(interval.to);
      if (to - from > 64) wide.push({ from, to, list });
      else for (let number = from; number <= to; number++) if (!armOf.has(number)) armOf.set(number, list);
    }
  });
  for (const number of numbers) {
    let list = armOf.get(number) ?? lists.length;
    for (const each of wide) if (each.list < list && each.from <= number && number <= each.to) list = each.list;
    const group = groups[list];
    if (group === undefined) groups[list] = [number];
    else group.push(number);
  }
  return groups;
}
