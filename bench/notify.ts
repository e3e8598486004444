/**
 * One supervised call: getppid under a policy that counts, against the simplest supervisor in C that does the same
 * (bench/reference/supervisor.c), both with the synchronous wake-up (Linux 6.6).
 */
import { callers, confined, measured, underC } from "./support/confined.ts";
import { compare, pairs, print } from "./support/pairs.ts";

const calls = 50_000;
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
const few = 5_000;
print({
  ...row,
  case: "the C supervisor without the synchronous wake-up",
  ...(await pairs(15, () => measured(underC(callers(few), "--asynchronous")) / few, each(underC(command)))),
});
print({ ...row, case: "no filter", ...(await pairs(15, each(command), each(underC(command)))) });
