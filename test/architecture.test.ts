import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * The folders are the pipeline, and imports point one way: a folder may import only from those that are listed with it.
 * Tests beside the sources are free to look anywhere.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  diagnostics: [],
  linux: ["diagnostics"],
  ir: ["linux"],
  language: ["ir", "linux", "diagnostics"],
  analysis: ["ir", "linux", "diagnostics"],
  compile: ["analysis", "ir", "linux", "diagnostics"],
  bundle: ["compile", "analysis", "ir", "linux", "diagnostics"],
  events: ["ir", "linux", "diagnostics"],
  engines: ["bundle", "compile", "analysis", "ir", "linux", "events", "diagnostics"],
  traces: ["engines", "language", "compile", "analysis", "ir", "linux", "events", "diagnostics"],
  cli: ["bundle", "traces", "engines", "language", "compile", "analysis", "ir", "linux", "events", "diagnostics"],
};

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith(".ts") && statSync(file).isFile());
}

/** What a file imports from its own tree; `loaded` leaves out types, which are gone at run time, and `await import`. */
function importsOf(file: string, which: "all" | "loaded"): string[] {
  const text = readFileSync(file, "utf8");
  const pattern =
    which === "all"
      ? /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g
      : /^(?:import|export)(?! type\b)(?:(?!^(?:import|export)\b)[^;])*?from "(\.[^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => normalize(join(dirname(file), match[1]!)));
}

const files = sources("src").filter((file) => !file.includes("/types/"));
const ours = files.filter((file) => !file.endsWith(".test.ts") && !file.includes("/testing/"));

describe("the layout", () => {
  it("has imports that point one way", () => {
    const wrong: string[] = [];
    for (const file of ours) {
      const folder = file.split("/")[1]!;
      if (folder.endsWith(".ts")) continue;
      const allowed = mayImport[folder];
      if (allowed === undefined) wrong.push(`${file}: src/${folder} is no stage of the pipeline`);
      for (const target of importsOf(file, "all")) {
        const other = target.split("/")[1]!;
        if (other !== folder && !allowed?.includes(other)) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  // Types may name each other in a circle (a value knows its scope, a scope its values), and the table of verbs loads a
  // verb that prints the table when it is asked for. Neither makes one file wait for another.
  it("has no import cycle between files", () => {
    const graph = new Map(ours.map((file) => [file, importsOf(file, "loaded")]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      if (done.has(file) || path.includes(file)) return;
      for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of ours) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it("has no file that cannot be read in one sitting", () => {
    const long = files
      .filter((file) => !file.includes("/generated/"))
      .map((file) => ({ file, lines: readFileSync(file, "utf8").split("\n").length }))
      .filter(({ lines }) => lines > 700);
    expect(long).toEqual([]);
  });
});
