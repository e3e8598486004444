/**
 * P0502: a call is denied because the text of a path matches. The same object has other texts ("/etc/../etc/shadow", a
 * symbolic link, a path relative to a directory), so the denial can be bypassed. An allowance by text is not such a case.
 * Neither is a denial of a last name in any directory ("mem" and "**\/mem"), if symbolic links to it are denied as well:
 * every text that leads to a file of this name without a link ends in it.
 */

import { callByName } from "../../abi/calls.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { ObservedWord } from "../../ir/observation.ts";
import type { IntegerExpression, Program } from "../../ir/program.ts";
import { replaceLeaves } from "../../ir/replace.ts";
import type { Pattern } from "../../patterns/pattern.ts";
import { View } from "./view.ts";

function isPathText({ observations }: Program, { observation, reads }: ObservedWord): boolean {
  if (reads.is !== "matches") return false;
  return observations[observation]!.shape.is === "path" || reads.part.is === "socket-path";
}

/** The globs without "/" that a word has both alone and in any directory. */
function lastNames(patterns: readonly Pattern[]): ReadonlySet<string> {
  const globs = new Set(patterns.flatMap(({ kind, text }) => (kind === "matches" ? [text] : [])));
  return new Set([...globs].filter((glob) => !/[/]|[*]{2}/.test(glob) && globs.has(`**/${glob}`)));
}

/** The strings that no call can give to a symbolic link as its target. */
function lastNamesWithoutLinks(view: View): ReadonlySet<string> {
  const { program } = view;
  const byLink = ["symlink", "symlinkat"].flatMap((name) => {
    if (view.decisionOf(name) === undefined) return [];
    if (!view.possible(name).some((verdict) => view.isDenial(verdict))) return [new Set<string>()];
    const number = callByName(name)!.number[program.architecture];
    const patterns = program.words.flatMap(({ observation, reads }) => {
      const { shape, sources } = program.observations[observation]!;
      const isTarget = reads.is === "matches" && shape.is === "string" && sources.some((one) => one.number === number);
      return isTarget ? reads.patterns : [];
    });
    return [lastNames(patterns)];
  });
  const [first, ...rest] = byLink;
  return new Set([...(first ?? [])].filter((glob) => rest.every((names) => names.has(glob))));
}

/** The verdicts that are possible only where a path's text matches some pattern. */
export function findPathTexts(view: View): Diagnostic[] {
  const { program } = view;
  if (!program.words.some((word) => isPathText(program, word))) return [];
  const sound = lastNamesWithoutLinks(view);
  /** The bits of the word's patterns that no other text bypasses. */
  const soundBits = ({ reads }: ObservedWord): bigint => {
    if (reads.is !== "matches") return 0n;
    const names = lastNames(reads.patterns);
    const isSound = ({ kind, text }: Pattern) => {
      const name = text.replace(/^[*]{2}[/]/, "");
      return kind === "matches" && names.has(name) && sound.has(name);
    };
    return reads.patterns.reduce(
      (bits, pattern, index) => (isSound(pattern) ? bits | (1n << BigInt(index)) : bits),
      0n,
    );
  };
  const body = replaceLeaves(program.body, (leaf): IntegerExpression | undefined => {
    const word = leaf.kind === "observed" ? program.words[leaf.word]! : undefined;
    if (word === undefined || !isPathText(program, word)) return undefined;
    const bits: IntegerExpression = { kind: "constant", value: soundBits(word) };
    return bits.value === 0n ? bits : { kind: "binary", operator: "and", left: leaf, right: bits };
  });
  const unmatched = new View({ ...program, body });
  const found = new Map<number, string>();
  for (const number of view.decisions.keys()) {
    const name = view.name(number);
    const otherwise = unmatched.possible(name);
    if (otherwise.every((verdict) => view.restricts(verdict))) continue;
    for (const verdict of view.possible(name)) {
      if (view.restricts(verdict) && !otherwise.includes(verdict) && !found.has(verdict)) found.set(verdict, name);
    }
  }
  return [...found].map(([verdict, name]) =>
    diagnostic(
      "P0502",
      `${name} ${view.isDenial(verdict) ? "is denied" : "asks"} by the text of a path, which "..", a symbolic link or a directory descriptor bypasses`,
      {
        span: view.span(verdict),
        help: view.isDenial(verdict)
          ? "compare `.resolved` and deny renames and links, or allow by text and deny the rest"
          : "allow by text, and ask about the rest",
      },
    ),
  );
}
