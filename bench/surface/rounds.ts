/**
 * Compares the rates of a server under several prefixes of words. All of them run at the same time and have bursts by
 * turns, in an order that reverses from round to round, so that each comes as often before another as after it. Within a
 * round, the machine's other work is about the same for all. So ratios are computed for each round; the result is their
 * median.
 */
import { amount, isSmoke } from "../support/amount.ts";
import { median, type Pairs } from "../support/pairs.ts";
import { processorTime } from "./processor-time.ts";
import { onProcessor } from "./processors.ts";
import { type Running, start } from "./recording.ts";
import type { Server } from "./server.ts";

/** A server against that of the first form, by two measures. The second depends less on the machine's other work. */
export interface Rates {
  readonly perSecond: Pairs;
  /** Requests for a second of processor time of all the server's processes and the supervisor. */
  readonly perProcessorSecond: Pairs;
}

interface Burst {
  readonly requests: number;
  readonly seconds: number;
  readonly processorSeconds: number;
}

/** Seeds of recordings are small numbers. */
export const otherSeed = 1001;

/** One round is two bursts of each form. */
const usualRounds = amount(10, 1);

/**
 * @param forms by name, the words before the server's own; the first form is the reference, the second has the folder
 * of the recordings, whose paths a proposed policy has
 */
export async function compareForms<Form extends string>(
  server: Server,
  forms: Readonly<Record<Form, readonly string[]>>,
  rounds = usualRounds,
): Promise<Readonly<Record<Form, Rates>>> {
  const names = Object.keys(forms) as Form[];
  const running: Running[] = [];
  try {
    for (const [index, name] of names.entries()) {
      const prefix = [...onProcessor("server"), ...forms[name]];
      const nth = index === 0 ? names.length : index;
      running.push(await start(server, { seed: otherSeed, prefix, nth }));
    }
    const found = names.map((): Burst[] => []);
    // The first round is a warm-up.
    for (let round = isSmoke ? 1 : 0; round <= rounds; round++) {
      const bursts = running.map((one) => ({ one, parts: [] as Burst[] }));
      // A server that works on after a burst is slower in the next one: each has as many after one neighbour as after the other.
      for (const { one, parts } of [...bursts, ...bursts.toReversed()]) parts.push(burst(one));
      if (round > 0) for (const [index, { parts }] of bursts.entries()) found[index]!.push(sum(parts));
    }
    const reference = found[0]!;
    const entries = names.map((name, index) => [name, ratesOf(found[index]!, reference)] as const);
    return Object.fromEntries(entries) as Record<Form, Rates>;
  } finally {
    for (const one of running) await one.stop();
  }
}

function ratesOf(ours: readonly Burst[], reference: readonly Burst[]): Rates {
  const perUnit = (unit: "seconds" | "processorSeconds"): Pairs => {
    const rate = (one: Burst) => one.requests / one[unit];
    return {
      ours: median(ours.map(rate)),
      reference: median(reference.map(rate)),
      ratio: median(ours.map((one, index) => rate(one) / rate(reference[index]!))),
    };
  };
  return { perSecond: perUnit("seconds"), perProcessorSecond: perUnit("processorSeconds") };
}

function burst({ pid, instance }: Running): Burst {
  const [started, spent] = [performance.now(), processorTime(pid)];
  const requests = instance.burst();
  const processorSeconds = (processorTime(pid) - spent) / 1e9;
  return { requests, seconds: (performance.now() - started) / 1000, processorSeconds };
}

function sum(parts: readonly Burst[]): Burst {
  const total = (unit: keyof Burst) => parts.reduce((all, part) => all + part[unit], 0);
  return { requests: total("requests"), seconds: total("seconds"), processorSeconds: total("processorSeconds") };
}
