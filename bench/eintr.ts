/**
 * Counts the supervised calls that return EINTR while a timer interrupts them with a handler without SA_RESTART: in a
 * million calls of getppid under a counting policy, against the simplest supervisor in C.
 *
 * A signal interrupts a call that the supervisor has not received yet (kernel/seccomp.c, Linux 6.12); from Linux 5.19
 * on it does not interrupt a received call. The remaining window, from the call to its receipt, also exists for the C
 * supervisor; rows without that flag show its effect. `seccomp-ebpf` and the classic filter interrupt no calls.
 */

import { amount } from "./support/amount.ts";
import { confined, measured, underC } from "./support/confined.ts";
import { pairs, print } from "./support/pairs.ts";

const calls = amount(20_000, 200);
const interrupted = (microseconds: number, processes = 1) => [
  "build/bench/interrupted",
  `${calls}`,
  `${microseconds}`,
  `${processes}`,
];
const row = { bench: "eintr", unit: "of 1,000,000 calls", informative: true } as const;

for (const [milliseconds, processes] of [
  [10, 1],
  [1, 1],
  [1, 4],
] as const) {
  const command = interrupted(milliseconds * 1000, processes);
  const ours = () => measured(confined("bench/policies/counting.ts", command));
  const where = `a signal each ${milliseconds} ms${processes === 1 ? "" : `, ${processes} processes at once`}`;
  print({ ...row, case: where, ...(await pairs(9, ours, () => measured(underC(command, "--killable")))) });
  if (processes > 1) continue;
  const withoutFlag = () => measured(underC(command));
  const withFlag = () => measured(underC(command, "--killable"));
  print({ ...row, case: `${where}: the C supervisor without the flag`, ...(await pairs(9, withoutFlag, withFlag)) });
}
print({ ...row, case: "a signal each ms, no filter", ours: measured(interrupted(1000)) });
