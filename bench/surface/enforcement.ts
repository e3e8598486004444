/**
 * Measures a server under a policy that was proposed from its recordings, under a load with another order and other names:
 * the refused calls, the supervisor's judgements, and the cost.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isSmoke } from "../support/amount.ts";
import { load, type Running, start } from "./recording.ts";
import { compareForms, otherSeed, type Rates } from "./rounds.ts";
import { isInstalled, type Server } from "./server.ts";

export interface Enforcement {
  /** Parts of the load that failed, with the reason. */
  readonly failed: readonly string[];
  /** Calls that the policy refused, each with its place in the policy: "listen at p.ts:4:2". */
  readonly refused: readonly string[];
  /** io_uring, which portcullis refuses before it evaluates the policy; programs work without it. */
  readonly fallbacks: number;
  /** Undefined if the generator of the load is not installed. */
  readonly rates: EnforcedRates | undefined;
}

/** Against a server without a filter. */
export interface EnforcedRates {
  readonly policy: Rates;
  /** Under the smallest filter, which allows every call: the kernel's cost for any filter. */
  readonly allowAll: Rates;
  /** Without a filter as well: the noise of the measurement. */
  readonly none: Rates;
  /** The supervisor's judgements while the generator loads the server. */
  readonly judged: { readonly calls: number; readonly requests: number };
}

interface Decision {
  readonly kind: string;
  readonly call?: string;
  readonly rule?: string;
  readonly reason?: string;
}

/** With --smoke nothing is refused, because the few recorded parts do not suffice. */
const mode = isSmoke ? ["--audit"] : ["--engine", "notify"];

/**
 * Puts the whole load, or the first parts of it, on a server under the policy.
 *
 * @param events a file that does not exist yet
 */
export async function enforce(server: Server, policy: string, events: string, parts?: number): Promise<Enforcement> {
  const guarded = await start(server, { seed: otherSeed, prefix: under(policy, "--events", events) });
  const failed: string[] = [];
  try {
    await load(guarded, parts, (part, why) => failed.push(`${part}: ${why}`));
  } finally {
    await guarded.stop();
  }
  const decisions = readEvents(events).filter(({ kind }) => kind === "decision");
  const isFallback = ({ call = "" }: Decision) => call.startsWith("io_uring_");
  return {
    failed,
    refused: [...new Set(decisions.filter((one) => !isFallback(one)).map(describe))],
    fallbacks: decisions.filter(isFallback).length,
    rates: isInstalled(server.generator[1]) ? await ratesOf(server, policy) : undefined,
  };
}

/** Loads servers with the generator alone, which must be installed. */
export async function ratesOf(server: Server, policy: string, rounds?: number): Promise<EnforcedRates> {
  const forms = { reference: [], policy: under(policy), allowAll: ["build/bench/allow_all"], none: [] };
  const judged = await judgedCalls(server, policy);
  const { policy: own, allowAll, none } = await compareForms(server, forms, rounds);
  return { policy: own, allowAll, none, judged };
}

function under(policy: string, ...options: readonly string[]): readonly string[] {
  return ["bin/portcullis", "run", "-q", ...mode, ...options, "-p", policy, "--"];
}

/** Milliseconds. The supervisor writes its counts once a second. */
const period = 1100;

async function judgedCalls(server: Server, policy: string): Promise<EnforcedRates["judged"]> {
  const socket = `${policy}.socket`;
  const guarded: Running = await start(server, { seed: otherSeed, prefix: under(policy, "--status", socket) });
  const count = async (): Promise<number> => {
    await sleep(period);
    const words = ["top", "--json", "-n", "1", socket];
    return (JSON.parse(execFileSync("bin/portcullis", words, { encoding: "utf8" })) as { calls: number }).calls;
  };
  try {
    // A worker's work for its first connections is not serving yet.
    guarded.instance.burst();
    const before = await count();
    const requests = guarded.instance.burst();
    return { calls: (await count()) - before, requests };
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
