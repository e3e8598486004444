/**
 * Runs a check over many seeds. In the tests that is a fixed number of them, always the same; with
 * PORTCULLIS_FUZZ_SECONDS (`make fuzz`) it goes on for so long, from a seed that is new each time or is named by
 * PORTCULLIS_FUZZ_SEED. What it finds is made small and written to build/fuzz, as a policy where it is a program's run
 * (finding.ts).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "vitest";
import type { Run } from "../../src/ir/testing/shrink.ts";
import { patience } from "../support/patience.ts";
import { describeFinding, writeFinding } from "./finding.ts";

export interface Campaign {
  /** Seeds 0 … runs − 1 in the tests. */
  readonly runs: number;
  /** Throws where the seed shows a fault. */
  readonly check: (seed: number) => void;
  /** What somebody who looks into that fault wants to read, where it is no run. */
  readonly explain: (seed: number) => string;
}

/** A check of a program's runs, each of which a seed makes. */
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

const seconds = Number(process.env["PORTCULLIS_FUZZ_SECONDS"] ?? 0);
const givenSeed = process.env["PORTCULLIS_FUZZ_SEED"];

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

/** Shrinking what was found may take as long again. */
const timeToShrink = 300_000;

function many(name: string, runs: number, once: (seed: number) => void): void {
  test(
    name,
    () => {
      const first = givenSeed !== undefined ? Number(givenSeed) : seconds > 0 ? (Math.random() * 2 ** 31) | 0 : 0;
      const end = Date.now() + seconds * 1000;
      if (seconds > 0) console.log(`${name}: from seed ${first}, ${seconds} s`);
      let seed = first;
      do {
        once(seed);
        seed++;
      } while (seconds > 0 ? Date.now() < end : seed < first + runs);
      if (seconds > 0) console.log(`${name}: ${seed - first} seeds`);
    },
    seconds * 1000 + patience.test + timeToShrink,
  );
}

function writeFault(name: string, seed: number, fault: unknown, explanation: string): string {
  const folder = "build/fuzz";
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${name.replaceAll(/[^a-z0-9]+/gi, "-")}-${seed}.txt`;
  writeFileSync(file, `${name}, seed ${seed}\n\n${fault}\n\n${explanation}\n`);
  return file;
}
