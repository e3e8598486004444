import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as inert from "../../src/inert.ts";

function tsc(project: string): string {
  const { stdout, stderr } = spawnSync("node_modules/.bin/tsc", ["-p", project], { encoding: "utf8" });
  return stdout + stderr;
}

describe("the published types", () => {
  it("agree with every line of the sample modules, and reject the marked ones", () => {
    expect(tsc("test/types/policies")).toBe("");
  });

  it("accept the policies that come with the package", () => {
    expect(tsc("policies")).toBe("");
  });

  it("reject a mistake: the settings are in force", () => {
    const folder = mkdtempSync("test/types/.broken-");
    try {
      writeFileSync(join(folder, "tsconfig.json"), '{ "extends": "../../../policy.json", "include": ["*.ts"] }');
      const text =
        'import { allow, policy } from "portcullis";\nexport default policy((call) => (call.name === "opem" ? allow : allow));\n';
      writeFileSync(join(folder, "broken.ts"), text);
      expect(tsc(folder)).toContain('"opem"');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("portcullis in plain Node", () => {
  const names = [
    ...readFileSync("src/frontend/types/index.d.ts", "utf8").matchAll(/^export (?:const|function) (\w+)/gm),
  ].map(([, name = ""]) => name);

  it("exports the declared names", () => {
    expect(Object.keys(inert).sort()).toEqual([...new Set(names)].sort());
  });

  it("imports the package's policies without an effect", () => {
    const script = `
      import { build } from "esbuild";
      for (const name of ["nginx", "children", "fork-rate", "exec-once"]) {
        const { outputFiles } = await build({
          entryPoints: ["policies/" + name + ".ts"], bundle: true, format: "esm", platform: "node", write: false,
          alias: { portcullis: "./src/inert.ts", "portcullis/policies": "./policies" },
        });
        const { default: policy } = await import("data:text/javascript;base64," + Buffer.from(outputFiles[0].contents).toString("base64"));
        console.log(name, JSON.stringify(policy));
      }`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(printed.trim().split("\n")).toEqual(
      ["nginx", "children", "fork-rate", "exec-once"].map((name) => `${name} {"kind":"portcullis policy"}`),
    );
  });

  it("explains how to get verdicts if a policy is called", () => {
    const { calls, now, parameter, perProcess, perThread, perTree, report, tree } = inert;
    for (const ask of [
      () => perProcess.counter().add(),
      () => perThread.flag().get(),
      () => perTree.phases().is(),
      () => perTree.set().has(),
      () => calls().without().has(),
      () => calls["open"]?.has(),
      () => tree.alive(),
      () => now(),
      () => report(),
    ]) {
      expect(ask).toThrow('use simulate() of "portcullis/testing"');
    }
    expect(parameter.integer("most", { default: 3n })).toBe(3n);
    expect(parameter.text("mode")).toBe("");
  });

  it("computes durations, which a module may use in expressions", () => {
    expect(inert.duration("50ms")).toBe(50_000_000n);
    expect(inert.duration("2h")).toBe(7_200_000_000_000n);
    expect(() => inert.duration("2 hours")).toThrow(TypeError);
  });
});
