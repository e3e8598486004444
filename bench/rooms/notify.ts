/**
 * Measures rooms on the engine `notify` against plain supervised calls: getppid alone in its room, and getppid against
 * getpgrp, which another thread makes all the time.
 */
import { amount } from "../support/amount.ts";
import { callers, confined, measured } from "../support/confined.ts";
import { compare, pairs, print } from "../support/pairs.ts";

const bench = "rooms";

export async function measureNotify(): Promise<void> {
  const calls = amount(50_000, 100);
  const each = (policy: string) => () => measured(confined(`bench/policies/${policy}.ts`, callers(calls))) / calls;
  await compare({
    bench,
    case: "notify: a room that no other call wants, against a counting policy",
    unit: "ns/call",
    limit: "≤ 2.2",
    ours: each("rooms"),
    reference: each("counting"),
  });

  const turns = amount(5_000, 50);
  const contending = (...words: readonly string[]) => ["build/bench/contending", `${turns}`, ...words];
  const twice = 2 * turns;
  const contended = () => measured(confined("bench/policies/rooms.ts", contending())) / twice;
  const row = { bench, unit: "ns/call", informative: true } as const;
  const lockedAndCounted = () => measured(confined("bench/policies/counting-two.ts", contending("lock"))) / twice;
  print({
    ...row,
    case: "notify: two threads contend, against counted calls under a pthread_rwlock_t",
    ...(await pairs(9, contended, lockedAndCounted)),
  });
  const floor = () => measured(["build/bench/rooms", ...contending()]) / twice;
  print({
    ...row,
    case: "notify: two threads contend, against the least that a supervisor in C can do",
    ...(await pairs(9, contended, floor)),
  });
  const locked = () => measured(contending("lock")) / twice;
  print({
    ...row,
    case: "notify: two threads contend, against calls under a pthread_rwlock_t without a policy",
    ...(await pairs(9, contended, locked)),
  });
}
