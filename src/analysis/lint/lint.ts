/**
 * Lints: warnings about a policy, found on its program and its split, and the proof of its promises. A lint reports
 * only certain findings.
 */
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Program } from "../../ir/program.ts";
import { type Extension, findDeniedAlready } from "./denied-already.ts";
import { findExempt, mayHaveExempt } from "./exempt.ts";
import { findFallbacks, mayHaveFallbacks } from "./fallbacks.ts";
import { findHotCalls, mayHaveHotCalls } from "./hot-calls.ts";
import { findInterrupted, mayHaveInterrupted } from "./interrupted.ts";
import { findPathTexts, mayHavePathTexts } from "./path-texts.ts";
import { findUnenteredPhases } from "./phases.ts";
import { findRoomWarnings, mayHaveRoomWarnings } from "./rooms.ts";
import { findSiblings, mayHaveSiblings } from "./siblings.ts";
import { SurveyView } from "./surveyed.ts";
import { proveTightening, type TighteningPromise } from "./tightening.ts";
import { findTransports, mayHaveTransports } from "./transports.ts";
import { findUnreachableVerdicts, mayHaveUnreachableVerdicts } from "./unreachable.ts";
import { View } from "./view.ts";

/** Facts about a policy besides its program. */
export interface LintFacts {
  readonly promises?: readonly TighteningPromise[];
  readonly extension?: Extension | undefined;
}

/** Each lint with a cheap test (survey.ts) that rules it out for most policies. */
export const surveyedLints: readonly {
  readonly may: (survey: SurveyView) => boolean;
  readonly find: (view: View) => Diagnostic[];
}[] = [
  { may: mayHaveSiblings, find: findSiblings },
  { may: mayHaveFallbacks, find: findFallbacks },
  { may: mayHaveUnreachableVerdicts, find: findUnreachableVerdicts },
  { may: mayHaveHotCalls, find: findHotCalls },
  { may: mayHaveTransports, find: findTransports },
  { may: mayHaveExempt, find: findExempt },
  { may: mayHaveInterrupted, find: findInterrupted },
  { may: mayHavePathTexts, find: findPathTexts },
  { may: mayHaveRoomWarnings, find: findRoomWarnings },
];

/** Diagnostics in no particular order; `sortDiagnostics` sorts them by location. */
export function lintPolicy(program: Program, { promises = [], extension }: LintFacts = {}): Diagnostic[] {
  const survey = SurveyView.of(program);
  let view: View | undefined;
  const found = surveyedLints.flatMap(({ may, find }) => {
    if (survey !== undefined && !may(survey)) return [];
    view ??= new View(program);
    return find(view);
  });
  return [
    ...promises.flatMap((promise) => proveTightening(program, promise)),
    ...findUnenteredPhases(program),
    ...found,
    ...(extension === undefined ? [] : findDeniedAlready(extension)),
  ];
}
