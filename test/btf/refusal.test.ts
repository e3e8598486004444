/** A program that the running kernel's verifier rejects leads to a message with the reason, at the policy's line. */
import { describe, expect, it, type TestContext } from "vitest";
import type { Bundle } from "../../src/backend/bundle/bundle.ts";
import { loadBundle } from "../../src/backend/bundle/load.ts";
import { explainRefusal } from "../../src/backend/bundle/refusal.ts";
import { compileTrial } from "../../src/backend/ebpf/testing/trial-artifact.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { VerifierError } from "../../src/machine/bpf/verifier-log.ts";

const path = "policies/fork-rate.ts";
const { program, sources } = loadPolicy(path, { architecture: "x86_64" });
const bundle = makeBundle(compileTrial(program!), { compiler: "portcullis test", fixed: [], sources });

function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip("bpf(2) needs root here");
}

function refusalOf(changed: Bundle): unknown {
  try {
    loadBundle(changed).close();
  } catch (error) {
    return error;
  }
  throw new Error("the program was loaded");
}

describe("a refusal", () => {
  it("by the verifier has the line with the error, the policy's place, and the whole log", (context) => {
    needsRoot(context);
    // The first single-slot instruction of a policy line becomes r0 = *(u64 *)(r9 + 0), with an uninitialised R9.
    const at = bundle.sourceMap.find(
      ({ instruction, at }) => at !== undefined && bundle.program[8 * instruction] !== 0x18,
    )!;
    const broken = bundle.program.slice();
    broken.set([0x79, 0x90, 0, 0, 0, 0, 0, 0], 8 * at.instruction);
    const relocations = bundle.relocations.filter(({ instruction }) => instruction !== at.instruction);
    const error = refusalOf({ ...bundle, program: broken, relocations });
    expect(error).toBeInstanceOf(VerifierError);
    if (!(error instanceof VerifierError)) return;
    expect(error.reason).toBe("R9 !read_ok");
    expect(error.instruction).toBe(at.instruction);
    expect(error.log).toContain("R9 !read_ok\nprocessed");
    expect(error.log).toContain(`@ fork-rate.ts:${at.at!.line}`);
    const diagnostic = explainRefusal(bundle, error)!;
    expect(diagnostic).toMatchObject({ code: "P0607", span: { file: path, line: at.at!.line, column: at.at!.column } });
    expect(renderDiagnostics([diagnostic], sources)).toContain(sources.get(path)!.split("\n")[at.at!.line - 1]);
  });

  it("of a program type that the kernel lacks names the type", (context) => {
    needsRoot(context);
    const error = refusalOf({ ...bundle, programType: 77, programFlags: 0 });
    expect(explainRefusal({ ...bundle, programType: 77 }, error)).toMatchObject({
      message: "the kernel refuses loading the program (EINVAL)",
      help: "it has no programs of type 77 (portcullis doctor shows what it supports)",
    });
  });

  it("for a missing kernel function names it", (context) => {
    needsRoot(context);
    const kernelFunctions = ["bpf_no_such_function"];
    const call = new Uint8Array([0x85, 0x20, 0, 0, 0, 0, 0, 0]);
    const relocations = [{ instruction: 0, kind: "kernel-function", index: 0 } as const];
    const error = refusalOf({ ...bundle, program: call, relocations, kernelFunctions });
    expect(explainRefusal(bundle, error)?.message).toBe("this kernel has no function bpf_no_such_function");
  });

  it("does not explain other errors", () => {
    expect(explainRefusal(bundle, new TypeError("x"))).toBeUndefined();
  });
});
