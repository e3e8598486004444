/**
 * How many supervised calls return EINTR while a timer interrupts them with a handler without SA_RESTART: in a million
 * calls of getppid under a policy that counts them, against the simplest supervisor in C.
 *
 * A signal ends a call that no supervisor has received yet (kernel/seccomp.c, Linux 6.12); a received one is not ended,
 * from Linux 5.19 on. So what is left is the time from the call to its receipt, which the C supervisor has, too; rows
 * without that flag show what it gains. On `seccomp-ebpf`, and where the filter decides, no call is interrupted.
 */
import { confined, measured, underC } from "./support/confined.ts";
import { pairs, print } from "./support/pairs.ts";

const calls = 20_000;
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
