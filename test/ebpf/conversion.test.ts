/** Tests the model of the kernel's conversion in bench/ebpf.ts: the result is equivalent to the classic filter. */
import { describe, expect, it } from "vitest";
import { convertClassic, longestPath } from "../../bench/ebpf/conversion.ts";
import type { ClassicInstruction } from "../../src/backend/classic/instruction.ts";
import { encodeInput, runClassic } from "../../src/backend/classic/interpreter.ts";
import { runEbpf } from "../../src/backend/ebpf/testing/interpreter.ts";
import { profileInputs } from "../classic/comparison.ts";
import { libseccompFilter } from "../classic/libseccomp.ts";
import { realProfiles } from "../classic/profiles.ts";

const numbers = Array.from({ length: 480 }, (_, number) => number);

describe("a classic filter as the kernel converts it", () => {
  for (const { name, profile } of realProfiles("x86_64")) {
    it(`gives the same results: ${name}`, () => {
      const { instructions } = libseccompFilter(profile);
      const converted = convertClassic(instructions);
      const most = longestPath(converted);
      // `r ^= r` clears an uninitialised register, which the kernel does not verify and our interpreter rejects.
      const clear = (destination: 0 | 7) =>
        ({ kind: "arithmetic", operator: "move", width: 32, destination, source: { immediate: 0 } }) as const;
      const cleared = [clear(0), clear(7), ...converted.slice(2)];
      for (const number of numbers) {
        for (const input of profileInputs(profile, number)) {
          const { word, steps } = runClassic(instructions, input);
          const run = runEbpf(cleared, { context: new Uint8Array(encodeInput(input).buffer), maps: [] });
          expect(run.result).toBe(word);
          expect(run.executed).toBeGreaterThan(steps + 3);
          expect(run.executed).toBeLessThanOrEqual(most);
        }
      }
    });
  }

  const filter = (...instructions: [code: number, jt: number, jf: number, k: number][]): ClassicInstruction[] =>
    instructions.map(([code, jt, jf, k]) => ({ code, jt, jf, k }));

  it("adds a jump if neither branch falls through, and a constant for a negative immediate", () => {
    const returns: [number, number, number, number][] = [
      [0x06, 0, 0, 1],
      [0x06, 0, 0, 2],
      [0x06, 0, 0, 3],
    ];
    const sizeOf = (jt: number, jf: number, k: number) =>
      convertClassic(filter([0x20, 0, 0, 0], [0x15, jt, jf, k], ...returns)).length;
    // Three for the prologue, a load, and two for each return.
    expect(sizeOf(0, 1, 5)).toBe(3 + 1 + 1 + 6);
    expect(sizeOf(1, 0, 5)).toBe(3 + 1 + 1 + 6);
    expect(sizeOf(2, 1, 5)).toBe(3 + 1 + 2 + 6);
    expect(sizeOf(1, 0, 0xc000_003e)).toBe(3 + 1 + 2 + 6);
  });
});
