/** The frequent calls of a server that serves, so that they can be made without the server: on descriptors that are not open. */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { callByNumber } from "../../src/abi/calls.ts";
import type { CallEvent } from "../../src/traces/trace.ts";
import { ruleFor } from "./profile.ts";

const descriptor = /^(?:fd|sockfd|epfd|out_fd|dfd)$/;
/** Standard input and output are open. */
const leastClosed = 3n;
/** The largest number of distinct calls; a series has at least one of each. */
const most = 60;
const series = 1000;

export interface Mix {
  /** For bench/reference/mixed.c. */
  readonly lines: string;
  /** The part of the calls that it stands for. */
  readonly share: number;
}

/** Arguments that no list has are 0. */
export function mixOf(calls: readonly CallEvent[], architecture: ArchitectureName): Mix {
  const counts = new Map<string, number>();
  for (const call of calls) {
    const first = callByNumber(architecture, call.number)?.parameters[0]?.name ?? "";
    const rule = ruleFor(call, architecture);
    const fd = call.arguments[0]!.value;
    if (rule === undefined || !descriptor.test(first) || fd < leastClosed || fd >= 1n << 16n) continue;
    const compared = new Set(rule.comparisons.map(({ index }) => index));
    const words = call.arguments.map(({ value }, index) => (compared.has(index) ? BigInt.asIntN(64, value) : 0n));
    const key = `${call.number} ${words.join(" ")}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const chosen = [...counts].sort(([, a], [, b]) => b - a).slice(0, most);
  const total = chosen.reduce((sum, [, count]) => sum + count, 0);
  const lines = chosen.map(([key, count]) => `${key} ${Math.max(1, Math.round((series * count) / total))}\n`);
  return { lines: lines.join(""), share: total / calls.length };
}
