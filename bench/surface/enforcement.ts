/**
 * A server under a policy that was proposed from its recordings, with another order and other names of the load than the
 * recordings have: what the policy refuses, and what it costs.
 */
import { existsSync, readFileSync } from "node:fs";
import { amount, isSmoke } from "../support/amount.ts";
import { median, type Pairs, pairs } from "../support/pairs.ts";
import { processorTime } from "./processor-time.ts";
import { load, type Running, start } from "./recording.ts";
import { isInstalled, type Server } from "./server.ts";

export interface Enforcement {
  /** Parts of the load that failed, with the reason. */
  readonly failed: readonly string[];
  /** Calls that the policy refused, each with its place in the policy: "listen at p.ts:4:2". */
  readonly refused: readonly string[];
  /** io_uring, which portcullis refuses before it evaluates the policy, so that programs do without. */
  readonly fallbacks: number;
  /** Under the policy and without; undefined if the generator of the load is not installed. */
  readonly rates: Rates | undefined;
}

/** Two measures of the same bursts. The second depends less on what else the machine does. */
export interface Rates {
  readonly perSecond: Pairs;
  /** Of all processes of the server, and of the supervisor. */
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
  const rates = isInstalled(server.generator[1]) ? await compare(server, prefix) : undefined;
  const decisions = readEvents(events).filter(({ kind }) => kind === "decision");
  const isFallback = ({ call = "" }: Decision) => call.startsWith("io_uring_");
  return {
    failed,
    refused: [...new Set(decisions.filter((one) => !isFallback(one)).map(describe))],
    fallbacks: decisions.filter(isFallback).length,
    rates,
  };
}

/** Compares two servers that have done nothing before. */
async function compare(server: Server, prefix: readonly string[]): Promise<Rates> {
  const guarded = await start(server, { seed: otherSeed, prefix });
  try {
    const plain = await start(server, { seed: otherSeed, prefix: [], isSecond: true });
    const perProcessor = { guarded: [] as number[], plain: [] as number[] };
    const measure = (running: Running, list: number[]) => () => {
      const [started, spent] = [performance.now(), processorTime(running.pid)];
      const requests = running.instance.burst();
      list.push((1e9 * requests) / (processorTime(running.pid) - spent));
      return (1000 * requests) / (performance.now() - started);
    };
    try {
      const perSecond = await pairs(
        amount(15, 1),
        measure(guarded, perProcessor.guarded),
        measure(plain, perProcessor.plain),
      );
      // As in `pairs`, the first is a warm-up.
      const [ours, reference] = [perProcessor.guarded, perProcessor.plain].map((list) => list.slice(isSmoke ? 0 : 1));
      const ratio = median(ours!.map((value, index) => value / reference![index]!));
      return { perSecond, perProcessorSecond: { ours: median(ours!), reference: median(reference!), ratio } };
    } finally {
      await plain.stop();
    }
  } finally {
    await guarded.stop();
  }
}

function readEvents(file: string): readonly Decision[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Decision);
}

function describe({ kind, call, rule, reason }: Decision): string {
  return `${call ?? kind}${rule === undefined ? "" : ` at ${rule}`}${reason === undefined ? "" : `: ${reason}`}`;
}
