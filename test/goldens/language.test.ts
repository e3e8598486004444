/** Compares the printed IR of policies with goldens. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { loadPolicy } from "../../src/frontend/load.ts";
import { printProgram } from "../../src/ir/print.ts";
import { corpus } from "../language/corpus.ts";
import { expectGolden } from "../support/golden.ts";

const folder = join(import.meta.dirname, "language");

function compare(name: string, path: string, text: string): void {
  const { program } = loadPolicy(path, {
    architecture: "x86_64",
    readFile: (file) => (file === path ? text : readFileSync(file, "utf8")),
  });
  expectGolden(join(folder, `${name}.txt`), printProgram(program!));
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
