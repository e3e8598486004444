/**
 * Runs a check over many seeds. In the tests that is a fixed number of them, always the same; with
 * PORTCULLIS_FUZZ_SECONDS (`make fuzz`) it goes on for so long, from a seed that is new each time or is named by
 * PORTCULLIS_FUZZ_SEED.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "vitest";
import { patience } from "../support/patience.ts";

export interface Campaign {
  /** Seeds 0 … runs − 1 in the tests. */
  readonly runs: number;
  /** Throws where the seed shows a fault. */
  readonly check: (seed: number) => void;
  /** What somebody who looks into that fault wants to read: the program, the trace. */
  readonly explain: (seed: number) => string;
}

const seconds = Number(process.env["PORTCULLIS_FUZZ_SECONDS"] ?? 0);
const givenSeed = process.env["PORTCULLIS_FUZZ_SEED"];

export function campaign(name: string, { runs, check, explain }: Campaign): void {
  test(
    name,
    () => {
      const first = givenSeed !== undefined ? Number(givenSeed) : seconds > 0 ? (Math.random() * 2 ** 31) | 0 : 0;
      const end = Date.now() + seconds * 1000;
      if (seconds > 0) console.log(`${name}: from seed ${first}, ${seconds} s`);
      let seed = first;
      do {
        try {
          check(seed);
        } catch (fault) {
          const file = writeFault(name, seed, fault, explain(seed));
          throw new Error(`seed ${seed} (PORTCULLIS_FUZZ_SEED=${seed}), written to ${file}`, { cause: fault });
        }
        seed++;
      } while (seconds > 0 ? Date.now() < end : seed < first + runs);
      if (seconds > 0) console.log(`${name}: ${seed - first} seeds`);
    },
    seconds * 1000 + patience.test,
  );
}

function writeFault(name: string, seed: number, fault: unknown, explanation: string): string {
  const folder = "build/fuzz";
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${name.replaceAll(/[^a-z0-9]+/gi, "-")}-${seed}.txt`;
  writeFileSync(file, `${name}, seed ${seed}\n\n${fault}\n\n${explanation}\n`);
  return file;
}
