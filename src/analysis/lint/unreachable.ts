/** P0504: a verdict that no call, with any arguments and state, can get. */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Location } from "../../ir/location.ts";
import type { Expression } from "../../ir/program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../ir/traverse.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { View } from "./view.ts";

export function findUnreachableVerdicts(view: View, declarations: readonly Location[]): Diagnostic[] {
  const { program } = view;
  const written = new Set<number>();
  let combines = false;
  const note = (expression: Expression) => {
    if (expression.kind === "verdict") written.add(expression.verdict);
    if (expression.kind === "strictest") combines = true;
  };
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement)) forEachExpression(expression, note);
  });
  const reached = new Set(declarations.map(placeKey));
  for (const number of view.decisions.keys())
    for (const verdict of view.possible(view.name(number))) reached.add(placeKey(program.verdicts[verdict]!.at));
  for (const verdict of view.unnamed.kind === "leaf" ? view.unnamed.possible : []) {
    reached.add(placeKey(program.verdicts[verdict]!.at));
  }
  // A table's verdict is declared for the case that it fills up, which may never occur.
  for (const { full } of program.tables) reached.add(placeKey(program.verdicts[full]!.at));
  const found = new Map<string, Diagnostic>();
  for (const verdict of written) {
    const { at, action } = program.verdicts[verdict]!;
    const key = placeKey(at);
    // Inlining and unrolling make several verdicts of one place.
    if (at === undefined || reached.has(key) || found.has(key)) continue;
    // If several policies allow, one place stands for all; the others have no effect but are not wrong.
    if (combines && action === "allow") continue;
    const name = strictness[action] >= strictness.deny ? "refusal" : "verdict";
    found.set(
      key,
      diagnostic("P0504", `this ${name} is never reached: no call, no argument and no state leads here`, {
        span: view.span(verdict),
        help: "earlier rules decide every such call, or the conditions exclude each other",
      }),
    );
  }
  return [...found.values()];
}

function placeKey(at: Location | undefined): string {
  return at === undefined ? "" : `${at.file}:${at.line}:${at.column}`;
}
