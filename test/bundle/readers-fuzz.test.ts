/**
 * Compares the two readers of bundles on changed bundles with a correct digest: neither crashes, hangs or reads out of
 * bounds, and the launcher's accepts every bundle that the other accepts; a bundle that only the launcher's accepts
 * differs in parts that it does not use. 4,000 bundles; 1,000,000 in the part `random`. The launcher itself, with a few
 * that it accepts, ends with a message or runs the command.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SeededChoices } from "../../src/ir/testing/choices.ts";
import { campaignSeconds, firstSeed } from "../../src/ir/testing/seeds.ts";
import { bundleOptions } from "../support/bundle.ts";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { buildReader, isAccepted, mutate, originals, readHere, readInC } from "./readers.ts";
import type { CampaignOptions, CampaignResult } from "./readers-campaign.ts";

const mutations = runs("random") ? 1_000_000 : 4_000;
const processes = 2;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-readers-"));
  buildReader(join(folder, "reader"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const inC = (bundles: readonly Uint8Array[]) => readInC(join(folder, "reader"), bundles, patience.command);

describe("both readers of bundles", () => {
  const whole = originals();

  it("accept the writer's output, and give its parameters the same words", () => {
    const here = whole.map((bytes) => readHere(bytes));
    for (const one of here) expect(one).toMatch(/^ok\b/);
    expect(inC(whole)).toEqual(here);
  });

  it(`agree on ${mutations} changed bundles`, { timeout: patience.machineTest }, async () => {
    const program = "build/test/readers-campaign.mjs";
    await build({
      ...bundleOptions,
      entryPoints: ["test/bundle/readers-campaign.ts"],
      outfile: program,
      format: "esm",
      packages: "external",
    });
    const campaign = async (index: number) => {
      const options: CampaignOptions = {
        reader: join(folder, "reader"),
        first: firstSeed + index * 2 ** 29,
        mutations: mutations / processes,
        seconds: campaignSeconds,
        timeout: patience.command,
      };
      const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(options)]);
      return JSON.parse(stdout) as CampaignResult;
    };
    const results = await Promise.all(Array.from({ length: processes }, (_, index) => campaign(index)));
    for (const { fault } of results) expect(fault).toBeUndefined();
    const sum = (count: (one: CampaignResult) => number) => results.reduce((all, one) => all + count(one), 0);
    const [all, accepted] = [sum((one) => one.mutations), sum((one) => one.accepted)];
    console.log(`seeds from ${firstSeed}: ${all} bundles, ${accepted} accepted`, results[0]!.reasons);
    expect(all).toBeGreaterThanOrEqual(mutations);
    // Both results must occur, and of each side many errors, otherwise the comparison is meaningless.
    expect(accepted).toBeGreaterThan(all / 50);
    expect(accepted).toBeLessThan(all * 0.9);
    for (const { reasons } of results) {
      expect(reasons.here).toBeGreaterThan(30);
      expect(reasons.inC).toBeGreaterThan(30);
    }
  });

  it("leave bundles to the launcher that end with a message or with the command", () => {
    const choices = new SeededChoices(firstSeed);
    const changed = Array.from({ length: campaignSeconds > 0 ? 4000 : 400 }, () => mutate(whole, choices));
    const results = inC(changed);
    const accepted = changed.filter((_, index) => isAccepted(results[index]!));
    expect(accepted.length).toBeGreaterThan(changed.length / 5);
    const file = join(folder, "changed.pcl");
    for (const bytes of accepted) {
      writeFileSync(file, bytes);
      const { status, signal, stderr } = spawnSync(`dist/native/${process.arch}/launcher`, ["run", file, "/bin/true"], {
        encoding: "utf8",
        timeout: patience.command,
      });
      // The policy may deny calls of the command or kill it; the launcher does not crash.
      if (signal !== null) expect(signal).toBe("SIGSYS");
      if (status === 125) expect(stderr).toMatch(/^portcullis: .+/);
    }
  });

  it("reject truncated bundles", () => {
    const bytes = whole[0]!;
    const lengths = Array.from({ length: 400 }, (_, index) => Math.floor((index * bytes.length) / 400));
    const cut = lengths.map((length) => bytes.slice(0, length));
    for (const result of [...inC(cut), ...cut.map((bytes) => readHere(bytes))]) expect(result).not.toMatch(/^ok\b/);
  });
});
