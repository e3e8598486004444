/**
 * Measures a followed fork: fork, exit and wait under a policy with state per process, whose supervisor must know of each
 * child; by one process, and by four at once, whose forks overlap. The reference is a policy that follows no process.
 * With --against=FOLDER it is the same policy under the portcullis of another checkout.
 */
import { amount, other } from "./support/amount.ts";
import { confined, measured } from "./support/confined.ts";
import { compare } from "./support/pairs.ts";

const forks = amount(2_000, 20);
const followed = "bench/policies/counting-each.ts";

for (const parents of [1, 4]) {
  const command = ["build/bench/forks", `${forks}`, `${parents}`];
  const each = (words: readonly string[]) => () => measured(words) / forks / parents;
  const ours = each(confined(followed, command));
  const shape = { bench: "forks", unit: "ns/fork", ours };
  const by = parents === 1 ? "one process" : `${parents} processes at once`;
  if (other === undefined) {
    await compare({
      ...shape,
      case: `a followed fork against one that is not followed, ${by}`,
      reference: each(confined("bench/policies/counting.ts", command)),
    });
  } else {
    await compare({
      ...shape,
      case: `a followed fork against ${other}, ${by}`,
      limit: "≤ 1.3",
      reference: each(confined(followed, command, other)),
    });
  }
}
