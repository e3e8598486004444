/** Every prototype has been read for later changes of its arguments, as it is declared now. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { allCalls } from "../../src/abi/calls.ts";
import { narrowings } from "../../tools/generate/arguments.ts";
import { rewriteRules } from "../../tools/generate/rewrites.ts";

const lines = readFileSync("tools/generate/prototypes-read.txt", "utf8")
  .trimEnd()
  .split("\n")
  .filter((line) => !line.startsWith("#"))
  .map((line) => {
    const [prototype = "", note = ""] = line.split(" | ");
    return { prototype, note, name: prototype.slice(0, prototype.indexOf("(")) };
  });

it("lists every prototype of the tables, and no other", () => {
  expect(lines.map(({ prototype }) => prototype)).toEqual(allCalls.map(({ prototype }) => prototype));
  expect(lines.filter(({ note }) => note === "")).toEqual([]);
});

it("has exactly the calls of the tables", () => {
  const changed = new Set([...rewriteRules.flatMap(({ calls }) => calls), ...narrowings.map(({ call }) => call)]);
  const said = lines.filter(({ note }) => /^table\b|^as (?:open|mknod)$|; as msgctl$/.test(note));
  expect(said.map(({ name }) => name)).toEqual([...changed].sort());
});

it("declares pointers for arguments that take pointers only", () => {
  const pointers = new Set(lines.filter(({ note }) => note === "pointers only").map(({ name }) => name));
  for (const { name, parameters } of allCalls) {
    if (pointers.has(name))
      expect(
        parameters.every(({ kind }) => kind.is === "pointer"),
        name,
      ).toBe(true);
  }
});
