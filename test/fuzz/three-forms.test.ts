/**
 * Random policies and random process trees: the interpreter, WebAssembly and eBPF on the running kernel agree on
 * verdicts, reports and state after every step. 150 policies of 500 steps each, with fixed seeds; 3,000 in the part `random`.
 * PORTCULLIS_EBPF_POLICIES sets another number. PORTCULLIS_FUZZ_REPLAY names a file of a finding to replay.
 */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { campaignSeconds, firstSeed } from "../../src/ir/testing/seeds.ts";
import { runs } from "../support/parts.ts";
import type { CampaignOptions, CampaignResult } from "./three-forms-campaign.ts";

const policies = Number(process.env["PORTCULLIS_EBPF_POLICIES"] ?? (runs("random") ? 3000 : 150));
const steps = 500;
const replay = process.env["PORTCULLIS_FUZZ_REPLAY"];
const processes = 2;

const program = "build/test/three-forms-campaign.mjs";

async function run(options: CampaignOptions): Promise<CampaignResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(options)]);
  return JSON.parse(stdout) as CampaignResult;
}

test(`${policies} random policies, ${steps} steps each, in three forms`, async (context) => {
  if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
  mkdirSync("build/test", { recursive: true });
  await build({
    entryPoints: ["test/fuzz/three-forms-campaign.ts"],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    logLevel: "warning",
  });
  if (replay !== undefined) {
    expect((await run({ first: 0, policies: 1, steps, replay })).fault).toBeUndefined();
    return;
  }
  const share = Math.ceil(policies / processes);
  const results = await Promise.all(
    Array.from({ length: processes }, (_, index) =>
      campaignSeconds > 0
        ? run({ first: firstSeed + index * 2 ** 29, policies: 0, steps, seconds: campaignSeconds })
        : run({ first: firstSeed + index * share, policies: share, steps }),
    ),
  );
  const judged = results.reduce((sum, result) => sum + result.judged, 0);
  console.log(
    `seeds from ${firstSeed}: ${results.map((result) => result.policies).join(" + ")} policies, ${judged} calls judged`,
  );
  for (const { fault } of results)
    if (fault !== undefined) throw new Error(`${fault.message}\nagain: PORTCULLIS_FUZZ_REPLAY=${fault.file}`);
  expect(judged).toBeGreaterThan(steps * 10 * processes);
});
