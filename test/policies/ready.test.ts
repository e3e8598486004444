/** The cases of every ready policy, and its diagnostics. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { portcullis } from "../support/run.ts";

/** Expected warnings of `check`. */
const meant: Readonly<Record<string, readonly string[]>> = {
  // A descriptor to truncate by was opened for writing.
  "read-only-home.ts": ["P0501"],
};

describe("every ready policy", () => {
  for (const file of readdirSync("policies").filter((name) => name.endsWith(".ts") && !name.endsWith(".flow.ts"))) {
    it(`${file} passes its cases, on the interpreter and compiled`, () => {
      const ran = portcullis(["test", `policies/${file}`]);
      expect(ran.stderr + ran.stdout).not.toMatch(/error|FAIL/);
      expect(ran.status).toBe(0);
    });
    it(`${file} has no diagnostic that is not meant`, () => {
      const ran = portcullis(["check", "-p", `policies/${file}`]);
      expect(ran.stderr.match(/(?<=warning |error )P\d+/g) ?? []).toEqual(meant[file] ?? []);
      expect(ran.status).toBe(0);
    });
  }
});
