/**
 * The model of decisions about objects (src/objects) agrees with the kernel: random trees, declarations and operations, as
 * root and as an ordinary user. The rules are the model's own, and those that the launcher makes.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errnoByName } from "../../src/abi/errno.ts";
import type { FileRules, ObjectLayer, PathRule } from "../../src/ir/objects.ts";
import { seeds } from "../../src/ir/testing/seeds.ts";
import { landlockAbi } from "../../src/machine/landlock-abi.ts";
import { decide } from "../../src/objects/decide.ts";
import { domainOf } from "../../src/objects/domain.ts";
import type { Operation } from "../../src/objects/operation.ts";
import { layerWith, pathRule } from "../../src/objects/testing/layers.ts";
import type { FileTree } from "../../src/objects/tree.ts";
import { users } from "../support/ordinary-user.ts";
import { portcullis } from "../support/run.ts";
import { agreement, asksForWhiteouts, compileDriver, trialsOfRun } from "./landlock/agreement.ts";
import { randomTrial } from "./landlock/random.ts";
import { apply, emptyTree, type Maker, operationText } from "./landlock/trial.ts";

const outer = mkdtempSync(join(tmpdir(), "portcullis-landlock-"));
/** Links of the trees lead to ../w. */
const folder = join(outer, "w");
const driver = join(outer, "driver");
const privileged = process.getuid?.() === 0;
const place = { driver, folder, privileged };
afterAll(() => rmSync(outer, { recursive: true, force: true }));

beforeAll(() => {
  chmodSync(outer, 0o755);
  mkdirSync(folder);
  compileDriver(driver);
});

/** Why trials cannot run here. */
function obstacle(): string | undefined {
  if (landlockAbi() < 6) return "Landlock here is older than ABI 6";
  if (privileged && spawnSync("unshare", ["--mount", "--net", "true"]).status !== 0)
    return "root may not make namespaces here";
  return undefined;
}

/** Answers that each run has often. */
const answers = [
  ...["bind: EACCES", "bind: done", "connect: EACCES", "connect abstract: EPERM", "connect abstract: done"],
  ...["execute: EACCES", "execute: done", "ioctl: EACCES", "link: EACCES", "link: EXDEV", "link: done", "make: EACCES"],
  ...["make: done", "open: EACCES", "open: done", "remove: EACCES", "remove: done", "rename: EACCES", "rename: EXDEV"],
  ...["rename: done", "signal: EPERM", "signal: done", "truncate: EACCES", "truncate: done"],
  ...["truncate opened: EACCES", "truncate opened: done"],
];

/** The settings `files` of a policy, in its language. */
function filesText({ files }: ObjectLayer, program: string): string {
  const texts = (rules: readonly PathRule[]) => JSON.stringify(rules.map(({ path }) => path));
  const lists = Object.entries(files!.lists).map(([list, rules]) => {
    const own = list === "read" || list === "execute" ? [...rules, pathRule(program)] : rules;
    return `${list}: ${texts(own)}`;
  });
  return `files: { ${lists.join(", ")}, except: ${texts(files!.except)}, names: ${files!.names} }`;
}

/** A layer whose paths exist: the language has no optional ones. */
function withExisting(files: FileRules, tree: FileTree): ObjectLayer {
  const lists = Object.entries(files.lists).map(([list, rules]) => [
    list,
    rules.filter(({ path }) => tree.find(path) !== undefined),
  ]);
  return layerWith({ files: { ...files, lists: Object.fromEntries(lists) } });
}

it("a command of `run` gets the errors that the model says", (context) => {
  const reason = obstacle();
  if (reason !== undefined) context.skip(reason);
  let denied = 0;
  for (const seed of [...Array(12).keys()]) {
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    const kinds = { privileged: false, whiteouts: false, abi: 0, maker: "launcher" } as const;
    const random = randomTrial(seed, folder, kinds, 400);
    const tree = emptyTree(random);
    for (const step of random.before) apply(tree, step);
    const objects = random.objects.flatMap(({ files }) => (files === undefined ? [] : [withExisting(files, tree)]));
    if (objects.length === 0) continue;
    const domain = domainOf(objects, tree);
    // What changes the tree is only tried if it is denied; a file that is made and then not opened stays.
    const isRepeatable = ({ does }: Operation) => does === "execute" || does === "ioctl" || does === "connect";
    const makes = (operation: Operation) =>
      operation.does === "open" ? operation.create : operation.does === "truncate opened" && operation.open.create;
    const tried = random.operations
      .map((operation) => ({
        text: `do ${operationText(operation)}`,
        operation,
        answer: decide(domain, tree, operation),
      }))
      .filter(({ operation, answer }) => (answer.is === "denied" && !makes(operation)) || isRepeatable(operation));
    const inputOf = (some: readonly { text: string }[]) => `${some.map(({ text }) => text).join("\n")}\n`;
    const input = inputOf(tried);
    const steps = random.before.map(({ step, path, other }) => `${step} ${path} ${other}`.trim());
    const here = (text: string) => spawnSync(driver, ["--here", "0"], { encoding: "utf8", input: text });
    expect(here(`${steps.join("\n")}\n`).stderr).toBe("");
    const free = here(inputOf(tried.filter(({ answer }) => answer.is === "permitted")))
      .stdout.trim()
      .split("\n");
    const policies = objects.map((layer) => `policy({ ${filesText(layer, driver)} }, () => allow)`);
    const policy = join(outer, "policy.ts");
    const [last, ...others] = policies;
    writeFileSync(
      policy,
      `import { allow, policy } from "portcullis";
${others.map((text, index) => `const other${index} = ${text};`).join("\n")}
export default ${last!.replace("policy({", `policy({ extends: [${others.map((_, index) => `other${index}`)}],`)};
`,
    );
    const ran = portcullis(["run", "-q", "-p", policy, "--", driver, "--here", "0"], { input, cwd: "/" });
    expect(ran.stderr).toBe("");
    const found = ran.stdout.trim().split("\n");
    const expected = tried.map(({ answer }) =>
      answer.is === "denied" ? `${errnoByName(answer.errno)}` : free.shift(),
    );
    expect(tried.map(({ text }, index) => `${text}: ${found[index]}`)).toEqual(
      tried.map(({ text }, index) => `${text}: ${expected[index]}`),
    );
    denied += tried.filter(({ answer }) => answer.is === "denied").length;
  }
  expect(denied).toBeGreaterThan(300);
});

describe.each(users)("as $name", ({ uid = process.getuid?.() ?? 0 }) => {
  it.for<readonly [maker: Maker, trials: number]>([
    ["model", 1000],
    ["launcher", 250],
  ])("the kernel decides as the model, with the rules of the %s", ([maker, trials], context) => {
    const reason = obstacle();
    if (reason !== undefined) context.skip(reason);
    const kinds = { privileged, whiteouts: asksForWhiteouts(place), abi: landlockAbi() };
    const run = seeds((8 * trials) / trialsOfRun, trials / trialsOfRun);
    const { operations, counts } = agreement(place, uid, maker, kinds, run);
    console.log(`rules of the ${maker}, user ${uid}: ${operations} operations`);
    for (const answer of answers) expect(counts.get(answer) ?? 0, answer).toBeGreaterThan(operations / 2000);
    expect(counts.get("refused") ?? 0).toBeLessThan(operations / 10);
  });
});
