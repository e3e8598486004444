/**
 * Counts the supervised calls that return EINTR while a timer interrupts them with a handler without SA_RESTART: in a
 * million calls of getppid under a counting policy. The limit is 0. For comparison: the simplest supervisor in C, whose calls a
 * signal interrupts until it has received them, or, without that flag, until it has answered (kernel/seccomp.c, Linux 6.18).
 *
 * Then the cost: portcullis traces a process that catches signals (src/engines/notify/signal-stops.ts). The time of a signal
 * with a handler, and of a fork, against the C supervisor, which does not trace.
 */

import { amount } from "./support/amount.ts";
import { confined, measured, underC } from "./support/confined.ts";
import { pairs, print } from "./support/pairs.ts";

const calls = amount(20_000, 200);
const program = "build/bench/interrupted";
const interrupted = (microseconds: number, processes = 1) => [program, `${calls}`, `${microseconds}`, `${processes}`];
const row = { bench: "eintr", unit: "of 1,000,000 calls" } as const;
const policy = "bench/policies/counting.ts";

for (const [milliseconds, processes] of [
  [10, 1],
  [1, 1],
  [0.3, 1],
  [1, 4],
] as const) {
  const command = interrupted(milliseconds * 1000, processes);
  const ours = () => measured(confined(policy, command));
  const where = `a signal each ${milliseconds} ms${processes === 1 ? "" : `, ${processes} processes at once`}`;
  const counts = await pairs(9, ours, () => measured(underC(command, "--killable")));
  print({ ...row, case: where, ours: counts.ours, reference: counts.reference, limit: "≤ 0" });
  if (processes > 1) continue;
  const withoutFlag = () => measured(underC(command));
  const withFlag = () => measured(underC(command, "--killable"));
  const what = `${where}: the C supervisor without the flag`;
  print({ ...row, case: what, ...(await pairs(9, withoutFlag, withFlag)), informative: true });
}
print({ ...row, case: "a signal each ms, no filter", ours: measured(interrupted(1000)), informative: true });

for (const [what, turns] of [
  ["signal", amount(20_000, 200)],
  ["fork", amount(2000, 20)],
] as const) {
  const command = [program, what, `${turns}`];
  const costs = await pairs(
    9,
    () => measured(confined(policy, command)),
    () => measured(underC(command, "--killable")),
  );
  print({
    bench: "eintr",
    unit: "µs",
    case: `a ${what} of a process that catches signals`,
    ...costs,
    informative: true,
  });
}
