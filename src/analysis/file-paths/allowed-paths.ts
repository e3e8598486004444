/**
 * The constant paths that permit something: path patterns and objects whose match makes the verdict of some call more
 * permissive. Such an allowance holds only as long as the confined tree cannot change what the path leads
 * to; `run` examines the directories. An object (`resolved`) is looked up by its path at each judgement.
 *
 * Each pattern is examined by a product program: the policy twice in sequence, with the match and without it, on the same
 * call, state and other matches. The split shows for which calls the first verdict can be more lenient. A comparison of the
 * verdicts that are possible with and without the match is not enough: an allow that stays possible in another way, for a
 * read-only open or in another phase, would hide the one that the match gives.
 *
 * Finds every such pattern, and may report too many:
 *
 * - Patterns count as independent, but no text is both "/a" and "/b". So a match also permits what only a text could do that
 *   another pattern, which excludes it, matches as well.
 * - A call that enters no room, or another one, counts as more lenient: a wait for a room can end with a refusal.
 * - The split treats the results of some arithmetic, and of tables, as unknown values, and gives up on very large policies.
 * - If the program reads a word of matches by other tests than "is one of these set?", all of them permit. The front end
 *   makes no such program.
 *
 * What a match changes in the state is examined for the same call, not for later ones: a policy that enters a phase at the
 * exec of a path, and permits more there, permits it by the state.
 */

import { maximumWord } from "../../abi/word.ts";
import type { ObservedWord, ResolvedObject } from "../../ir/observation.ts";
import type { BooleanExpression, Cell, Expression, IntegerExpression, Program, Statement } from "../../ir/program.ts";
import { replaceLeaves } from "../../ir/replace.ts";
import {
  expressionsOf,
  forEachExpression,
  forEachStatement,
  mapList,
  mapStatement,
  sameExpressions,
} from "../../ir/traverse.ts";
import { mayPass } from "../../ir/verdicts.ts";
import { describePattern, type Pattern } from "../../patterns/pattern.ts";
import { leavesOf } from "../explain/paths.ts";
import { productProgram } from "../lint/product.ts";
import { splitPolicy } from "../split/split.ts";

export interface AllowedPath {
  /** The common beginning of all matching paths. Not always absolute. */
  readonly path: string;
  /** Only this object; or names in it, which is a directory and ends with "/"; or either of the two. */
  readonly names: "one" | "below" | "either";
  /** The pattern in the policy's form: `under "/srv"`. */
  readonly shown: string;
  /** How an object (`resolved`) is compared. */
  readonly object?: ResolvedObject["is"];
}

export type Place = Omit<AllowedPath, "shown">;

interface Comparison {
  /** Undefined if it does not determine the beginning of a path. */
  readonly place: Place | undefined;
  readonly shown: string;
}

/** Each once, in the order of the program. */
export function allowedPaths(program: Program): readonly AllowedPath[] {
  return comparedPaths(program, "permits");
}

/** Whether some call passes with the match only, or without it only. */
export type Effect = "permits" | "refuses";

/** The paths whose match has the effect, of texts and objects or of objects alone. Each once, in the order of the program. */
export function comparedPaths(program: Program, effect: Effect, of: "all" | "objects" = "all"): readonly AllowedPath[] {
  const found = new Map<string, AllowedPath>();
  let comparable: Program | undefined;
  program.words.forEach((word, index) => {
    if (of === "objects" && word.reads.is !== "resolved") return;
    const compared = comparisons(program, word);
    if (compared.every(({ place }) => place === undefined)) return;
    comparable ??= withComparableEnds(program);
    const groups = groupsOf(program, index, compared.length);
    const done = new Map<bigint, boolean>();
    compared.forEach(({ place, shown }, at) => {
      if (place === undefined || found.has(shown)) return;
      const bit = 1n << BigInt(at);
      const group = groups?.find((bits) => (bits & bit) !== 0n) ?? bit;
      const hasEffect = done.get(group) ?? (groups === undefined || has(effect, comparable!, index, bit, groups));
      done.set(group, hasEffect);
      if (hasEffect) found.set(shown, { ...place, shown });
    });
  });
  return [...found.values()];
}

/** In the order of the word's bits. */
function comparisons({ observations }: Program, { observation, reads }: ObservedWord): readonly Comparison[] {
  if (reads.is === "resolved") {
    // Without the objects below the directory of `under`, which are judged by their own directories.
    return reads.objects.map(({ is, path }) => ({
      place: { path, names: "one", object: is },
      shown: `resolved.${is} ${JSON.stringify(path)}`,
    }));
  }
  if (reads.is !== "matches") return [];
  const isPath = observations[observation]!.shape.is === "path" || reads.part.is === "socket-path";
  return isPath ? reads.patterns.map((one) => ({ place: placeOf(one), shown: describePattern(one) })) : [];
}

/** Undefined if the pattern does not determine the beginning of a path. */
function placeOf({ kind, text }: Pattern): Place | undefined {
  switch (kind) {
    case "is":
      return { path: text, names: "one" };
    case "under":
      return { path: text, names: "either" };
    case "startsWith":
      return { path: folderOf(text), names: "below" };
    case "endsWith":
      return undefined;
    case "matches": {
      const literal = /^(?:[^*?[{\\]|\\.)*/s.exec(text)![0];
      const path = literal.replace(/\\(.)/gs, "$1");
      if (literal.length === text.length) return { path, names: "one" };
      return path.includes("/") ? { path: folderOf(path), names: "below" } : undefined;
    }
  }
}

const folderOf = (text: string): string => text.slice(0, text.lastIndexOf("/") + 1);

/**
 * Whether some call passes with this match (`permits`) or without it (`refuses`), and would get a stricter verdict in the
 * other case. A flag for the match, known in each run, and one for each group of other bits, which are the same in both,
 * replace the word: the split knows more of several flags than of several masks of a word.
 */
function has(effect: Effect, program: Program, word: number, bit: bigint, groups: readonly bigint[]): boolean {
  const { cells } = program;
  const flags = [bit, ...groups.map((bits) => bits & ~bit).filter((bits) => bits !== 0n)];
  const body = replaceLeaves(program.body, (expression): IntegerExpression | undefined => {
    const mask = maskOf(expression, word);
    if (mask === undefined) return undefined;
    const set = flags.flatMap((bits, index): BooleanExpression[] =>
      (bits & mask) === 0n
        ? []
        : [{ kind: "within", value: { kind: "cell", cell: cells.length + index }, intervals: [{ from: 1n, to: 1n }] }],
    );
    return { kind: "from-boolean", value: { kind: "any", of: set } };
  });
  const both = productProgram(
    {
      ...program,
      admission: { always: [], judged: sourcesOf(program, word) },
      cells: [...cells, ...flags.map(() => flag)],
      body,
    },
    cells.length,
  );
  // The first run has the cell `later`.
  const known = new Map([
    [both.earlier, effect === "permits" ? 0n : 1n],
    [both.later, effect === "permits" ? 1n : 0n],
  ]);
  const split = splitPolicy(both.program, { superviseProcessCreation: false, cells: known });
  return [...split.values()].some((decision) =>
    leavesOf(decision).some(({ possible }) => possible.includes(both.broken)),
  );
}

/** No statement changes it. */
const flag: Cell = { name: "match", scope: "tree", kind: { is: "flag" }, initial: 0n, onFork: "fresh", at: undefined };

/** The judged calls that have the word; nothing matches in another call. */
function sourcesOf({ admission, observations, words }: Program, word: number): Program["admission"]["judged"] {
  return observations[words[word]!.observation]!.sources.map(({ number }) => BigInt(number))
    .filter((number) => admission.judged.some(({ from, to }) => from <= number && number <= to))
    .map((number) => ({ from: number, to: number }));
}

/**
 * The same program, so that the product, which compares strictnesses, compares what it permits: verdicts that do not let
 * the call pass are equal, and a side of a room is a key of a table that may be full.
 */
function withComparableEnds(program: Program): Program {
  const tables = program.tables.length;
  const list = (statements: readonly Statement[]): readonly Statement[] => mapList(statements, replaced);
  const replaced = (statement: Statement): Statement => {
    if (statement.kind !== "enter") return mapStatement(statement, sameExpressions, list);
    const key: IntegerExpression = { kind: "constant", value: BigInt(statement.side) };
    return { kind: "table-set", table: tables + statement.room, key, value: key };
  };
  return {
    ...program,
    verdicts: program.verdicts.map((verdict) => (mayPass(verdict) ? verdict : { ...verdict, action: "deny" })),
    tables: [
      ...program.tables,
      ...program.rooms.map(
        ({ name, late: full }) =>
          ({ name, scope: "tree", capacity: 1, full, onFork: "fresh", holdsValues: false, at: undefined }) as const,
      ),
    ],
    body: list(program.body),
  };
}

/**
 * The bits of the word in groups of those that the program cannot distinguish, because each of its tests, "is a bit of this
 * mask set?", is of all of them or of none. Undefined if it also reads the word in another way.
 */
function groupsOf(program: Program, word: number, bits: number): readonly bigint[] | undefined {
  const masks = new Set<bigint>();
  let [reads, tests] = [0, 0];
  const visit = (expression: Expression) => {
    if (expression.kind === "observed" && expression.word === word) reads++;
    const mask = testedMask(expression, word);
    if (mask === undefined) return;
    tests++;
    masks.add(mask);
  };
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement)) forEachExpression(expression, visit);
  });
  if (reads !== tests) return undefined;
  const groups = new Map<string, bigint>();
  for (let bit = 1n; bit < 1n << BigInt(bits); bit <<= 1n) {
    const key = [...masks].map((mask) => ((mask & bit) === 0n ? "0" : "1")).join("");
    groups.set(key, (groups.get(key) ?? 0n) | bit);
  }
  return [...groups.values()];
}

/** The mask in `(word & mask) == 0` and in `(word & mask) != 0`. */
function testedMask(expression: Expression, word: number): bigint | undefined {
  if (expression.kind !== "compare") return undefined;
  const { operator, left, right } = expression;
  const isTest = (operator === "equal" || operator === "not-equal") && right.kind === "constant" && right.value === 0n;
  return isTest ? maskOf(left, word) : undefined;
}

/** The mask in `word & mask`; all bits in `word`. */
function maskOf(expression: IntegerExpression, word: number): bigint | undefined {
  if (expression.kind === "observed") return expression.word === word ? maximumWord : undefined;
  if (expression.kind !== "binary" || expression.operator !== "and") return undefined;
  const { left, right } = expression;
  return left.kind === "observed" && left.word === word && right.kind === "constant" ? right.value : undefined;
}
