/** The ready policies, under calls that their own conditions are made of: all forms agree on them, too. */
import { readdirSync } from "node:fs";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateTrace, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { loadPolicy } from "../../src/language/load.ts";
import type { ArchitectureName } from "../../src/linux/architecture.ts";
import { expectAgreement, explainRun } from "./agreement.ts";
import { campaign } from "./campaign.ts";

const architectures: readonly ArchitectureName[] = ["x86_64", "aarch64"];
const policies = readdirSync("policies").filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"));

function load(file: string, architecture: ArchitectureName): Program {
  const { program, diagnostics, sources } = loadPolicy(`policies/${file}`, { architecture });
  if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
  return program;
}

const loaded = new Map<string, Program>();

function runOf(file: string, architecture: ArchitectureName, seed: number) {
  const key = `${file} ${architecture}`;
  const program = loaded.get(key) ?? load(file, architecture);
  loaded.set(key, program);
  return [program, generateTrace(new SeededChoices(seed), program, 60)] as const;
}

for (const architecture of architectures) {
  for (const file of policies) {
    campaign(`${file} on ${architecture}`, {
      runs: 15,
      check: (seed) => expectAgreement(...runOf(file, architecture, seed)),
      explain: (seed) => explainRun(...runOf(file, architecture, seed)),
    });
  }
}
