import { describe, expect, it } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { refusingPatterns } from "./refused-entries.ts";

/** By the reason of a verdict: the patterns of variables that lead to it. */
function refusing(body: string): Record<string, string[]> {
  const text = `import { allow, deny, perTree, policy } from "portcullis";
const seen = perTree.flag();
export default policy((call) => {
  if (call.name !== "execve") return allow;
  const { argv, envp } = call.args;
  ${body}
});
`;
  const loaded = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  const { program } = loaded;
  const found = [...refusingPatterns(program!, "envp")].map(([verdict, patterns]): [string, string[]] => [
    program!.verdicts[verdict]!.reason ?? "",
    patterns.flatMap(({ word, mask }) => {
      const { reads } = program!.words[word]!;
      if (reads.is !== "any-entry") throw new Error(reads.is);
      return reads.patterns.filter((_, bit) => (mask >> BigInt(bit)) & 1n).map((one) => one.text);
    }),
  ]);
  return Object.fromEntries(found);
}

describe("the variables for which a verdict is given", () => {
  it.each<[string, string, Record<string, string[]>]>([
    ["of one rule", 'if (envp.has("A")) return deny("EPERM", "a"); return allow;', { a: ["A="] }],
    [
      "of each of several rules",
      'if (envp.has("A", "B")) return deny("EPERM", "a"); if (envp.some("C*")) return deny("EACCES", "c"); return allow;',
      { a: ["A=", "B="], c: ["C*"] },
    ],
    [
      "with another condition",
      'return argv.at(0n).is("x") && envp.has("A") ? deny("EPERM", "a") : allow;',
      { a: ["A="] },
    ],
    ["not of one of two conditions", 'return argv.at(0n).is("x") || envp.has("A") ? deny("EPERM", "a") : allow;', {}],
    ["after the way out", 'if (!envp.has("A")) return allow; return deny("EPERM", "a");', { a: ["A="] }],
    ["not that are missing", 'if (!envp.has("A")) return deny("EPERM", "a"); return allow;', {}],
    ["not that permit", 'if (envp.has("A")) return allow; return deny("EPERM", "a");', {}],
    [
      "not for another cause behind the test",
      'if (envp.has("A")) seen.set(true); return argv.at(0n).is("x") ? deny("EPERM", "x") : allow;',
      {},
    ],
    ["not of argv", 'return argv.includes("A") ? deny("EPERM", "a") : allow;', {}],
  ])("%s", (_, body, found) => {
    expect(refusing(body)).toEqual(found);
  });

  it("of the policies that it extends", () => {
    const text = `import { allow, deny, policy } from "portcullis";
const base = policy((call) => call.name === "execve" && call.args.envp.has("B") ? deny("EPERM", "b") : allow);
export default policy({ extends: [base] }, (call) =>
  call.name === "execve" && call.args.envp.has("A") ? deny("EACCES", "a") : allow);
`;
    const { program } = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
    const found = [...refusingPatterns(program!, "envp")].map(([verdict, patterns]) => [
      program!.verdicts[verdict]!.reason,
      patterns.map(({ mask }) => mask),
    ]);
    expect(found).toHaveLength(2);
    expect(found.every(([, masks]) => masks!.length === 1)).toBe(true);
  });
});
