/**
 * What policies become, as it is printed. To rewrite: PORTCULLIS_UPDATE=1 npx vitest run test/language/goldens.test.ts, and
 * read the difference: a change here is a change of what is enforced, or of how well.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { printProgram } from "../../src/ir/print.ts";
import { loadPolicy } from "../../src/language/load.ts";
import { corpus } from "./corpus.ts";

const update = process.env["PORTCULLIS_UPDATE"] === "1";
const folder = join(import.meta.dirname, "goldens");

function compare(name: string, path: string, text: string): void {
  const { program } = loadPolicy(path, { architecture: "x86_64", readFile: () => text });
  const printed = printProgram(program!);
  const golden = join(folder, `${name}.txt`);
  if (update) writeFileSync(golden, printed);
  expect(printed).toBe(readFileSync(golden, "utf8"));
}

describe("the program of", () => {
  it.each(["exec-once", "children", "fork-rate", "order"])("the ready policy %s", (name) => {
    const path = join(import.meta.dirname, `../../policies/${name}.ts`);
    compare(name, `/policies/${name}.ts`, readFileSync(path, "utf8"));
  });

  it.each([
    "let-paths",
    "for-labels",
    "functions-early",
    "effects-short-circuit",
    "mixed-signs",
    "subtract-guarded",
    "flags",
    "switch-default-first",
    "table",
    "combined",
    "counter-ends",
  ])("%s", (name) => {
    compare(name, `/corpus/${name}.ts`, corpus.find((one) => one.name === name)!.text);
  });
});
