/**
 * Warnings about what a policy means, found on its program and its split, and the proof of the promises that it makes.
 * A warning must be worth a person's while: where it is not certain, it is not given.
 */
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Program } from "../../ir/program.ts";
import { type Extension, findDeniedAlready } from "./denied-already.ts";
import { findFallbacks } from "./fallbacks.ts";
import { findHotCalls } from "./hot-calls.ts";
import { findUnenteredPhases } from "./phases.ts";
import { proveTightening, type TighteningPromise } from "./tightening.ts";
import { findTwins } from "./twins.ts";
import { findUnreachableVerdicts } from "./unreachable.ts";
import { View } from "./view.ts";

/** What is known of a policy besides its program. */
export interface LintFacts {
  readonly promises?: readonly TighteningPromise[];
  readonly extension?: Extension | undefined;
}

/** In no particular order; `sortDiagnostics` sorts them by place. */
export function lintPolicy(program: Program, { promises = [], extension }: LintFacts = {}): Diagnostic[] {
  const view = new View(program);
  return [
    ...promises.flatMap((promise) => proveTightening(program, promise)),
    ...findUnenteredPhases(program),
    ...findTwins(view),
    ...findFallbacks(view),
    ...findUnreachableVerdicts(view),
    ...findHotCalls(view),
    ...(extension === undefined ? [] : findDeniedAlready(extension)),
  ];
}
