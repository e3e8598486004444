/** The cases of every ready policy, and its diagnostics. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { portcullis } from "../support/run.ts";

describe("every ready policy", () => {
  for (const file of readdirSync("policies").filter((name) => name.endsWith(".ts") && !name.endsWith(".flow.ts"))) {
    it(`${file} passes its cases, on the interpreter and compiled`, () => {
      const ran = portcullis(["test", `policies/${file}`]);
      expect(ran.stderr + ran.stdout).not.toMatch(/error|FAIL/);
      expect(ran.status).toBe(0);
    });
    it(`${file} has no warning that it does not accept`, () => {
      expect(portcullis(["check", "--strict", "-q", `policies/${file}`])).toMatchObject({ status: 0, stderr: "" });
    });
  }
});
