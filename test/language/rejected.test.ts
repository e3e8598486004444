/** Every module in rejected/ gets exactly the diagnostics of its golden (NAME.txt beside it). */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { lintPolicy } from "../../src/analysis/lint/lint.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { expectGolden } from "../support/golden.ts";

const folder = join(import.meta.dirname, "rejected");
const modules = readdirSync(folder).filter((name) => name.endsWith(".ts"));

/** The twenty examples of language.md; paths and addresses are pointers until an engine pins them. */
const promised: Readonly<Record<string, string>> = {
  web: "P0101",
  files: "P0102",
  ports: "P0201",
  fds: "P0202",
  ranges: "P0203",
  dirs: "P0204",
  either: "P0205",
  count: "P0301",
  depth: "P0302",
  loop: "P0303",
  clock: "P0304",
  "open-end": "P0305",
  back: "P0401",
  promise: "P0402",
  full: "P0403",
  reset: "P0404",
  twin: "P0501",
  text: "P0502",
  errno: "P0503",
  "exec-only": "P0601",
};

describe("a module that must be rejected", () => {
  it.each(modules)("%s", (file) => {
    const path = relative(process.cwd(), join(folder, file));
    const { program, diagnostics, sources, ...facts } = loadPolicy(path, { architecture: "x86_64" });
    const all = program === undefined ? diagnostics : [...diagnostics, ...lintPolicy(program, facts)];
    const printed = renderDiagnostics(all, sources);
    expectGolden(join(folder, file.replace(/\.ts$/, ".txt")), printed);
    expect(all.length).toBeGreaterThan(0);
    const code = promised[file.replace(/\.ts$/, "")];
    if (code !== undefined) expect(all.map((one) => one.code)).toContain(code);
  });

  it("has all twenty", () => {
    expect(Object.keys(promised).every((name) => modules.includes(`${name}.ts`))).toBe(true);
  });
});
