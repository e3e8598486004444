/**
 * Warnings about what a policy means, found on its program and its split, and the proof of the promises that it makes.
 * A warning must be worth a person's while: where it is not certain, it is not given.
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
import { SurveyView } from "./surveyed.ts";
import { proveTightening, type TighteningPromise } from "./tightening.ts";
import { findTransports, mayHaveTransports } from "./transports.ts";
import { findTwins, mayHaveTwins } from "./twins.ts";
import { findUnreachableVerdicts, mayHaveUnreachableVerdicts } from "./unreachable.ts";
import { View } from "./view.ts";

/** What is known of a policy besides its program. */
export interface LintFacts {
  readonly promises?: readonly TighteningPromise[];
  readonly extension?: Extension | undefined;
}

/** Each with what says cheaply, of most policies, that it finds nothing. */
export const surveyedLints: readonly {
  readonly may: (survey: SurveyView) => boolean;
  readonly find: (view: View) => Diagnostic[];
}[] = [
  { may: mayHaveTwins, find: findTwins },
  { may: mayHaveFallbacks, find: findFallbacks },
  { may: mayHaveUnreachableVerdicts, find: findUnreachableVerdicts },
  { may: mayHaveHotCalls, find: findHotCalls },
  { may: mayHaveTransports, find: findTransports },
  { may: mayHaveExempt, find: findExempt },
  { may: mayHaveInterrupted, find: findInterrupted },
  { may: mayHavePathTexts, find: findPathTexts },
];

/** In no particular order; `sortDiagnostics` sorts them by place. */
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
