/**
 * P0502: a call is denied because the text of a path matches. The same object has other texts ("/etc/../etc/shadow", a
 * symbolic link, a path relative to a directory), so the denial can be bypassed. An allowance by text is no such case.
 */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { ObservedWord } from "../../ir/observation.ts";
import type { IntegerExpression, Program } from "../../ir/program.ts";
import { replaceLeaves } from "../../ir/replace.ts";
import type { SurveyView } from "./surveyed.ts";
import { View } from "./view.ts";

/** False only where `findPathTexts` finds nothing. */
export function mayHavePathTexts({ program }: SurveyView): boolean {
  return program.words.some((word) => isPathText(program, word));
}

function isPathText({ observations }: Program, { observation, reads }: ObservedWord): boolean {
  if (reads.is !== "matches") return false;
  return observations[observation]!.shape.is === "path" || reads.part.is === "socket-path";
}

/** The verdicts that are possible only where a path's text matches some pattern. */
export function findPathTexts(view: View): Diagnostic[] {
  const { program } = view;
  if (!program.words.some((word) => isPathText(program, word))) return [];
  const zero: IntegerExpression = { kind: "constant", value: 0n };
  const body = replaceLeaves(program.body, (leaf) =>
    leaf.kind === "observed" && isPathText(program, program.words[leaf.word]!) ? zero : undefined,
  );
  const unmatched = new View({ ...program, body });
  const found = new Map<number, string>();
  for (const number of view.decisions.keys()) {
    const name = view.name(number);
    const otherwise = unmatched.possible(name);
    if (otherwise.every((verdict) => view.isDenial(verdict))) continue;
    for (const verdict of view.possible(name)) {
      if (view.isDenial(verdict) && !otherwise.includes(verdict) && !found.has(verdict)) found.set(verdict, name);
    }
  }
  return [...found].map(([verdict, name]) =>
    diagnostic(
      "P0502",
      `${name} is denied by the text of a path, which "..", a symbolic link or a directory descriptor bypasses`,
      {
        span: view.span(verdict),
        help: "compare `.resolved`, or allow by text and deny the rest",
      },
    ),
  );
}
