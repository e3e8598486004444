import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lintPolicy } from "../../src/analysis/lint/lint.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import * as portcullis from "../../src/inert.ts";
import { renewLists } from "../../tools/generate/document.ts";
import { systemdList } from "../../tools/generate/systemd.ts";
import { updating } from "../support/golden.ts";
import { type Example, examplesOf, write } from "./examples.ts";

/**
 * The examples of docs/language.md compile, and the compiler prints the messages that it shows. `make goldens` rewrites
 * those.
 */
const document = "docs/language.md";
const text = readFileSync(document, "utf8");
const examples = examplesOf(text, Object.keys(portcullis));

// Inside the package, so that "portcullis" resolves to it; with a dot, so that no other tsconfig includes it.
const folder = mkdtempSync("test/docs/.examples-");
const paths = new Map<Example, string>();

beforeAll(() => {
  for (const example of examples) paths.set(example, write(folder, example));
  const settings = { extends: "../../../policy.json", include: ["example-*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function compile(example: Example) {
  const path = paths.get(example)!;
  const { program, diagnostics, sources } = loadPolicy(path, { architecture: "x86_64" });
  const shown = renderDiagnostics(diagnostics, sources, { colour: false });
  return { program, diagnostics, shown: shown.replaceAll(path, "policy.ts") };
}

describe("the examples of docs/language.md", () => {
  const good = examples.filter((example) => example.is === "module" || example.is === "step");
  const bad = examples.filter((example) => example.is === "error");

  it("are there", () => {
    expect(good.length).toBeGreaterThan(30);
    expect(bad.length).toBeGreaterThan(8);
  });

  it.each(good.map((example) => [example.line, example] as const))("compile (line %i)", (_, example) => {
    const { program, diagnostics, shown } = compile(example);
    // Examples may have warnings, but no errors.
    expect(diagnostics.filter((one) => one.severity === "error").length, `${shown}\n${example.text}`).toBe(0);
    expect(program).toBeDefined();
  });

  it.each(bad.map((example) => [example.line, example] as const))(
    "are refused in these words (line %i)",
    (_, example) => {
      if (updating) return;
      const { shown, diagnostics } = compile(example);
      expect(diagnostics.length).toBeGreaterThan(0);
      expect(shown).toBe(example.says);
    },
  );

  if (updating)
    it("are rewritten", () => {
      const lines = text.split("\n");
      for (const example of bad.toReversed()) {
        const end = lines.indexOf("```", example.line);
        const shown = ["", "```text", ...compile(example).shown.trimEnd().split("\n"), "```"];
        const old = example.says === undefined ? 0 : 3 + example.says.trimEnd().split("\n").length;
        lines.splice(end + 1, old, ...shown);
      }
      writeFileSync(document, lines.join("\n"));
    });

  it("are accepted by tsc under policy.json", () => {
    const { stdout, stderr } = spawnSync("node_modules/.bin/tsc", ["-p", folder], { encoding: "utf8" });
    expect(stdout + stderr).toBe("");
  });
});

describe("docs/approvals.md", () => {
  it("has a policy that compiles without a warning", () => {
    const [example] = examplesOf(readFileSync("docs/approvals.md", "utf8"), Object.keys(portcullis));
    const { program, diagnostics } = loadPolicy("/p.ts", { architecture: "x86_64", readFile: () => example!.text });
    expect(diagnostics).toEqual([]);
    expect(lintPolicy(program!)).toEqual([]);
  });
});

describe("docs/language-reference.md", () => {
  const reference = readFileSync("docs/language-reference.md", "utf8");

  it("has the compiler's lists (npm run generate writes them)", () => {
    expect(reference).toBe(renewLists(reference, readFileSync(systemdList, "utf8")));
  });

  it("has no example, which no test would compile", () => {
    expect(examplesOf(reference, Object.keys(portcullis))).toEqual([]);
  });
});

describe("the contents of docs/language.md", () => {
  it("link to existing headings", () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );
    const links = [...text.matchAll(/\]\(#([^)]*)\)/g)].map(([, link = ""]) => link);
    expect(links.filter((link) => !headings.includes(link))).toEqual([]);
  });
});
