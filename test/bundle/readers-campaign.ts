/**
 * Compares the readers of bundles on many changed bundles, in a process of its own: bundled, the code takes half the time
 * that vitest's transformed modules take.
 *
 *     node readers-campaign.mjs '{"reader":"…","first":0,"mutations":1000000,"timeout":300000}'
 *
 * Prints one line of JSON. A bundle that a reader fails on, or on which they disagree, is written to build/fuzz.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { disagreement, isAccepted, mutate, originals, readHere, readInC } from "./readers.ts";

export interface CampaignOptions {
  /** The C side. */
  readonly reader: string;
  /** The seed. */
  readonly first: number;
  readonly mutations: number;
  /** Runs at least that long. */
  readonly seconds: number;
  /** Milliseconds after which the C side hangs on a batch. */
  readonly timeout: number;
}

export interface CampaignResult {
  readonly mutations: number;
  /** How many both readers accepted. */
  readonly accepted: number;
  /** The number of results for people, of each side: how many checks were reached. */
  readonly reasons: { readonly here: number; readonly inC: number };
  readonly fault?: string;
}

const batch = 2000;

function faultOn(bytes: Uint8Array, name: string, what: string): string {
  mkdirSync("build/fuzz", { recursive: true });
  const file = `build/fuzz/bundle-${name}.pcl`;
  writeFileSync(file, bytes);
  return `${file}: ${what}`;
}

function campaign({ reader, first, mutations, seconds, timeout }: CampaignOptions): CampaignResult {
  const bundles = originals();
  const choices = new SeededChoices(first);
  const end = Date.now() + seconds * 1000;
  const reasons = { here: new Set<string>(), inC: new Set<string>() };
  let [all, accepted] = [0, 0];
  const result = (fault?: string): CampaignResult => ({
    mutations: all,
    accepted,
    reasons: { here: reasons.here.size, inC: reasons.inC.size },
    ...(fault === undefined ? {} : { fault }),
  });
  while (all < mutations || Date.now() < end) {
    const changed = Array.from({ length: batch }, () => mutate(bundles, choices));
    let inC: readonly string[];
    try {
      inC = readInC(reader, changed, timeout);
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout?: Buffer; readonly stderr?: Buffer };
      const done = `${stdout}`.split("\n").length - 1;
      return result(faultOn(changed[done]!, `${first}-${all + done}`, `C: ${error}\n${stderr}`));
    }
    for (const [index, bytes] of changed.entries()) {
      const name = `${first}-${all}`;
      let here: string;
      try {
        // The text takes longer than the reader.
        here = readHere(bytes, index % 8 === 0);
      } catch (error) {
        return result(faultOn(bytes, name, `TypeScript: ${error instanceof Error ? error.stack : error}`));
      }
      const wrong = disagreement(here, inC[index]);
      if (wrong !== undefined) return result(faultOn(bytes, name, wrong));
      all += 1;
      if (isAccepted(here) && isAccepted(inC[index]!)) accepted += 1;
      reasons.here.add(here.replace(/\d+|ok.*|, [\w-]+$/g, ""));
      reasons.inC.add(inC[index]!.replace(/ok.*/, ""));
    }
  }
  return result();
}

console.log(JSON.stringify(campaign(JSON.parse(process.argv[2]!) as CampaignOptions)));
