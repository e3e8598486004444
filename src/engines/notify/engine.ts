import type { ReturnAction } from "../../compile/classic/return-word.ts";
import type { Program } from "../../ir/program.ts";
import type { Engine } from "../engine.ts";
import { askingOf, type StaticFilter, staticFilter } from "../static-filter.ts";
import { needsOf } from "./needs.ts";
import type { NotifyMode } from "./policy.ts";

export const notifyEngine = {
  name: "notify",
  supervision(program) {
    const { births, threads } = needsOf(program);
    // A thread that executes a program while it is not its process's leader takes over the leader's id. Its state stays
    // its own, so the supervisor must see it happen.
    return { superviseProcessCreation: births, superviseExecution: threads };
  },
  asks: true,
  launcherCalls: ["execve"],
} as const satisfies Engine;

export interface NotifyFilterOptions {
  readonly mode: NotifyMode;
  /** The supervisor carries out static kills, so that they become events. */
  readonly killEvents?: boolean;
}

/** The filter that the engine installs. Throws a FilterTooLargeError. */
export function notifyFilter(
  program: Program,
  options: NotifyFilterOptions & { readonly armed: boolean },
): StaticFilter {
  return hearing(staticFilter(notifyEngine, program, options), options);
}

/** That filter, from the one that asks nothing of what is static. */
export function hearing(quiet: StaticFilter, { mode, killEvents = false }: NotifyFilterOptions): StaticFilter {
  const kills: readonly ReturnAction[] = mode === "audit" || killEvents ? ["KILL_THREAD", "KILL_PROCESS"] : [];
  return askingOf(quiet, new Set([...heard[mode], ...kills]));
}

/** What the filter asks the supervisor although it could answer by itself, kills apart. */
const heard: { readonly [M in NotifyMode]: readonly ReturnAction[] } = {
  quiet: [],
  reported: ["ERRNO", "LOG"],
  audit: ["ERRNO", "LOG", "TRAP"],
};
