/**
 * Each argument of the table that is a path or another text, under `notify`: it is judged; and the call returns what it
 * returns without portcullis, however the text lies in memory (victims/copies.c). So do calls with addresses and structures
 * of odd sizes.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { allCalls, numberOf, registerOf } from "../../src/abi/calls.ts";
import { errno } from "../../src/abi/errno-numbers.ts";
import { nullPointer } from "../../src/abi/null-pointers.ts";
import { pointeeOf } from "../../src/abi/pointees.ts";
import { asUser, copyFor, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { pinEverything } from "./pinned-policy.ts";

const architecture = hostArchitecture()!;
const exfull = 54;
const copyErrors: ReadonlySet<number | undefined> = new Set([errno.EFAULT, errno.ENAMETOOLONG, errno.EINVAL]);
const place = reachableFolder("copies");
let program = "";

/** Call, the argument's name, its register, and whether it is a path. */
const texts = allCalls.flatMap((call) => {
  if (call.number[architecture] === undefined) return [];
  return call.parameters.flatMap(({ name }, index) => {
    const pointee = pointeeOf(call.name, name)?.is;
    if (pointee !== "path" && pointee !== "string") return [];
    return [{ call: call.name, name, register: registerOf(call, index, architecture), isPath: pointee === "path" }];
  });
});

beforeAll(() => {
  program = copyFor(place, compiled("test/live/victims/copies.c"));
});

/** Description of a call → errno. Root's calls would have effects. */
function results(
  name: string,
  options: readonly string[],
  before: readonly string[] = [],
): ReadonlyMap<string, number> {
  const folder = join(place, name);
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const words = [...before, program, ...options];
  const [file, ...rest] = process.getuid?.() === 0 ? asUser(ordinaryUser, ...words) : words;
  const { stdout, stderr, status } = spawnSync(file!, rest, {
    ...{ cwd: folder, encoding: "utf8", timeout: patience.command, killSignal: "SIGKILL" },
    env: { ...process.env, HOME: folder },
  });
  if (process.getuid?.() === 0) execFileSync("chmod", ["-R", "u+rwX", folder]);
  expect(status, stderr).toBe(0);
  return new Map([...stdout.matchAll(/^(.+): (\d+)$/gm)].map(([, what = "", number]) => [what, Number(number)]));
}

function resultsUnder(name: string, policyText: string, options: readonly string[]): ReadonlyMap<string, number> {
  const policy = join(place, `${name}.ts`);
  writeFileSync(policy, policyText);
  const portcullis = join(process.cwd(), "bin/portcullis");
  return results(name, options, [portcullis, "run", "--engine", "notify", "--no-denial-events", "-p", policy, "--"]);
}

/** Whether the call, without flags, reads address 0, which is not mapped here. */
function readsNull(key: string): boolean {
  const [name, register, text] = key.split(" ");
  const number = text === "null" ? numberOf(name!, architecture) : undefined;
  if (number === undefined) return false;
  return nullPointer(architecture, number, Number(register), () => ({ value: 0n, unknown: 0n })) === "address";
}

/** A policy that denies every text which is this one. */
function denying(denied: string): string {
  const cases = [...new Set(texts.map(({ call }) => call))].map((call) => {
    const questions = texts
      .filter((one) => one.call === call)
      .map((one) => `call.args.${one.name}${one.isPath ? ".text" : ""}.is("${denied}")`);
    return `    case "${call}":\n      return ${questions.join(" || ")} ? deny("EXFULL") : allow;`;
  });
  return `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  switch (call.name) {
${cases.join("\n")}
  }
  return allow;
});
`;
}

it("every text of the table is judged", () => {
  const found = resultsUnder("denied", denying("f"), []);
  const keys = new Set(texts.map(({ call, register }) => `${call} ${register} file`));
  const tested = [...found.keys()].filter((key) => key.endsWith(" file"));
  expect(new Set(tested)).toEqual(keys);
  expect(tested.filter((key) => found.get(key) !== exfull)).toEqual([]);
});

it("every call returns what it returns without portcullis", () => {
  const plain = results("plain", ["more"]);
  const pinned = resultsUnder("pinned", pinEverything(), ["more"]);
  expect([...pinned.keys()]).toEqual([...plain.keys()]);
  const others = [...plain].filter(([key, wanted]) => {
    const seen = pinned.get(key);
    // The kernel can check other things before it copies: then only a text that cannot be copied may change the errno.
    const isCopyError = wanted === errno.EFAULT || wanted === errno.ENAMETOOLONG;
    const mayDiffer =
      wanted !== 0 && !isCopyError && (/(?:endless|too long|unmapped|kernel)$/.test(key) || readsNull(key));
    return seen !== wanted && !(mayDiffer && copyErrors.has(seen));
  });
  expect(others).toEqual([]);
});
