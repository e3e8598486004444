/** Policies in the language, under calls derived from their conditions: all forms agree. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { type LoadOptions, loadPolicy } from "../../src/frontend/load.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateTrace, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { corpus } from "../language/corpus.ts";
import { expectAgreement, explainRun } from "./agreement.ts";
import { campaign } from "./campaign.ts";

const architectures: readonly ArchitectureName[] = ["x86_64", "aarch64"];
const ready = readdirSync("policies").filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"));
const loaded = new Map<string, Program>();

function load(path: string, options: LoadOptions): Program {
  const key = `${path} ${options.architecture}`;
  let found = loaded.get(key);
  if (found === undefined) {
    const { program, diagnostics, sources } = loadPolicy(path, options);
    if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
    found = program;
    loaded.set(key, found);
  }
  return found;
}

function runOf(program: Program, seed: number) {
  return [program, generateTrace(new SeededChoices(seed), program, 60)] as const;
}

const targets = ready.flatMap((file) =>
  architectures.map((architecture) => [`policies/${file}`, architecture] as const),
);

function readyRun(seed: number) {
  const [path, architecture] = targets[seed % targets.length]!;
  return runOf(load(path, { architecture }), seed);
}

campaign("the ready policies", {
  runs: targets.length * 15,
  check: (seed) => expectAgreement(...readyRun(seed)),
  explain: (seed) => `${targets[seed % targets.length]}\n\n${explainRun(...readyRun(seed))}`,
});

/** Each seed takes the next policy of the corpus, which covers the language's constructs. */
function corpusRun(seed: number) {
  const { name, text } = corpus[seed % corpus.length]!;
  const path = join(tmpdir(), `${name}.ts`);
  const architecture = architectures[Math.floor(seed / corpus.length) % 2]!;
  return runOf(load(path, { architecture, readFile: () => text }), seed);
}

campaign("the corpus of the language", {
  runs: corpus.length * 3,
  check: (seed) => expectAgreement(...corpusRun(seed)),
  explain: (seed) => `${corpus[seed % corpus.length]!.text}\n\n${explainRun(...corpusRun(seed))}`,
});
