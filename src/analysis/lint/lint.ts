/**
 * Lints: warnings about a policy, found on its program and its split, and the proof of its promises. A lint reports
 * only certain findings.
 */
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { type Extension, findDeniedAlready } from "./denied-already.ts";
import { findExempt } from "./exempt.ts";
import { findFallbacks } from "./fallbacks.ts";
import { findHiddenQuestions } from "./hidden-questions.ts";
import { findHotCalls } from "./hot-calls.ts";
import { findPathTexts } from "./path-texts.ts";
import { findUnenteredPhases } from "./phases.ts";
import { findRoomWarnings } from "./rooms.ts";
import { findSiblings } from "./siblings.ts";
import { proveTightening, type TighteningPromise } from "./tightening.ts";
import { findTransports } from "./transports.ts";
import { findUnreachableVerdicts } from "./unreachable.ts";
import { View } from "./view.ts";

/** Facts about a policy besides its program. */
export interface LintFacts {
  readonly promises?: readonly TighteningPromise[];
  /** Places whose refusals the policy does not write: its own rules may make them superfluous. */
  readonly declarations?: readonly Location[];
  readonly extension?: Extension | undefined;
}

const lints: readonly ((view: View) => Diagnostic[])[] = [
  findSiblings,
  findFallbacks,
  findHotCalls,
  findTransports,
  findHiddenQuestions,
  findExempt,
  findPathTexts,
  findRoomWarnings,
];

/** Diagnostics in no particular order; `sortDiagnostics` sorts them by location. */
export function lintPolicy(
  program: Program,
  { promises = [], declarations = [], extension }: LintFacts = {},
): Diagnostic[] {
  const view = new View(program);
  return [
    ...promises.flatMap((promise) => proveTightening(program, promise)),
    ...findUnenteredPhases(program),
    ...lints.flatMap((find) => find(view)),
    // A verdict of an extended policy can be hidden by an equal one of another, which is no mistake of either.
    ...findUnreachableVerdicts(extension === undefined ? view : new View(extension.own), declarations),
    ...(extension === undefined ? [] : findDeniedAlready(extension)),
  ];
}
