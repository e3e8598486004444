/** Compares the table of declarable arguments with the kernel's, as the series of patches makes it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { callByName } from "./calls.ts";
import { declarableArguments, declarationKind } from "./declared-arguments.ts";

const kindNames = {
  PATH: "path",
  ADDR: "address",
  MSG: "message",
  STRUCT: "structure",
  STRING: "string",
  STRINGS: "strings",
} as const;

it("the arguments that can be declared are those of the kernel's table", () => {
  const kernel = new Map<string, string>();
  for (const file of readdirSync("kernel/patches").sort()) {
    if (!file.endsWith(".patch")) continue;
    const text = readFileSync(join("kernel/patches", file), "utf8");
    for (const [, sign, call, argument, kind] of text.matchAll(/^([+-])\tCALL\w*\(([a-z]\w*), (\d), ([A-Z]+)/gm)) {
      if (sign === "+") kernel.set(`${call}:${argument}`, kindNames[kind as keyof typeof kindNames]);
      else kernel.delete(`${call}:${argument}`);
    }
  }
  expect(kernel.size).toBeGreaterThan(90);
  expect(new Map([...declarableArguments()].sort())).toEqual(new Map([...kernel].sort()));
});

it("each is an argument of a known call", () => {
  for (const name of declarableArguments().keys()) expect(callByName(name.split(":")[0]!), name).toBeDefined();
  expect(declarationKind("x86_64", 2, 0)).toBe("path");
  expect(declarationKind("x86_64", 2, 1)).toBeUndefined();
});
