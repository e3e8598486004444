/** Calls that a proposal leaves to the kernel: a supervisor at each of them would be noticed. */
import { hotCalls } from "../analysis/explain/hot-calls.ts";
import { unprepared } from "../analysis/lint/interrupted.ts";

/** Calls in the inner loops of programs, and frequent ones that a signal must not interrupt (P0602, P0608). */
export const frequentCalls: ReadonlySet<string> = new Set([...hotCalls, ...unprepared]);
