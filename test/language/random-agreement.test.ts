/** Random policies have one meaning, compiled and as JavaScript. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { SeededChoices } from "../../src/ir/testing/choices.ts";
import { seeds } from "../../src/ir/testing/seeds.ts";
import { firstDifference } from "./agreement.ts";
import { Host } from "./host.ts";
import { randomSource } from "./random-source.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-random-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Undefined if the compiler refuses the policy. */
function difference(seed: number, text: string): { readonly found: string | undefined } | undefined {
  const path = join(folder, "policy.ts");
  writeFileSync(path, text);
  const { program, diagnostics } = loadPolicy(path, { architecture: "x86_64" });
  expect(diagnostics.filter((one) => one.code === "P0399")).toEqual([]);
  if (program === undefined) return undefined;
  expect(checkProgram(program)).toEqual([]);
  try {
    const host = new Host(path, "x86_64");
    return { found: firstDifference(program, host, seed, 60) ?? firstDifference(program, host, seed + 1, 60) };
  } catch (error) {
    return { found: `JavaScript throws: ${error}` };
  }
}

it("random policies agree with JavaScript", () => {
  let accepted = 0;
  let all = 0;
  for (const seed of seeds(150)) {
    all++;
    const text = randomSource(new SeededChoices(seed));
    const outcome = difference(seed, text);
    if (outcome === undefined) continue;
    accepted++;
    if (outcome.found !== undefined) {
      const place = join(import.meta.dirname, "../../build/fuzz");
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `source-${seed}.ts`), text);
      expect.fail(`build/fuzz/source-${seed}.ts: ${outcome.found}`);
    }
  }
  // A generator whose policies are refused tests nothing.
  expect(accepted).toBeGreaterThan(all / 4);
});
