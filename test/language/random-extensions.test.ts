/** Random policies that extend random policies: the strictest verdict wins, and every analysis accepts them. */
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { callByName } from "../../src/abi/calls.ts";
import { comparePolicies } from "../../src/analysis/compare/compare.ts";
import { explainPolicy } from "../../src/analysis/explain/explain.ts";
import { allowedPaths } from "../../src/analysis/file-paths/allowed-paths.ts";
import { refusedObjects } from "../../src/analysis/file-paths/refused-objects.ts";
import { lintPolicy } from "../../src/analysis/lint/lint.ts";
import { type LoadedPolicy, loadPolicy } from "../../src/frontend/load.ts";
import { writePolicy } from "../../src/frontend/testing/write-policy.ts";
import { admit } from "../../src/ir/admission.ts";
import { checkProgram } from "../../src/ir/check.ts";
import type { Program } from "../../src/ir/program.ts";
import {
  generateProgram,
  generateTrace,
  runTrace,
  SeededChoices,
  type TraceStep,
} from "../../src/ir/testing/arbitrary.ts";
import { type Choices, chance, pick } from "../../src/ir/testing/choices.ts";
import { seeds } from "../../src/ir/testing/seeds.ts";
import { strictness } from "../../src/ir/verdicts.ts";
import { randomSource } from "./random-source.ts";

const architecture = "x86_64";
const folder = resolve("test/language");
const none = 'import { allow, policy } from "portcullis";\nexport default policy((call) => {\n  return allow;\n});\n';

/** Rules by name, which random programs seldom have. */
const rules = [
  'switch (call.name) { case "mount": case "reboot": return deny("EPERM"); case "read": return allow; }',
  'switch (call.name) { case "ptrace": return kill("process"); default: break; }',
  'if (call.name === "mount") return deny("EACCES");',
  'if (calls("@mount", "openat").has(call)) return log;',
];

/** The text of a policy whose step is a block. */
function randomModule(choices: Choices): string {
  const text = pick(choices, [
    () => writePolicy(generateProgram(choices, { depth: 3 })).text,
    () => randomSource(choices),
    () => none,
  ])();
  if (chance(choices, 2)) return text;
  const rule = pick(choices, rules);
  const names = ["allow", "calls", "deny", "kill", "log"].filter((name) => rule.includes(name));
  return text
    .replace(/^import \{(.*)\} from "portcullis";/, (_, list: string) => {
      const imported = new Set([...list.split(",").map((name) => name.trim()), ...names]);
      return `import { ${[...imported].join(", ")} } from "portcullis";`;
    })
    .replace("(call) => {\n", (step) => `${step}  ${rule}\n`);
}

function load(name: string, modules: ReadonlyMap<string, string>): LoadedPolicy {
  const readFile = (path: string) => {
    const text = modules.get(path);
    if (text === undefined) throw new Error(`${path} is not a module of the test`);
    return text;
  };
  return loadPolicy(`${folder}/${name}`, { architecture, readFile });
}

/** The calls that all of the programs judge alike: one that must see every new process refuses clone3. */
function judgedByAll(trace: readonly TraceStep[], programs: readonly Program[]): TraceStep[] {
  const clone3 = callByName("clone3")!.number[architecture]!;
  return trace.filter(
    (step) =>
      step.kind !== "call" ||
      (step.event.number !== clone3 && programs.every((program) => admit(program, step.event) === "judged")),
  );
}

function strictnesses(program: Program, trace: readonly TraceStep[]): number[] {
  return runTrace(program, trace).calls.map((outcome) =>
    outcome.admission === "judged" ? strictness[program.verdicts[outcome.evaluation.verdict]!.action] : -1,
  );
}

/** Returns whether the modules compile. */
function check(seed: number): boolean {
  const choices = new SeededChoices(seed);
  const parts = ["first.ts", "second.ts", "own.ts"].map((name) => [name, randomModule(choices)] as const);
  const extending = parts[2]![1]
    .replace(/^/, 'import first from "./first.ts";\nimport second from "./second.ts";\n')
    .replace(/policy\((\{ )?/, (_, options: string | undefined) =>
      options === undefined ? "policy({ extends: [first, second] }, " : "policy({ extends: [first, second], ",
    );
  const texts = [...parts, ["policy.ts", extending] as const];
  const modules = new Map(texts.map(([name, text]) => [`${folder}/${name}`, text]));
  const context = () => texts.map(([name, text]) => `// ${name}, seed ${seed}\n${text}`).join("\n");
  const programs = parts.map(([name]) => load(name, modules).program);
  const loaded = load("policy.ts", modules);
  expect(
    loaded.diagnostics.filter(({ code }) => code === "P0399"),
    context(),
  ).toEqual([]);
  const { program } = loaded;
  if (program === undefined || !programs.every((one) => one !== undefined)) return false;
  expect(checkProgram(program), context()).toEqual([]);
  try {
    lintPolicy(program, loaded);
    explainPolicy(program, { superviseProcessCreation: true });
    comparePolicies(programs[2]!, program);
    allowedPaths(program);
    refusedObjects(program);
  } catch (error) {
    throw new Error(context(), { cause: error });
  }
  const trace = judgedByAll(generateTrace(choices, program, 60), [...programs, program]);
  const ofParts = programs.map((one) => strictnesses(one, trace));
  const expected = strictnesses(program, trace).map((_, at) => Math.max(...ofParts.map((part) => part[at]!)));
  expect(strictnesses(program, trace), context()).toEqual(expected);
  return true;
}

it("policies that extend two others", () => {
  let compiled = 0;
  let all = 0;
  for (const seed of seeds(120)) {
    all++;
    if (check(seed)) compiled++;
  }
  // A generator whose policies are refused tests nothing.
  expect(compiled).toBeGreaterThan(all / 5);
});
