/** Calls that a proposal leaves to the kernel, because a supervisor at each of them would slow the program. */
import { hotCalls } from "../analysis/explain/hot-calls.ts";
import { unprepared } from "../analysis/lint/interrupted.ts";

/**
 * Calls of a new thread of the C library. A thread can start at any time: before a trigger in one run, behind it in
 * another.
 */
const threadStart = ["rseq", "set_robust_list"];

/** Calls in the inner loops of programs, frequent ones that a signal must not interrupt (P0602, P0608), and a thread's. */
export const frequentCalls: ReadonlySet<string> = new Set([...hotCalls, ...unprepared, ...threadStart]);
