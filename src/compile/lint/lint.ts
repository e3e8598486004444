/**
 * Warnings about what a policy means, found on its program and its split, and the proof of the promises that it makes.
 * A warning must be worth a person's while: where it is not certain, it is not given.
 */
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Program } from "../../ir/program.ts";
import { findFallbacks } from "./fallbacks.ts";
import { findHotCalls } from "./hot-calls.ts";
import { findUnenteredPhases } from "./phases.ts";
import { proveTightening, type TighteningPromise } from "./tightening.ts";
import { findTwins } from "./twins.ts";
import { findUnreachableVerdicts } from "./unreachable.ts";
import { View } from "./view.ts";

/** In no particular order; `sortDiagnostics` sorts them by place. */
export function lintPolicy(program: Program, promises: readonly TighteningPromise[] = []): Diagnostic[] {
  const view = new View(program);
  return [
    ...promises.flatMap((promise) => proveTightening(program, promise)),
    ...findUnenteredPhases(program),
    ...findTwins(view),
    ...findFallbacks(view),
    ...findUnreachableVerdicts(view),
    ...findHotCalls(view),
  ];
}
