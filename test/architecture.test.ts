/** Checks the layout of the sources: permitted imports between folders, and no cycles of imports or of calls in C. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, normalize, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { engineNames } from "../src/engines/registry.ts";

/**
 * The folders are the stages of the pipeline: a folder may import only from the listed ones. Tests beside the sources
 * may import from any folder.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  // Libraries: the kernel's tables, and answers of this machine.
  diagnostics: [],
  patterns: [],
  abi: ["diagnostics"],
  machine: ["abi"],
  // From text to programs.
  hosts: [],
  ir: ["hosts", "patterns", "abi"],
  frontend: ["ir", "hosts", "machine", "abi", "patterns", "diagnostics"],
  analysis: ["ir", "hosts", "abi", "patterns", "diagnostics"],
  backend: ["analysis", "ir", "machine", "abi", "patterns", "diagnostics"],
  // From programs to verdicts and events.
  rooms: ["ir"],
  objects: ["ir", "abi"],
  events: ["ir", "hosts", "machine", "abi", "patterns", "diagnostics"],
  engines: [
    ...["events", "objects", "rooms", "backend", "analysis"],
    ...["ir", "hosts", "machine", "abi", "patterns", "diagnostics"],
  ],
  export: ["engines", "events", "backend", "analysis", "ir", "machine", "abi", "diagnostics"],
  // From recordings to policies.
  traces: ["engines", "events", "ir", "machine", "abi", "patterns", "diagnostics"],
  cases: ["traces", "engines", "backend", "ir", "abi", "diagnostics"],
  propose: ["traces", "engines", "analysis", "ir", "machine", "abi", "patterns", "diagnostics"],
  amend: [
    ...["propose", "cases", "traces", "engines", "events"],
    ...["frontend", "analysis", "ir", "machine", "abi", "patterns", "diagnostics"],
  ],
  // For people.
  observe: [
    ...["propose", "cases", "traces", "engines", "events"],
    ...["backend", "analysis", "ir", "hosts", "machine", "abi", "diagnostics"],
  ],
  agent: [
    ...["observe", "export", "engines", "events"],
    ...["backend", "frontend", "analysis", "ir", "machine", "abi", "diagnostics"],
  ],
  cli: [
    ...["agent", "observe", "amend", "propose", "cases", "traces", "export", "engines", "events"],
    ...["backend", "frontend", "analysis", "ir", "hosts", "machine", "abi", "diagnostics"],
  ],
  // The package's entries: `portcullis` has stubs for policy modules that are executed by mistake, `portcullis/testing`
  // simulates.
  "inert.ts": ["abi"],
  "testing.ts": ["traces", "engines", "frontend", "ir", "abi", "diagnostics", "inert.ts"],
};

/** Folders with a dot are those of tests that run at the same time. */
function filesOf(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => !/(^|\/)\./.test(file) && file.endsWith(ending))
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile());
}

/** The files of the tree that a file imports: statically, by `await import`, and for their types. */
function importsOf(file: string): string[] {
  const pattern = /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g;
  return [...readFileSync(file, "utf8").matchAll(pattern)].map((match) => normalize(join(dirname(file), match[1]!)));
}

/** Headers that a C file or a header includes by name. */
function includesOf(file: string): string[] {
  const includes = [...readFileSync(file, "utf8").matchAll(/^#include "([^"]+)"/gm)];
  return includes.map((match) => normalize(join(dirname(file), match[1]!)));
}

/** For each C file those that have the functions which it calls, and the variables. */
function callsBetween(files: readonly string[], options: readonly string[]): Map<string, string[]> {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-calls-"));
  const run = (command: string, words: readonly string[]): string =>
    execFileSync(command, words, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26 });
  const fileOf = new Map(files.map((file) => [basename(file, ".c"), file]));
  try {
    run("cc", ["-std=gnu11", "-w", "-c", ...options, ...files.map((file) => resolve(file))]);
    const lines = run("nm", ["-A", "-g", ...[...fileOf.keys()].map((name) => `${name}.o`)]);
    const symbols = [...lines.matchAll(/^(\w+)\.o:\s*[0-9a-f]* +(\w) (\w+)$/gm)].map(([, name, kind, symbol]) => ({
      file: fileOf.get(name!)!,
      isDefined: kind !== "U",
      symbol: symbol!,
    }));
    const owners = new Map(symbols.filter((one) => one.isDefined).map((one) => [one.symbol, one.file]));
    const calls = new Map<string, string[]>(files.map((file) => [file, []]));
    for (const { file, isDefined, symbol } of symbols)
      if (!isDefined && symbol !== programStart && owners.has(symbol)) calls.get(file)!.push(owners.get(symbol)!);
    return calls;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const nodeHeaders = "node_modules/node-api-headers/include";
/** The function that the launcher's entry point calls. */
const programStart = "start";

function foldersOf(graph: ReadonlyMap<string, readonly string[]>): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  for (const [file, targets] of graph) {
    const others = folders.get(dirname(file)) ?? new Set();
    for (const target of targets.map(dirname)) if (target !== dirname(file)) others.add(target);
    folders.set(dirname(file), others);
  }
  return folders;
}

function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (done.has(file) || path.includes(file)) return;
    for (const target of graph.get(file) ?? []) if (target !== file) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
}

/** The nodes from which a path leads back to them. */
function onCycles(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const reached = (from: string, seen = new Set<string>()): ReadonlySet<string> => {
    for (const target of graph.get(from) ?? []) if (!seen.has(target)) reached(target, seen.add(target));
    return seen;
  };
  return [...graph.keys()].filter((node) => reached(node).has(node)).sort();
}

/** Policies of tests, generated files, and declarations that a document describes. */
const withoutHead =
  /\.test\.ts$|\/generated\/|\.d\.ts$|^test\/(?:language\/rejected|differential\/findings|goldens|types\/policies)\/|^bench\/policies\//;

/** The lines of the first paragraph of the comment that a file starts with, after what names its licence or its program. */
function headOf(file: string): number {
  const lines = readFileSync(file, "utf8").split("\n");
  while (/^#!|^(?:\/\/|#|\/\*) SPDX-/.test(lines[0] ?? "")) lines.shift();
  const marks = /^(?:\/\*\*?|\*\/|\*|\/\/|#)|\*\/$/g;
  const isOneLine = /^(?:\/\/|# )/.test(lines[0] ?? "");
  if (!isOneLine && !lines[0]?.startsWith("/*")) return 0;
  const end = isOneLine
    ? lines.findIndex((line) => !/^(?:\/\/|#)/.test(line))
    : lines.findIndex((line) => line.includes("*/")) + 1;
  const text = lines.slice(0, end).map((line) => line.trim().replace(marks, "").trim());
  const start = text.findIndex((line) => line !== "");
  const paragraph = text.slice(start);
  const blank = paragraph.indexOf("");
  return blank < 0 ? paragraph.length : blank;
}

const isForTests = (file: string): boolean => file.endsWith(".test.ts") || file.includes("/testing/");
const files = filesOf("src", ".ts").filter((file) => !file.includes("/types/"));
const production = files.filter((file) => !isForTests(file));

describe("the layout", () => {
  it("has imports that point one way", () => {
    const wrong: string[] = [];
    for (const file of production) {
      const stage = file.split("/")[1]!;
      const allowed = mayImport[stage];
      if (allowed === undefined) wrong.push(`${file}: src/${stage} is not a stage of the pipeline`);
      for (const target of importsOf(file)) {
        const other = target.split("/")[1]!;
        if (other !== stage && !allowed?.includes(other)) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("has stages that import only earlier ones of the list", () => {
    const stages = Object.keys(mayImport);
    const wrong = stages.flatMap((stage, index) =>
      mayImport[stage]!.filter((other) => stages.indexOf(other) >= index).map((other) => `${stage}: ${other}`),
    );
    expect(wrong).toEqual([]);
  });

  it("has no production file that imports from a testing folder", () => {
    const wrong = production.flatMap((file) =>
      importsOf(file)
        .filter(isForTests)
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("has no import cycle between files, types included", () => {
    expect(cyclesOf(new Map(files.map((file) => [file, importsOf(file)])))).toEqual([]);
  });

  it("has no import cycle between folders, types included", () => {
    const graph = foldersOf(new Map(production.map((file) => [file, importsOf(file)])));
    expect(onCycles(graph)).toEqual([]);
  });

  it("has no engine's name in the command line", () => {
    const named = filesOf("src/cli", ".ts").filter((file) => {
      const text = readFileSync(file, "utf8");
      return engineNames.some((name) => new RegExp(`\\b${name}\\b`).test(text));
    });
    expect(named).toEqual([]);
  });

  // What these open, they tell src/machine/inputs.ts: no output replaces an input. The others call them.
  it("has few files of the command line that open files by themselves", () => {
    const opening = filesOf("src/cli", ".ts").filter(
      (file) =>
        !isForTests(file) &&
        /\b(?:append|copy|create|open|read|rename|write)(?:File|ReadStream|WriteStream)?Sync\b|Stream\(/.test(
          readFileSync(file, "utf8").replace(/\b(?:readSync|writeSync)\b/g, ""),
        ),
    );
    expect(opening.sort()).toEqual([
      "src/cli/input.ts",
      "src/cli/output.ts",
      "src/cli/policy/cache.ts", // its entries
      "src/cli/standard-input.ts",
      "src/cli/verbs/report.ts", // of the package
    ]);
  });

  // src/engines/engine/thread.ts has the reasons.
  it("has no thread that is made elsewhere, or terminated", () => {
    const making = production.filter((file) => /\bnew Worker\b|\.terminate\(/.test(readFileSync(file, "utf8")));
    expect(making).toEqual(["src/engines/engine/thread.ts"]);
  });

  it("has no circle of calls or includes between C files, or between their folders", () => {
    const addon = filesOf("native/addon", ".c");
    const libc = ["-D_GNU_SOURCE=", "-include", resolve("native/addon/base/old_libc.h")];
    const calls = [
      ...callsBetween([...addon, "native/launcher/sha256.c"], [...libc, `-I${resolve(nodeHeaders)}`]),
      ...callsBetween(filesOf("native/launcher", ".c"), ["-ffreestanding", "-fno-builtin"]),
    ];
    const sources = [...filesOf("native", ".c"), ...filesOf("native", ".h")];
    const includes = new Map(sources.map((file) => [file, includesOf(file)]));
    expect(calls.flatMap(([, targets]) => targets).length).toBeGreaterThan(300);
    expect(cyclesOf(new Map(calls))).toEqual([]);
    expect(cyclesOf(includes)).toEqual([]);
    const both = new Map(includes);
    for (const [file, targets] of calls) both.set(file, [...both.get(file)!, ...targets]);
    expect(onCycles(foldersOf(both))).toEqual([]);
  });

  // Reports, and words of a command line, name a test by this. One beside its source has the source's name.
  it("has no two tests of one base name, but beside the sources that they test", () => {
    const tests = [...filesOf("src", ".test.ts"), ...filesOf("test", ".test.ts")];
    const beside = tests.filter((file) => existsSync(file.replace(/\.test\.ts$/, ".ts")));
    const alike = tests
      .filter((file) => !beside.includes(file))
      .map((file) => tests.filter((other) => basename(other) === basename(file)).join(" "))
      .filter((named) => named.includes(" "));
    expect([...new Set(alike)]).toEqual([]);
  });

  it("has a head comment of one to five lines, then details if need be, in every source file", () => {
    const folders = [
      "src",
      "native",
      "tools",
      "bench",
      "demo",
      "test",
      "kernel/machine",
      "kernel/bpf-selftests",
      "kernel/criu",
    ];
    const sources = folders
      .flatMap((folder) => filesOf(folder, ""))
      .filter((file) => /\.(?:ts|mjs|cjs|c|h|sh|mk)$/.test(file) && !withoutHead.test(file));
    const wrong = sources
      .map((file) => `${file}: ${headOf(file)} lines`)
      .filter((line) => !/: [1-5] lines$/.test(line));
    expect(wrong).toEqual([]);
  });

  it("has no file that cannot be read in one sitting", () => {
    const long = files
      .filter((file) => !file.includes("/generated/"))
      .map((file) => ({ file, lines: readFileSync(file, "utf8").split("\n").length }))
      .filter(({ lines }) => lines > 700);
    expect(long).toEqual([]);
  });
});

/** Requests of ptrace(2) that change, continue or kill a tracee. */
const changes = /\bptrace\(\s*(?:request|PTRACE_(?:SET|POKE|CONT|SYSCALL|SINGLE|LISTEN|DETACH|KILL)\w*)/;

it("every request that changes a tracee goes through the file that checks which program it is", () => {
  const found = filesOf("native", ".c").filter((file) => changes.test(readFileSync(file, "utf8")));
  expect(found).toEqual(["native/addon/ptrace/tracee.c"]);
});
