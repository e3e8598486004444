/** The tables of docs/engines.md are what the engines say of themselves; `make goldens` rewrites them. */
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { renewEngineTables } from "../../tools/generate/engines.ts";
import { expectGolden } from "../support/golden.ts";

const document = "docs/engines.md";

test("the tables of docs/engines.md are those of the engines' descriptions", () => {
  expectGolden(document, renewEngineTables(readFileSync(document, "utf8")));
});
