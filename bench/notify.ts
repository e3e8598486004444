/**
 * Measures one supervised call: getppid under a counting policy, against the simplest supervisor in C that does the
 * same (bench/reference/supervisor.c), both with the synchronous wake-up (Linux 6.6).
 */

import { amount } from "./support/amount.ts";
import { callers, confined, measured, underC } from "./support/confined.ts";
import { compare, pairs, print } from "./support/pairs.ts";

const calls = amount(50_000, 100);
const command = callers(calls);
const each = (words: readonly string[]) => () => measured(words) / calls;

await compare({
  bench: "notify",
  case: "a counting policy against the C supervisor",
  unit: "ns/call",
  limit: "≤ 1.3",
  ours: each(confined("bench/policies/counting.ts", command)),
  reference: each(underC(command)),
});

const informative = true as const;
const row = { bench: "notify", unit: "ns/call", informative };
print({
  ...row,
  case: "a policy that follows each process",
  ...(await pairs(15, each(confined("bench/policies/counting-each.ts", command)), each(underC(command)))),
});
/**
 * Without the flag the kernel wakes the other side on any processor: almost free on the caller's own, and an
 * inter-processor interrupt in each direction on another. The choice varies, so this benchmark forces both, and also
 * measures the free choice.
 */
const few = amount(2_000, 100);
const onProcessor = (processor: number, words: readonly string[]) => [
  "/usr/bin/taskset",
  "-c",
  `${processor}`,
  ...words,
];
const asynchronous = {
  "as the kernel places it": underC(callers(few), "--asynchronous"),
  "on the caller's processor": onProcessor(0, underC(callers(few), "--asynchronous")),
  "on another processor": onProcessor(0, underC(onProcessor(1, callers(few)), "--asynchronous")),
};
for (const [placed, words] of Object.entries(asynchronous)) {
  print({
    ...row,
    case: `the C supervisor without the synchronous wake-up, ${placed}`,
    ...(await pairs(15, () => measured(words) / few, each(underC(command)))),
  });
}
print({ ...row, case: "no filter", ...(await pairs(15, each(command), each(underC(command)))) });
