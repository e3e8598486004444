/**
 * Goldens: expected texts in files. `make goldens` rewrites all of them (PORTCULLIS_UPDATE=1 does it for the tests that
 * run); review the diff before you commit it, because it changes the enforcement or the output.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";

export const updating = process.env["PORTCULLIS_UPDATE"] === "1";

/** Compares the text with the golden in this file, or rewrites the golden. */
export function expectGolden(file: string, text: string): void {
  if (updating) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(existsSync(file), `${file} is missing; make goldens writes it`).toBe(true);
  expect(text).toBe(readFileSync(file, "utf8"));
}
