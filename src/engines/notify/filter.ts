/** The classic filter of the engine `notify`, which notifies a supervisor. */

import type { Program } from "../../ir/program.ts";
import { type Action, actionNames, actions, kills } from "../../ir/verdicts.ts";
import type { FilterOptions, Mode } from "../engine/engine.ts";
import { type FilterProfile, notifyingOf, type StaticFilter, staticFilter } from "../engine/static-filter.ts";
import { followsRights, needsOf } from "./needs.ts";
import { asksForObjects } from "./objects/objects-of.ts";

export const notifyProfile = {
  supervision(program) {
    const { births, threads } = needsOf(program);
    // A process's Landlock domain is not visible. So the supervisor follows the processes with one, and their children.
    const holds = asksForObjects(program);
    const followed = followsRights(program);
    // A thread other than the leader that executes a program takes over the leader's id and has the same state as before,
    // so the supervisor must follow executions.
    return {
      superviseProcessCreation: births || holds,
      superviseExecution: threads,
      superviseRestriction: holds || followed,
      superviseRights: followed,
    };
  },
  notifies: true,
  reportsStatically: (action) => reportedByMode.reported[action],
  launcherCalls: ["execve"],
} as const satisfies FilterProfile;

/** The filter that the engine installs. Throws a FilterTooLargeError. */
export function notifyFilter(program: Program, options: FilterOptions): StaticFilter {
  return withStaticReports(staticFilter(notifyProfile, program, options), options);
}

/** The filter for a mode, made from the one that does not report static denials. */
export function withStaticReports(
  quiet: StaticFilter,
  { mode, killEvents = false }: Pick<FilterOptions, "mode" | "killEvents">,
): StaticFilter {
  const isReported = (action: Action) => reportedByMode[mode][action] || (killEvents && kills({ action }));
  const reported = new Set(actionNames.filter(isReported).map((action) => actions[action].seccomp));
  // An audit lets also these calls pass.
  const expected = mode === "audit" ? { verdict: undefined, returns: new Set<number>() } : quiet.expected;
  return notifyingOf({ ...quiet, expected }, reported);
}

/** Whether the filter reports a static verdict, for the sake of the event. */
const reportedByMode: { readonly [M in Mode]: { readonly [A in Action]: boolean } } = {
  quiet: { allow: false, log: false, ask: true, deny: false, trap: false, "kill-thread": false, "kill-process": false },
  reported: {
    allow: false,
    log: true,
    ask: true,
    deny: true,
    trap: false,
    "kill-thread": false,
    "kill-process": false,
  },
  audit: { allow: false, log: true, ask: true, deny: true, trap: true, "kill-thread": true, "kill-process": true },
};
