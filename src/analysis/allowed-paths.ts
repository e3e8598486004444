/**
 * The constant paths that permit something: the patterns and objects without whose match some call would not pass. Such an
 * allowance holds only as long as the confined tree cannot change what the path leads to; `run` examines the directories.
 * An object (`resolved`) is looked up by its path at each judgement.
 */
import type { ObservedWord } from "../ir/observation.ts";
import type { IntegerExpression, Program } from "../ir/program.ts";
import { replaceLeaves } from "../ir/replace.ts";
import { passes } from "../ir/verdicts.ts";
import { describePattern, type Pattern } from "../patterns/pattern.ts";
import { leavesOf } from "./explain/paths.ts";
import { splitPolicy } from "./split/split.ts";

export interface AllowedPath {
  /** The common beginning of all matching paths. Not always absolute. */
  readonly path: string;
  /** Only this object; or names in it, which is a directory and ends with "/"; or either of the two. */
  readonly names: "one" | "below" | "either";
  /** As the policy has it: `under "/srv"`. */
  readonly shown: string;
}

interface Comparison {
  /** Undefined if it does not determine the beginning of a path. */
  readonly place: Pick<AllowedPath, "path" | "names"> | undefined;
  readonly shown: string;
}

interface Bit {
  readonly word: number;
  readonly bit: bigint;
  readonly path: AllowedPath;
}

/** Each once, in the order of the program. */
export function allowedPaths(program: Program): readonly AllowedPath[] {
  const placed = program.words.flatMap((word, index) =>
    comparisons(program, word).flatMap(({ place, shown }, at): Bit[] =>
      place === undefined ? [] : [{ word: index, bit: 1n << BigInt(at), path: { ...place, shown } }],
    ),
  );
  if (placed.length === 0) return [];
  const possible = passing(program, []);
  // Most policies about paths refuse by them. One split without all patterns together shows it.
  if (isSame(possible, passing(program, placed))) return [];
  const permitting = placed.filter((one) => {
    if (!isSame(possible, passing(program, [one]))) return true;
    // Others permit the same. Does this one alone?
    const others = placed.filter((other) => other !== one);
    return !isSame(passing(program, others), passing(program, placed));
  });
  return [...new Map(permitting.map(({ path }) => [path.shown, path])).values()];
}

/** In the order of the word's bits. */
function comparisons({ observations }: Program, { observation, reads }: ObservedWord): readonly Comparison[] {
  if (reads.is === "resolved") {
    // Without the objects below the directory of `under`, which are judged by their own directories.
    return reads.objects.map(({ is, path }) => ({
      place: { path, names: "one" },
      shown: `resolved.${is} ${JSON.stringify(path)}`,
    }));
  }
  if (reads.is !== "matches") return [];
  const isPath = observations[observation]!.shape.is === "path" || reads.part.is === "socket-path";
  return isPath ? reads.patterns.map((one) => ({ place: placeOf(one), shown: describePattern(one) })) : [];
}

/** Undefined if the pattern does not determine the beginning of a path. */
function placeOf({ kind, text }: Pattern): Pick<AllowedPath, "path" | "names"> | undefined {
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

/** For each call, the verdicts that let it pass where these patterns match nothing. */
function passing(program: Program, unmatched: readonly Bit[]): ReadonlySet<string> {
  const masks = new Map<number, bigint>();
  for (const { word, bit } of unmatched) masks.set(word, (masks.get(word) ?? 0n) | bit);
  const body = replaceLeaves(program.body, (leaf): IntegerExpression | undefined => {
    const mask = leaf.kind === "observed" ? masks.get(leaf.word) : undefined;
    if (mask === undefined) return undefined;
    const all = (1n << 64n) - 1n;
    return { kind: "binary", operator: "and", left: leaf, right: { kind: "constant", value: all & ~mask } };
  });
  const found = new Set<string>();
  for (const [number, decision] of splitPolicy({ ...program, body }, { superviseProcessCreation: false })) {
    for (const leaf of leavesOf(decision)) {
      for (const verdict of leaf.possible) if (passes(program.verdicts[verdict]!)) found.add(`${number} ${verdict}`);
    }
  }
  return found;
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}
