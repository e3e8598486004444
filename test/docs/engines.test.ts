/** The tables of docs/engines.md are what the engines say of themselves; `make goldens` rewrites them. */
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { renewEngineTables } from "../../tools/generate/engines.ts";
import { expectGolden } from "../support/golden.ts";

const document = "docs/engines.md";

test("the tables of docs/engines.md are the engines' own words", () => {
  expectGolden(document, renewEngineTables(readFileSync(document, "utf8")));
});
