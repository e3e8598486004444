/**
 * Every policy file or profile gives either a program or errors, never both or neither, an exception or a hang; and
 * every program passes the checker and compiles.
 */
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { lintPolicy } from "../../src/analysis/lint/lint.ts";
import { FilterTooLargeError } from "../../src/backend/classic/layout.ts";
import { WasmLimitError } from "../../src/backend/wasm/compile.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { compileForNotify } from "../../src/engines/notify/compile.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { type Choices, pick, SeededChoices, weighted } from "../../src/ir/testing/choices.ts";
import { campaign } from "../differential/campaign.ts";

const folders = ["policies", "test/language/rejected", "test/fixtures/oci"];
const corpus = folders.flatMap((folder) => {
  try {
    const names = readdirSync(folder).filter((name) => /\.(ts|json)$/.test(name) && name !== "tsconfig.json");
    return names.map((name) => ({ path: `${folder}/${name}`, text: readFileSync(`${folder}/${name}`, "utf8") }));
  } catch {
    return [];
  }
});

/** Fragments of policies, and inputs that break parsers. */
const fragments = [
  ..."(){}[];,.?:!=<>&|+-*/%~^`'\"\\\n\t\u0000\ufeff\u2028",
  "0n",
  "1n",
  "-1n",
  "18446744073709551616n",
  "1e400",
  "0x7fffffffffffffffn",
  "=>",
  "===",
  "&&",
  "||",
  "??",
  "...",
  "call",
  "call.name",
  "call.args",
  "allow",
  "deny(",
  "return",
  "const",
  "let",
  "function",
  "import",
  "export default",
  "for (;;)",
  "while (true)",
  "perProcess",
  "perTree.table({ capacity: 1000000n, full: allow })",
  "phase.enter(",
  '"EPERM"',
  '"execve"',
  '"SCMP_ACT_ALLOW"',
  "null",
  "undefined",
  "async",
  "await",
  "yield",
  "class",
  "eval",
  "😀",
  "/*",
  "//",
];

function mutate(choices: Choices, text: string): string {
  let result = text;
  for (let count = 1 + choices.below(6); count > 0; count -= 1) {
    const at = choices.below(result.length + 1);
    const length = choices.below(choices.below(4) === 0 ? 400 : 12);
    const words = result.match(/\w+/g) ?? ["x"];
    const piece = weighted<string>(choices, [
      [4, () => pick(choices, fragments)],
      [4, () => pick(choices, words)],
      [2, () => ""],
      [2, () => result.slice(choices.below(result.length + 1)).slice(0, choices.below(200))],
      [1, () => String.fromCharCode(...Array.from({ length: 1 + choices.below(8) }, () => choices.below(0x1_0000)))],
      [1, () => pick(choices, fragments).repeat(choices.below(2000))],
    ]);
    result = result.slice(0, at) + piece + result.slice(at + length);
  }
  return result;
}

function mutant(seed: number): { path: string; text: string } {
  const choices = new SeededChoices(seed);
  const original = pick(choices, corpus);
  const text = choices.below(20) === 0 ? mutate(choices, "") : mutate(choices, original.text);
  return { path: original.path, text };
}

function endsWell({ path, text }: { path: string; text: string }): void {
  const changed = resolve(path);
  const readFile = (file: string): Uint8Array | string => (file === changed ? text : readFileSync(file));
  const loaded = loadPolicy(path, { architecture: "x86_64", readFile });
  const errors = loaded.diagnostics.filter((diagnostic) => diagnostic.severity === "error");
  if ((loaded.program === undefined) !== errors.length > 0)
    throw new Error(`${loaded.program === undefined ? "no program" : "a program"} and ${errors.length} errors`);
  renderDiagnostics(loaded.diagnostics, loaded.sources, { colour: true });
  const { program } = loaded;
  if (program === undefined) return;
  const faults = checkProgram(program);
  if (faults.length > 0) throw new Error(faults.join("\n"));
  renderDiagnostics(lintPolicy(program, loaded), loaded.sources, { colour: false });
  try {
    compileForNotify(program);
  } catch (error) {
    if (!(error instanceof FilterTooLargeError || error instanceof WasmLimitError)) throw error;
  }
}

campaign("mutated policies and profiles end in a program or in errors", {
  runs: 400,
  check: (seed) => endsWell(mutant(seed)),
  explain: (seed) => mutant(seed).text,
});
