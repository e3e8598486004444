/**
 * Compares each ready policy's IR, classic filter and eBPF program, as the command line prints them, with goldens. Also
 * runs the two programs of the policy's bundle and compares them with the interpreter.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeBundle } from "../../src/backend/bundle/read.ts";
import { encodeBundle } from "../../src/backend/bundle/write.ts";
import { compileArtifact } from "../../src/backend/ebpf/artifact.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { portcullis } from "../cli/harness.ts";
import { expectGolden } from "../support/golden.ts";
import { runBundle } from "../support/run-bundle.ts";

const folder = join(import.meta.dirname, "policies");
const policies = readdirSync("policies")
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"))
  .map((file) => file.replace(/\.ts$/, ""));

const forms = {
  ir: ["explain", "--ir"],
  classic: ["disasm", "--pure"],
  ebpf: ["disasm", "--target", "seccomp"],
} as const;

/** It asks for the object that a path leads to. */
const refused = ["agent-socket"];

it.each(refused)("the policy %s is refused as eBPF", async (name) => {
  const { status, err } = await portcullis(...forms.ebpf, "--architecture", "x86_64", `policies/${name}.ts`);
  expect({ status, err }).toEqual({ status: 125, err: expect.stringContaining("P0606") });
});

describe.each(refused)("the policy %s, which is refused as eBPF,", (name) => {
  it.each(["ir", "classic"] as const)("as %s", async (form) => {
    const { status, out } = await portcullis(...forms[form], "--architecture", "x86_64", `policies/${name}.ts`);
    expect(status).toBe(0);
    expectGolden(join(folder, `${name}.${form}.txt`), out);
  });
});

describe.each(policies.filter((name) => !refused.includes(name)))("the policy %s", (name) => {
  it.each(Object.keys(forms) as (keyof typeof forms)[])("as %s", async (form) => {
    const { status, out } = await portcullis(...forms[form], "--architecture", "x86_64", `policies/${name}.ts`);
    expect(status).toBe(0);
    expectGolden(join(folder, `${name}.${form}.txt`), out);
  });

  it("runs from its bundle with the interpreter's verdicts, and its classic program is never stricter", () => {
    const { program, sources } = loadPolicy(`policies/${name}.ts`, { architecture: "x86_64" });
    const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
    const made = makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources });
    runBundle(program!, decodeBundle(encodeBundle(made)), artifact!);
  });
});
