import fc from "fast-check";
import { describe, expect } from "vitest";
import { generateProgram, SeededChoices } from "../../../ir/testing/arbitrary.ts";
import { property } from "../../../ir/testing/property.ts";
import { casesOf } from "../../../ir/testing/seeds.ts";
import { compileArtifact, ebpfTargets } from "../artifact.ts";
import { compileTrial } from "../testing/trial-artifact.ts";
import { decode } from "./decode.ts";
import { type EbpfInstruction, encode, slotPositions } from "./instruction.ts";

/** The names that a loader would resolve. */
function names(instructions: readonly EbpfInstruction[]) {
  const positions = slotPositions(instructions);
  const at = (slot: number): EbpfInstruction => instructions[positions.indexOf(slot)]!;
  return {
    map(slot: number): number {
      const one = at(slot);
      return one.kind === "wide" && one.value.is !== "value" ? one.value.map : -1;
    },
    kernelFunction(slot: number): string {
      const one = at(slot);
      return one.kind === "call-kernel" ? one.function : "";
    },
  };
}

const zeros = { mapDescriptors: Array.from({ length: 64 }, () => 0), kernelFunction: () => 0 };

describe("decode", () => {
  property([fc.nat(20_000)], { numRuns: casesOf(100) })("is the inverse of encode", (seed) => {
    const program = generateProgram(new SeededChoices(seed), { statements: 20 });
    const target = ebpfTargets[seed % 3];
    const options = { reportsVerdicts: seed % 2 === 0 };
    const artifact = target === undefined ? compileTrial(program) : compileArtifact(program, target, options).artifact;
    if (artifact === undefined) return;
    const { instructions } = artifact.object;
    expect(decode(encode(instructions, zeros), names(instructions))).toEqual(instructions);
  });

  property([fc.uint8Array({ maxLength: 256 })], { numRuns: casesOf(3000) })(
    "of any bytes decodes or refuses",
    (bytes) => {
      let instructions: readonly EbpfInstruction[];
      try {
        instructions = decode(bytes, { map: () => 0, kernelFunction: () => "f" });
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return;
      }
      expect(encode(instructions, zeros)).toHaveLength(bytes.length);
    },
  );
});
