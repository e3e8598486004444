import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findDeepNesting, maximumNesting } from "./nesting.ts";

describe("the depth of a text", () => {
  it("of real policies is small", () => {
    const root = join(import.meta.dirname, "../../..");
    const files = [
      "policies",
      "src/frontend/types",
      "src/frontend/source",
      "test/language/rejected",
      "bench/policies",
    ].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => join(root, folder, name)),
    );
    expect(files.length).toBeGreaterThan(30);
    for (const file of files) expect([file, findDeepNesting(readFileSync(file, "utf8"))]).toEqual([file, undefined]);
  });

  const over = maximumNesting + 1;
  it.each([
    ["brackets", "(".repeat(over)],
    ["after a string with brackets that close", `")))" ${'"))))" ('.repeat(over)}`],
    ["after comments that close", "/*)*/(".repeat(over)],
    ["in a template", "`${".repeat(over)],
    ["prefixes", "!".repeat(over)],
    ["else", "if (a) ; else ".repeat(over)],
    ["with names that could begin a statement", "B<type<".repeat(over)],
    ["after a division that may be a regular expression", `(a) /"/ ${"(".repeat(over)}`],
    ["in one chain of operators", "a && ".repeat(5000)],
  ])("is detected: %s", (_, text) => expect(findDeepNesting(text)).toBeDefined());

  it.each([
    ["many statements", "if (a) { b(); }\n".repeat(5000)],
    ["statements without semicolons", "const a = -1n\nreturn !b\n".repeat(5000)],
    ["many arguments", `f(${"!a, ".repeat(5000)})`],
    ["texts full of brackets", 'x = "((((((((((";\n'.repeat(5000)],
    ["comments full of brackets", "// ((((( :( `\n/* ((((( */\n".repeat(5000)],
    ["a long alternative", "a || ".repeat(3000)],
    ["types", "type A = B | C;\ninterface D { readonly e: F<G> }\n".repeat(2000)],
    ["divisions", "a = (b + c) / 2n;\n".repeat(5000)],
    ["nothing", ""],
  ])("is not exceeded by %s", (_, text) => expect(findDeepNesting(text)).toBeUndefined());
});
