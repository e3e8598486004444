import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check } from "../verbs/check.ts";
import { run } from "../verbs/run.ts";
import { joinedWords, parametersOf, policyOfLine } from "./line-parameters.ts";

describe("the policy of an unfinished line", () => {
  it.each([
    ["-p children", "children"],
    ["-p children --set most=3", "children"],
    ["--policy=children -- sh -p other", "children"],
    ["-q -p children", "children"],
    ["sh -p other", undefined],
    ["-- sh -p other", undefined],
    ["-p", undefined],
    ["", undefined],
    ["--no-such-option -p children", "children"],
  ])("run %s: %s", (line, expected) => {
    expect(policyOfLine(run, line.split(" ").filter(Boolean))).toBe(expected);
  });

  it.each([
    ["children", "children"],
    ["--strict children", "children"],
    ["--set most=3 children", "children"],
    ["", undefined],
  ])("check %s: %s", (line, expected) => {
    expect(policyOfLine(check, line.split(" ").filter(Boolean))).toBe(expected);
  });
});

it.each([
  ["--set most = 3", ["--set", "most=3"]],
  ["--set most =", ["--set", "most="]],
  ["--set most = -q", ["--set", "most=", "-q"]],
  ["= x", ["=", "x"]],
  ["", []],
])("joins the words of %j", (line, expected) => {
  expect(joinedWords(line.split(" ").filter(Boolean))).toEqual(expected);
});

describe("the parameters of a policy", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "portcullis-parameters-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const named = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const source = (body: string) =>
    `import { allow, parameter, policy } from "portcullis";\nconst most = parameter.integer("most"${body});\nexport default policy((call) => (most > 3n ? allow : allow));\n`;

  it("are those of its source, also if one lacks its value", () => {
    expect(parametersOf(named("a.ts", source(", { default: 5n }")), folder)).toMatchObject([
      { name: "most", default: "5" },
    ]);
    expect(parametersOf(named("b.ts", source("")), folder)).toMatchObject([{ name: "most", default: undefined }]);
  });

  it.each([
    ["a bundle that is none", "c.pcl", "no bundle", /c\.pcl: /],
    ["an empty bundle", "d.pcl", "", /d\.pcl: /],
    ["a source with an error", "e.ts", "export default 1;\n", /policy/],
  ])("of %s are an error that names it", (_, name, content, message) => {
    const file = named(name, content);
    expect(() => parametersOf(file, folder)).toThrow(message);
    expect(() => parametersOf(file, folder)).toThrow(expect.objectContaining({ status: 125 }));
  });

  it("of a policy that does not exist are an error", () => {
    expect(() => parametersOf(join(folder, "none.ts"), folder)).toThrow(expect.objectContaining({ status: 125 }));
  });
});
