/** Parses the traces and case files in the documents. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readCases } from "../../src/cases/cases.ts";
import { catalogue } from "../../src/diagnostics/catalogue.ts";
import { sourceOf } from "../../src/traces/blocks.ts";
import { readTrace } from "../../src/traces/formats/read.ts";

/** The first block of this kind. */
function block(file: string, language: string): string {
  return new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(readFileSync(file, "utf8"))![1]!;
}

test("the trace of docs/traces.md", () => {
  const {
    runs: [trace],
    diagnostics,
  } = readTrace(sourceOf(Buffer.from(block("docs/traces.md", "json"))), "t", "x86_64");
  expect(diagnostics).toEqual([]);
  expect(trace!.events.map((event) => event.kind)).toEqual(["call", "call", "fork", "call", "exit", "clock"]);
});

test("the case file of docs/cases.md", () => {
  const { cases, diagnostics } = readCases(block("docs/cases.md", "text"), "c", "x86_64");
  expect(diagnostics).toEqual([]);
  expect(cases!.steps).toHaveLength(10);
});

test("every code that these documents name exists", () => {
  for (const file of ["docs/cli.md", "docs/events.md", "docs/traces.md", "docs/cases.md"]) {
    for (const [code] of readFileSync(file, "utf8").matchAll(/P\d{4}/g)) expect(Object.keys(catalogue)).toContain(code);
  }
});
