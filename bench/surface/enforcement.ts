/**
 * Runs a server under a policy that was proposed from its recordings, with a load in another order and with other
 * names: the refused calls, and the cost.
 */
import { existsSync, readFileSync } from "node:fs";
import { amount, isSmoke } from "../support/amount.ts";
import { median, type Pairs } from "../support/pairs.ts";
import { processorTime } from "./processor-time.ts";
import { load, type Running, start } from "./recording.ts";
import { isInstalled, type Server } from "./server.ts";

export interface Enforcement {
  /** Parts of the load that failed, with the reason. */
  readonly failed: readonly string[];
  /** Calls that the policy refused, each with its place in the policy: "listen at p.ts:4:2". */
  readonly refused: readonly string[];
  /** io_uring, which portcullis refuses before it evaluates the policy; programs work without it. */
  readonly fallbacks: number;
  /** Undefined if the generator of the load is not installed. */
  readonly rates: { readonly policy: Rates; readonly allowAll: Rates } | undefined;
}

/**
 * Compares a filtered server with one without a filter by two measures of the same bursts. The second depends less on
 * other load of the machine.
 */
export interface Rates {
  readonly perSecond: Pairs;
  /** The processor time of all processes of the server, and of the supervisor. */
  readonly perProcessorSecond: Pairs;
}

interface Decision {
  readonly kind: string;
  readonly call?: string;
  readonly rule?: string;
  readonly reason?: string;
}

/** Seeds of recordings are small numbers. */
const otherSeed = 1001;

/**
 * With --smoke nothing is refused, because the few recorded parts do not suffice.
 *
 * @param events a file that does not exist yet
 */
export async function enforce(server: Server, policy: string, events: string, parts?: number): Promise<Enforcement> {
  const mode = isSmoke ? ["--audit"] : ["--engine", "notify"];
  const prefix = ["bin/portcullis", "run", "-q", ...mode, "--events", events, "-p", policy, "--"];
  const guarded = await start(server, { seed: otherSeed, prefix });
  const failed: string[] = [];
  try {
    await load(guarded, parts, (part, why) => failed.push(`${part}: ${why}`));
  } finally {
    await guarded.stop();
  }
  const rates = isInstalled(server.generator[1])
    ? { policy: await compare(server, prefix), allowAll: await compare(server, ["build/bench/allow_all"]) }
    : undefined;
  const decisions = readEvents(events).filter(({ kind }) => kind === "decision");
  const isFallback = ({ call = "" }: Decision) => call.startsWith("io_uring_");
  return {
    failed,
    refused: [...new Set(decisions.filter((one) => !isFallback(one)).map(describe))],
    fallbacks: decisions.filter(isFallback).length,
    rates,
  };
}

const blocks = amount(10, 1);

/**
 * Compares two fresh servers. The unit is a block of four bursts: ours, theirs, theirs, ours. A server that still works
 * after a burst slows the next one, and in this order both servers have as many bursts after their own as after the
 * other's.
 */
async function compare(server: Server, prefix: readonly string[]): Promise<Rates> {
  const guarded = await start(server, { seed: otherSeed, prefix });
  try {
    const plain = await start(server, { seed: otherSeed, prefix: [], isSecond: true });
    try {
      const found: Record<"ours" | "reference", Burst>[] = [];
      // The first block is a warm-up.
      for (let block = isSmoke ? 1 : 0; block <= blocks; block++) {
        const [first, second] = [burst(guarded), burst(plain)];
        const [third, last] = [burst(plain), burst(guarded)];
        if (block > 0) found.push({ ours: sum(first, last), reference: sum(second, third) });
      }
      const perUnit = (unit: "seconds" | "processorSeconds"): Pairs => {
        const rate = (one: Burst) => one.requests / one[unit];
        return {
          ours: median(found.map(({ ours }) => rate(ours))),
          reference: median(found.map(({ reference }) => rate(reference))),
          ratio: median(found.map(({ ours, reference }) => rate(ours) / rate(reference))),
        };
      };
      return { perSecond: perUnit("seconds"), perProcessorSecond: perUnit("processorSeconds") };
    } finally {
      await plain.stop();
    }
  } finally {
    await guarded.stop();
  }
}

interface Burst {
  readonly requests: number;
  readonly seconds: number;
  readonly processorSeconds: number;
}

function burst({ pid, instance }: Running): Burst {
  const [started, spent] = [performance.now(), processorTime(pid)];
  const requests = instance.burst();
  const processorSeconds = (processorTime(pid) - spent) / 1e9;
  return { requests, seconds: (performance.now() - started) / 1000, processorSeconds };
}

function sum(a: Burst, b: Burst): Burst {
  return {
    requests: a.requests + b.requests,
    seconds: a.seconds + b.seconds,
    processorSeconds: a.processorSeconds + b.processorSeconds,
  };
}

function readEvents(file: string): readonly Decision[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Decision);
}

function describe({ kind, call, rule, reason }: Decision): string {
  return `${call ?? kind}${rule === undefined ? "" : ` at ${rule}`}${reason === undefined ? "" : `: ${reason}`}`;
}
