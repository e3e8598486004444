import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allocate } from "../emit/allocate.ts";
import { emitBody, emptyProgram, placeReturns } from "../emit/emit.ts";
import type { EbpfInstruction } from "../instructions/instruction.ts";
import { optimise } from "../passes/optimise.ts";
import { runEbpf } from "../testing/interpreter.ts";
import { BodyBuilder } from "./builder.ts";
import { type DispatchRange, dispatch } from "./dispatch.ts";
import { Block, reversePostorder } from "./graph.ts";

const elsewhere = 999;

/** A program that returns the index of the range of the word at the start of its context. */
function compiled(
  ranges: readonly { readonly from: bigint; readonly to: bigint; readonly is: number }[],
  short: boolean,
): readonly EbpfInstruction[] {
  const builder = new BodyBuilder();
  const value = builder.load(short ? 4 : 8, "context", 0);
  const exitWith = (result: number): Block => {
    const block = new Block();
    block.terminator = { kind: "exit", result: { immediate: result } };
    return block;
  };
  const blocks: DispatchRange[] = ranges.map(({ from, to, is }) => ({ from, to, block: exitWith(is) }));
  dispatch(builder, value, blocks, exitWith(elsewhere), short, 0n, 0xffff_ffff_ffff_ffffn);
  optimise(builder.entry);
  const into = emptyProgram();
  emitBody(allocate(reversePostorder(builder.entry)), 0, into);
  placeReturns(into);
  return into.instructions;
}

function run(instructions: readonly EbpfInstruction[], value: bigint) {
  const context = new Uint8Array(8);
  new DataView(context.buffer).setBigUint64(0, value, true);
  return runEbpf(instructions, { context, maps: [] });
}

const single = (value: number, is: number) => ({ from: BigInt(value), to: BigInt(value), is });

describe("dispatch", () => {
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: 200n }),
    fc.bigInt({ min: 0n, max: 0xffff_ffffn }),
    fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  );

  it("leads to the range that holds the value, on both sides of each end", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 2, maxLength: 80 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 3 }),
        (ends, short, kinds) => {
          const sorted = ends.filter((end) => !short || end <= 0xffff_ffffn).sort((a, b) => (a < b ? -1 : 1));
          const ranges: { from: bigint; to: bigint; is: number }[] = [];
          for (let index = 0; index + 1 < sorted.length; index += 2)
            ranges.push({ from: sorted[index]!, to: sorted[index + 1]!, is: (index / 2) % kinds });
          const instructions = compiled(ranges, short);
          for (const end of sorted) {
            for (const value of [end - 1n, end, end + 1n]) {
              if (value < 0n || value > (short ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn)) continue;
              const wanted = ranges.find(({ from, to }) => from <= value && value <= to)?.is ?? elsewhere;
              expect(run(instructions, value).result, `${value}`).toBe(wanted);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("decides alternating targets by one bit test", () => {
    const odd = Array.from({ length: 16 }, (_, index) => single(1001 + 2 * index, 1));
    const instructions = compiled(odd, true);
    // Load, two comparisons with the ends, constant, shift, jump, result, exit.
    for (const value of [1001, 1002, 1015, 1031])
      expect(run(instructions, BigInt(value)).executed).toBeLessThanOrEqual(8);
    expect(instructions.length).toBeLessThan(20);
  });

  it("merges ranges that only return the same constant", () => {
    const instructions = compiled(
      [single(3, 7), single(4, 7), single(5, 7), { from: 6n, to: 0xffff_ffffn, is: 7 }],
      true,
    );
    expect(instructions.filter(({ kind }) => kind === "jump")).toHaveLength(1);
  });
});
