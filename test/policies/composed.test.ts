/** Ready policies that another one extends: they compile together, on both engines. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeBundle } from "../../src/backend/bundle/read.ts";
import { encodeBundle } from "../../src/backend/bundle/write.ts";
import { compileArtifact } from "../../src/backend/ebpf/artifact.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { compileForNotify } from "../../src/engines/notify/compile.ts";
import { compileForSeccompEbpf } from "../../src/engines/seccomp-ebpf/compile.ts";
import { type LoadedPolicy, loadPolicy } from "../../src/frontend/load.ts";
import { patternsOf } from "../../src/ir/observe.ts";
import type { Program } from "../../src/ir/program.ts";
import { compileMatcher } from "../../src/patterns/matcher.ts";
import { runs } from "../support/parts.ts";
import { readyPolicies } from "../support/policy-files.ts";
import { runBundle } from "../support/run-bundle.ts";

const ready = readyPolicies.map((file) => basename(file, ".ts"));

/** A policy with nothing of its own. */
function extending(...bases: readonly string[]): LoadedPolicy & { readonly program: Program } {
  const imports = bases.map((base, index) => `import base${index} from "portcullis/policies/${base}.ts";`);
  const names = bases.map((_, index) => `base${index}`).join(", ");
  const text = `import { allow, policy } from "portcullis";\n${imports.join("\n")}\nexport default policy({ extends: [${names}] }, () => allow);\n`;
  const file = join(import.meta.dirname, "composed.ts");
  const loaded = loadPolicy(file, {
    architecture: "x86_64",
    // seccomp-ebpf cannot judge the object of a path.
    set: new Map(bases.includes("agent-socket") ? [["by-text", "true"]] : []),
    readFile: (path) => (path === file ? text : readFileSync(path)),
  });
  const { program } = loaded;
  if (program === undefined) throw new Error(renderDiagnostics(loaded.diagnostics, loaded.sources));
  return { ...loaded, program };
}

/** No test measures a time: this many steps take some tenths of a second. */
const mostSteps = 1_500_000;

const matchersOf = ({ observations, words }: Program) =>
  observations.map((_, index) => compileMatcher(patternsOf(words.filter((word) => word.observation === index))));

function compiles(...bases: readonly string[]): void {
  const { program, sources } = extending(...bases);
  expect(matchersOf(program).every(({ steps }) => steps < mostSteps)).toBe(true);
  const notify = compileForNotify(program);
  expect(notify.policy, JSON.stringify(notify.diagnostics)).toBeDefined();
  const options = { mode: "quiet", unprivileged: false, compiler: "portcullis test", fixed: [], sources } as const;
  const ebpf = compileForSeccompEbpf(program, options);
  expect(ebpf.policy, JSON.stringify(ebpf.diagnostics)).toBeDefined();
}

describe("each two ready policies compile together, on both engines:", () => {
  ready.forEach((first, index) => {
    for (const second of ready.slice(index + 1)) it(`${first} and ${second}`, () => compiles(first, second));
  });
});

/** Policies that compare texts, each of which another one multiplies; and one that limits the network. */
const triples = [
  ["no-secrets", "read-only-home", "exec-only"],
  ["no-secrets", "exec-only", "connect-hosts"],
  ["no-secrets", "exec-only", "build-step"],
  ["against/npm-worm", "exec-only", "connect-hosts"],
  ["against/npm-worm", "against/cve-2024-21626", "exec-only"],
] as const;

describe("three ready policies compile together, on both engines:", () => {
  it.each(triples)("%s, %s and %s", (...bases) => compiles(...bases));

  if (runs("random")) {
    ready.slice(0, -2).forEach((first, index) => {
      it(`${first} and any two behind it`, () => {
        ready.slice(index + 1).forEach((second, at) => {
          for (const third of ready.slice(index + at + 2)) compiles(first, second, third);
        });
      });
    });
  }
});

it.each([
  ["no-secrets", "exec-only"],
  ["against/npm-worm", "against/cve-2024-21626", "no-secrets"],
])("%s and %s and others: the bundle's verdicts are the interpreter's", (...bases) => {
  const { program, sources } = extending(...bases);
  const automata = matchersOf(program).map(({ matcher }) => matcher!.length);
  expect(Math.max(...automata)).toBe(bases.length - 1);
  const { artifact } = compileArtifact(program, "seccomp", { reportsVerdicts: true });
  const made = makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources });
  runBundle(program, decodeBundle(encodeBundle(made)), artifact!);
});
