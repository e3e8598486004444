/**
 * Runs a check over many seeds. Findings are shrunk and written to build/fuzz; those of a program's run as a policy
 * (finding.ts).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "vitest";
import { campaignSeconds, firstSeed, seeds } from "../../src/ir/testing/seeds.ts";
import type { Run } from "../../src/ir/testing/shrink.ts";
import { describeFinding, writeFinding } from "./finding.ts";

export interface Campaign {
  /** The number of seeds in the part `random`; else a third of it. */
  readonly runs: number;
  /** Throws if the seed fails. */
  readonly check: (seed: number) => void;
  /** Information for debugging a failure that is not a program's run. */
  readonly explain: (seed: number) => string;
}

/** A check of a program's runs, one for each seed. */
export interface RunCampaign {
  readonly runs: number;
  readonly runOf: (seed: number) => Run;
  readonly check: (run: Run) => void;
}

export function runCampaign(name: string, { runs, runOf, check }: RunCampaign): void {
  many(name, runs, (seed) => {
    const run = runOf(seed);
    const fault = faultOf(check, run);
    if (fault === undefined) return;
    const finding = writeFinding(run, { by: name, seed, faultOf: (one) => faultOf(check, one) });
    throw new Error(`${describeFinding(seed, finding)}\nagain: PORTCULLIS_FUZZ_SEED=${seed}`, { cause: fault });
  });
}

function faultOf(check: (run: Run) => void, run: Run): Error | undefined {
  try {
    check(run);
    return undefined;
  } catch (fault) {
    return fault as Error;
  }
}

export function campaign(name: string, { runs, check, explain }: Campaign): void {
  many(name, runs, (seed) => {
    try {
      check(seed);
    } catch (fault) {
      const file = writeFault(name, seed, fault, explain(seed));
      throw new Error(`seed ${seed} (PORTCULLIS_FUZZ_SEED=${seed}), written to ${file}`, { cause: fault });
    }
  });
}

function many(name: string, runs: number, once: (seed: number) => void): void {
  test(name, () => {
    let count = 0;
    for (const seed of seeds(runs, Math.ceil(runs / 3))) {
      once(seed);
      count++;
    }
    if (campaignSeconds > 0) console.log(`${name}: ${count} seeds from ${firstSeed}`);
  });
}

function writeFault(name: string, seed: number, fault: unknown, explanation: string): string {
  const folder = "build/fuzz";
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${name.replaceAll(/[^a-z0-9]+/gi, "-")}-${seed}.txt`;
  writeFileSync(file, `${name}, seed ${seed}\n\n${fault}\n\n${explanation}\n`);
  return file;
}
