/** The policies of policies/against: their cases and diagnostics, and that the document and the test of the kernel have them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { vulnerabilities } from "../kernel/vulnerabilities/vulnerabilities.ts";
import { portcullis } from "../support/run.ts";

const names = readdirSync("policies/against")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length));

it("are those that the kernel's test runs, each with a program", () => {
  expect(vulnerabilities.map(({ name }) => name).sort()).toEqual(names);
  expect(names.filter((name) => !existsSync(`test/kernel/vulnerabilities/${name}.c`))).toEqual([]);
});

it("are all in the document", () => {
  const text = readFileSync("docs/vulnerabilities.md", "utf8");
  expect(names.filter((name) => !text.includes(`policies/against/${name}.ts`))).toEqual([]);
});

describe.each(names)("%s", (name) => {
  it("passes its cases", () => {
    const ran = portcullis(["test", `policies/against/${name}.ts`]);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
  });

  it("has no warning that it does not accept", () => {
    expect(portcullis(["check", "--strict", "-q", "-p", `against/${name}`])).toMatchObject({ status: 0, stderr: "" });
  });

  it("describes the bug and the cost in its head comment", () => {
    const text = readFileSync(`policies/against/${name}.ts`, "utf8");
    expect(text).toMatch(/CVE-|BusyBox bug|npm worms/);
    expect(text).toMatch(/\bCost: /);
  });
});
