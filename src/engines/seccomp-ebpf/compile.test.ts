import { describe, expect, it } from "vitest";
import { digestIn } from "../../backend/bundle/format.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { bundledPolicy } from "../bundled.ts";
import { seccompEbpfCompiler } from "./compile.ts";
import { printVariant, readVariant } from "./variant.ts";

function compile(policy: string, variant: string) {
  const { program, sources } = loadPolicy(`policies/${policy}.ts`, { architecture: "x86_64" });
  return seccompEbpfCompiler.compile(program!, {
    mode: "reported",
    killEvents: false,
    events: true,
    variant,
    approximate: false,
    compiler: "portcullis test",
    fixed: [],
    sources,
  });
}

describe("for a kernel whose filters do not copy arguments", () => {
  it.each([true, false])("policies about memory are refused, with CAP_BPF or without", (unprivileged) => {
    const variant = printVariant({ unprivileged, memory: false });
    const { policy, diagnostics } = compile("no-secrets", variant);
    expect(policy).toBeUndefined();
    expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([
      "P0606 the filters of this kernel cannot read the memory behind `path`",
    ]);
    expect(compile("exec-once", variant).policy).toBeDefined();
  });

  it("survives printing and parsing", () => {
    for (const unprivileged of [true, false])
      for (const memory of [true, false]) {
        const variant = { unprivileged, memory };
        expect(readVariant(printVariant(variant))).toEqual(variant);
      }
    expect(compile("no-secrets", printVariant({ unprivileged: true, memory: true })).policy).toBeDefined();
  });
});

it("the events of a bundle have the bundle's digest", () => {
  const { bundle } = compile("exec-once", printVariant({ unprivileged: true, memory: true })).policy!;
  expect(bundledPolicy(bundle, new Map()).description.digest).toBe(`sha256:${digestIn(bundle)}`);
});
