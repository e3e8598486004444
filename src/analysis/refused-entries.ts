/** Finds the patterns of list entries (argv, envp) that lead to a verdict, so that an event can name the entry. */
import { type ForwardAnalysis, walkForward } from "../ir/dataflow/forward.ts";
import type { WordPatterns } from "../ir/observe.ts";
import type { BooleanExpression, IntegerExpression, Program, Statement, VerdictExpression } from "../ir/program.ts";

/** By verdict other than a plain allow; no entry for one that can be given without such a match. */
export type RefusingPatterns = ReadonlyMap<number, readonly WordPatterns[]>;

/** A verdict at two places, for example of an inlined function, has the patterns of both. */
export function refusingPatterns(program: Program, observation: string): RefusingPatterns {
  const words = new Set(
    program.words.flatMap(({ observation: index, reads }, word) =>
      reads.is === "any-entry" && program.observations[index]!.name === observation ? [word] : [],
    ),
  );
  if (words.size === 0) return new Map();
  const search = new Search(words);
  walkForward(search, program.body, []);
  return new Map(
    [...search.found].filter(
      ([verdict, patterns]) => patterns.length > 0 && program.verdicts[verdict]!.action !== "allow",
    ),
  );
}

/** Each stands for a match of one of its patterns, on every path to the place. */
type Matched = readonly WordPatterns[];

class Search implements ForwardAnalysis<Matched> {
  /** Empty for a verdict that some place gives without a match. */
  readonly found = new Map<number, Matched>();
  readonly #words: ReadonlySet<number>;

  constructor(words: ReadonlySet<number>) {
    this.#words = words;
  }

  readonly after = (statement: Statement, before: Matched): Matched => {
    if (statement.kind === "return") this.#give(statement.verdict, before);
    if (statement.kind === "set-verdict") this.#give(statement.value, before);
    return before;
  };

  readonly assume = (condition: BooleanExpression, holds: boolean, before: Matched): Matched => {
    const more = this.#matched(condition, holds) ?? [];
    return [...before, ...more.filter((one) => !before.some((known) => isEqual(one, known)))];
  };

  readonly meet = (one: Matched, other: Matched): Matched =>
    one.filter((pattern) => other.some((known) => isEqual(pattern, known)));

  #give(expression: VerdictExpression, matched: Matched): void {
    switch (expression.kind) {
      case "verdict": {
        const known = this.found.get(expression.verdict);
        const isAlways = matched.length > 0 && (known === undefined || known.length > 0);
        this.found.set(expression.verdict, isAlways ? [...(known ?? []), ...matched] : []);
        return;
      }
      case "verdict-local":
        return;
      case "strictest":
        for (const part of expression.of) this.#give(part, matched);
        return;
      case "verdict-select":
        this.#give(expression.then, this.assume(expression.condition, true, matched));
        this.#give(expression.otherwise, this.assume(expression.condition, false, matched));
        return;
    }
  }

  /** The patterns of which one has matched if the condition is `holds`; undefined if none need have. */
  #matched(condition: BooleanExpression, holds: boolean): Matched | undefined {
    switch (condition.kind) {
      case "not":
        return this.#matched(condition.value, !holds);
      case "all":
      case "any": {
        const parts = condition.of.map((part) => this.#matched(part, holds));
        const known = parts.filter((part) => part !== undefined);
        // Each part must be a match if one of them is enough.
        const isEither = (condition.kind === "any") === holds;
        return known.length === 0 || (isEither && known.length < parts.length) ? undefined : known.flat();
      }
      case "compare": {
        const { operator, left, right } = condition;
        if (operator !== "equal" && operator !== "not-equal") return undefined;
        const isZero = right.kind === "constant" && right.value === 0n;
        return isZero && (operator === "not-equal") === holds ? this.#patternsIn(left) : undefined;
      }
      case "within": {
        const hasZero = condition.intervals[0]?.from === 0n;
        return hasZero === holds ? undefined : this.#patternsIn(condition.value);
      }
      case "boolean":
      case "boolean-local":
      case "table-has":
        return undefined;
    }
  }

  #patternsIn(value: IntegerExpression): Matched | undefined {
    const masked = value.kind === "binary" && value.operator === "and" ? value : undefined;
    const read = masked?.left ?? value;
    const mask = masked === undefined ? allPatterns : masked.right.kind === "constant" ? masked.right.value : undefined;
    if (read.kind !== "observed" || mask === undefined || !this.#words.has(read.word)) return undefined;
    return [{ word: read.word, mask }];
  }
}

const allPatterns = (1n << 63n) - 1n;

function isEqual(one: WordPatterns, other: WordPatterns): boolean {
  return one.word === other.word && one.mask === other.mask;
}
