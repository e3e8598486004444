import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { campaignSeconds, firstSeed } from "../../src/ir/testing/seeds.ts";
import { firstDifference } from "./agreement.ts";
import { corpus } from "./corpus.ts";
import { Host } from "./host.ts";

/** Traces for each policy. A campaign runs more traces, not longer, because there are many policies. */
const runs = campaignSeconds > 0 ? 10 * campaignSeconds : 12;
const ready = ["build-step", "call-flow", "children", "exec-once", "fork-rate", "nginx", "order", "server"];

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-corpus-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function agree(path: string, architecture: ArchitectureName, set?: ReadonlyMap<string, string>): void {
  const { program, diagnostics, sources } = loadPolicy(path, { architecture, set });
  expect(
    renderDiagnostics(
      diagnostics.filter((one) => one.severity === "error"),
      sources,
    ),
  ).toBe("");
  expect(checkProgram(program!)).toEqual([]);
  const host = new Host(path, architecture, set);
  for (let run = 0; run < runs; run++) {
    expect(firstDifference(program!, host, firstSeed + run, 120), `first seed ${firstSeed}`).toBeUndefined();
  }
}

describe("a compiled policy and the same policy run as JavaScript agree", () => {
  it.each(corpus)("$name", ({ name, text }) => {
    const path = join(folder, `${name}.ts`);
    writeFileSync(path, text);
    agree(path, "x86_64");
  });

  it.each(ready)("the ready policy %s", (name) => {
    const path = join(import.meta.dirname, `../../policies/${name}.ts`);
    agree(path, "x86_64");
    agree(path, "aarch64");
  });

  it("with parameters", () => {
    const path = join(folder, "parameters.ts");
    writeFileSync(path, corpus.find((one) => one.name === "parameters")!.text);
    agree(
      path,
      "x86_64",
      new Map([
        ["most", "5"],
        ["strict", "true"],
      ]),
    );
    agree(join(import.meta.dirname, "../../policies/build-step.ts"), "x86_64", new Map([["network", "true"]]));
  });
});
