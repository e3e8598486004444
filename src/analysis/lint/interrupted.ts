/**
 * P0608: under `notify` a signal can make a supervised call fail with EINTR before the supervisor receives it
 * (docs/internals/signals.md). Few programs retry calls that do not fail with EINTR otherwise.
 *
 * The warning is for frequent calls without EINTR in their contract. It does not cover
 *
 * - calls that a program makes a few times (fork, execve, bind), which a signal rarely interrupts;
 * - calls that may sleep, whose callers handle EINTR (read, write, accept, futex, poll);
 * - calls whose memory the policy reads: it is about these calls, and there is no other way to decide them;
 * - policies in which state decides at least half of the allowed calls (a flow): they concern all calls, so the author could
 *   not leave any out.
 *
 * `explain` names every supervised call in any case.
 */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic, Span } from "../../diagnostics/diagnostic.ts";
import { numberOf } from "../../linux/calls.ts";
import type { DecisionLeaf } from "../decision.ts";
import { enumerate, spanOf, type View } from "./view.ts";

/** Frequent calls whose manual pages list no EINTR, or only for slow devices. */
export const unprepared: readonly string[] = [
  "open",
  "openat",
  "close",
  "stat",
  "lstat",
  "fstat",
  "newfstatat",
  "statx",
  "access",
  "faccessat",
  "faccessat2",
  "readlink",
  "readlinkat",
  "getdents64",
  "lseek",
  "fcntl",
  "ioctl",
  "unlink",
  "unlinkat",
  "mmap",
  "munmap",
  "mprotect",
  "madvise",
  "brk",
  "rt_sigaction",
  "rt_sigprocmask",
  "clock_gettime",
  "gettimeofday",
  "getpid",
  "gettid",
];

export function findInterrupted(view: View): Diagnostic[] {
  const found = unprepared.filter(
    (name) => !readsMemory(view, name) && isSupervised(view.leavesOf(name)) && isAllowed(view, name),
  );
  if (found.length === 0 || isAboutAllCalls(view)) return [];
  const shown = found.length > 6 ? [...found.slice(0, 5), `${found.length - 5} more`] : found;
  const [them, are] = found.length === 1 ? ["it", "is"] : ["them", "are"];
  return [
    diagnostic(
      "P0608",
      `under notify ${enumerate(shown)} ${are} supervised, and a signal can make ${them} fail with EINTR, which programs do not handle`,
      {
        span: placeOf(view, found[0]!),
        help: "programs whose signal handlers lack SA_RESTART (perl, shells) are affected: decide frequent calls by their arguments alone, or take --engine seccomp-ebpf, which interrupts no call",
      },
    ),
  ];
}

function readsMemory({ program }: View, name: string): boolean {
  const number = numberOf(name, program.architecture);
  return program.observations.some(({ sources }) => sources.some((source) => source.number === number));
}

const isSupervised = (leaves: readonly DecisionLeaf[]): boolean => leaves.some((leaf) => leaf.stateful.length > 0);
const isAllowed = (view: View, name: string): boolean => view.possible(name).some((verdict) => !view.isDenial(verdict));

function isAboutAllCalls(view: View): boolean {
  let [allowed, supervised] = [0, 0];
  for (const number of view.decisions.keys()) {
    const name = view.name(number);
    if (!isAllowed(view, name)) continue;
    allowed++;
    if (isSupervised(view.leavesOf(name))) supervised++;
  }
  return 2 * supervised >= allowed;
}

/** The declaration of the state on which the call depends, or the verdict that it may give. */
function placeOf(view: View, name: string): Span | undefined {
  const { program } = view;
  for (const reason of view.leavesOf(name).flatMap((leaf) => leaf.stateful)) {
    if ("cell" in reason) return spanOf(program, program.cells[reason.cell]!.at);
    if ("table" in reason) return spanOf(program, program.tables[reason.table]!.at);
  }
  const verdict = view.possible(name).find((one) => view.isDenial(one));
  return verdict === undefined ? undefined : view.span(verdict);
}
