/**
 * Whether a policy itself prevents its tree from changing where a constant path leads: it refuses, in every state, each
 * call that could put another object at the path, remove or rename a name on its way, or mount something there, if the
 * call has that path as the policy has it. Of a directory in which any name is permitted, it refuses new links, and
 * renames of files from elsewhere.
 *
 * Only the path's own text is tried. Whether another text bypasses such a rule ("..", a link) is the question of P0502,
 * and the calls of processes outside of the tree are not judged at all.
 */

import { callByName } from "../../abi/calls.ts";
import type { ObservedWord } from "../../ir/observation.ts";
import type { IntegerExpression, Program } from "../../ir/program.ts";
import { replaceLeaves } from "../../ir/replace.ts";
import { mayPass } from "../../ir/verdicts.ts";
import { compileMatcher, matching } from "../../patterns/matcher.ts";
import type { Pattern } from "../../patterns/pattern.ts";
import { leavesOf } from "../explain/paths.ts";
import { splitPolicy } from "../split/split.ts";
import { type AllowedPath, allowedPaths, type Place } from "./allowed-paths.ts";

/** The texts of a call's path arguments, by register. */
type Texts = ReadonlyMap<number, string>;

interface Attempt {
  readonly call: string;
  readonly texts: Texts;
}

/** A file that no policy names. */
const elsewhere = "/\u0001/\u0001";
/** A name that does not exist yet. */
const fresh = "\u0001";

/** They change where any path leads. */
const mounting: readonly string[] = ["mount", "move_mount", "pivot_root", "chroot"];

/** Calls that give an object another name, with the registers of the old and of the new path. */
const renames: readonly (readonly [call: string, old: number, new_: number])[] = [
  ["rename", 0, 1],
  ["renameat", 1, 3],
  ["renameat2", 1, 3],
];
const links: typeof renames = [
  ["link", 0, 1],
  ["linkat", 1, 3],
  ["symlink", 0, 1],
  ["symlinkat", 0, 2],
];
const removals: readonly (readonly [call: string, path: number])[] = [
  ["unlink", 0],
  ["unlinkat", 1],
  ["rmdir", 0],
];

/** An allowed path, and whether the policy prevents its tree from changing where it leads. */
export interface ExaminedPath extends AllowedPath {
  readonly isGuarded: boolean;
}

/** The allowed paths, for a start to examine. Each once, in the order of the program. */
export function examinedPaths(program: Program): readonly ExaminedPath[] {
  const guard = new PathGuard(program);
  return allowedPaths(program).map((one) => ({ ...one, isGuarded: guard.guards(one) }));
}

class PathGuard {
  readonly #program: Program;
  readonly #outcomes = new Map<string, boolean>();
  readonly #matches = new Map<string, boolean>();

  constructor(program: Program) {
    this.#program = program;
  }

  guards(place: Place): boolean {
    return attemptsOn(place).every((attempt) => !this.#mayPass(attempt));
  }

  #mayPass({ call, texts }: Attempt): boolean {
    const { admission, architecture, observations, words } = this.#program;
    const number = callByName(call)?.number[architecture];
    if (number === undefined) return false;
    const known = new Map<number, bigint>();
    words.forEach((word, index) => {
      const source = observations[word.observation]!.sources.find((one) => one.number === number);
      const text = source === undefined ? undefined : texts.get(source.register);
      const value = text === undefined ? undefined : this.#valueOf(word, text);
      if (value !== undefined) known.set(index, value);
    });
    const key = `${number} ${[...known].join(" ")}`;
    let outcome = this.#outcomes.get(key);
    if (outcome === undefined) {
      const judged = admission.judged.some(({ from, to }) => from <= number && number <= to);
      outcome = judged ? this.#passes(number, known) : admission.always.some(({ from }) => from === BigInt(number));
      this.#outcomes.set(key, outcome);
    }
    return outcome;
  }

  #passes(number: number, known: ReadonlyMap<number, bigint>): boolean {
    const program = this.#program;
    const body = replaceLeaves(program.body, (leaf): IntegerExpression | undefined => {
      const value = leaf.kind === "observed" ? known.get(leaf.word) : undefined;
      return value === undefined ? undefined : { kind: "constant", value };
    });
    const judged = [{ from: BigInt(number), to: BigInt(number) }];
    const split = splitPolicy(
      { ...program, body, admission: { always: [], judged } },
      { superviseProcessCreation: false },
    );
    return leavesOf(split.get(number)!).some(({ possible }) =>
      possible.some((verdict) => mayPass(program.verdicts[verdict]!)),
    );
  }

  /** Undefined if the text does not determine it. */
  #valueOf({ reads }: ObservedWord, text: string): bigint | undefined {
    if (reads.is !== "matches" || reads.part.is !== "whole") return undefined;
    return reads.patterns.reduce(
      (bits, pattern, index) => (this.#isMatch(pattern, text) ? bits | (1n << BigInt(index)) : bits),
      0n,
    );
  }

  #isMatch(pattern: Pattern, text: string): boolean {
    const key = JSON.stringify([pattern.kind, pattern.text, text]);
    let found = this.#matches.get(key);
    if (found === undefined) {
      // Each pattern has a matcher: the front end has compiled it beside others.
      found = matching(compileMatcher([pattern]).matcher!, Buffer.from(text)) !== 0n;
      this.#matches.set(key, found);
    }
    return found;
  }
}

function attemptsOn({ path, names }: Place): Attempt[] {
  const attempts: Attempt[] = mounting.map((call) => ({ call, texts: new Map() }));
  const both = (call: string, old: number, new_: number, from: string, to: string): Attempt => ({
    call,
    texts: new Map([
      [old, from],
      [new_, to],
    ]),
  });
  for (const name of namesOn(path)) {
    for (const [call, old, new_] of renames)
      attempts.push(both(call, old, new_, name, elsewhere), both(call, old, new_, elsewhere, name));
    for (const [call, register] of removals) attempts.push({ call, texts: new Map([[register, name]]) });
  }
  if (names !== "one") {
    const inside = `${path.replace(/[/]$/, "")}/${fresh}`;
    for (const [call, old, new_] of [...renames, ...links]) attempts.push(both(call, old, new_, elsewhere, inside));
  }
  return attempts;
}

/** The path and all directories above it, but for the root. */
function namesOn(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}
