/** Tests that each pass makes a graph shorter. (Tests that run programs show that passes preserve semantics.) */
import { describe, expect, it } from "vitest";
import { allocate } from "../emit/allocate.ts";
import { emitBody, emptyProgram, placeReturns } from "../emit/emit.ts";
import { BodyBuilder } from "../graph/builder.ts";
import { Block, reversePostorder } from "../graph/graph.ts";
import type { EbpfInstruction } from "../instructions/instruction.ts";
import { runEbpf } from "../testing/interpreter.ts";
import { optimise } from "./optimise.ts";

function emitted(builder: BodyBuilder): readonly EbpfInstruction[] {
  optimise(builder.entry);
  const into = emptyProgram();
  emitBody(allocate(reversePostorder(builder.entry)), builder.stackSize, into);
  placeReturns(into);
  return into.instructions;
}

function run(instructions: readonly EbpfInstruction[], ...words: readonly bigint[]) {
  const context = new Uint8Array(64);
  words.forEach((word, index) => {
    new DataView(context.buffer).setBigUint64(8 * index, word, true);
  });
  return runEbpf(instructions, { context, maps: [{ bytes: new Uint8Array(8), valueSize: 8 }] });
}

const kinds = (instructions: readonly EbpfInstruction[]): readonly string[] => instructions.map(({ kind }) => kind);
const count = (instructions: readonly EbpfInstruction[], kind: EbpfInstruction["kind"]): number =>
  kinds(instructions).filter((other) => other === kind).length;
const exit = (builder: BodyBuilder, result: number): Block => {
  const block = new Block();
  block.terminator = { kind: "exit", result: { immediate: result } };
  void builder;
  return block;
};

/** Assigns `into` by a condition, as in IR: two blocks that join. */
function choose(builder: BodyBuilder, into: number, left: number, yes: number, no: number): void {
  const [then, otherwise, after] = [new Block(), new Block(), new Block()];
  builder.branch("equal", left, { immediate: 7 }, then, otherwise);
  for (const [block, value] of [
    [then, yes],
    [otherwise, no],
  ] as const) {
    builder.current = block;
    builder.set(into, { immediate: value });
    builder.goto(after);
  }
  builder.current = after;
}

describe("propagate", () => {
  it("threads a branch on a variable that was just set: one comparison is left", () => {
    const builder = new BodyBuilder();
    const [word, flag] = [builder.load(8, "context", 0), builder.fresh()];
    choose(builder, flag, word, 1, 0);
    builder.branch("not-equal", flag, { immediate: 0 }, exit(builder, 5), exit(builder, 6));
    const instructions = emitted(builder);
    expect(kinds(instructions)).toEqual(["load", "jump", "arithmetic", "exit", "arithmetic", "exit"]);
    expect(run(instructions, 7n).result).toBe(5);
    expect(run(instructions, 8n).result).toBe(6);
  });

  it("folds only values that are constant on every path", () => {
    const builder = new BodyBuilder();
    const [word, local] = [builder.load(8, "context", 0), builder.fresh()];
    choose(builder, local, word, 3, 4);
    const sum = builder.arithmetic("add", local, { immediate: 1 });
    builder.exit({ value: sum });
    const instructions = emitted(builder);
    expect(run(instructions, 7n).result).toBe(4);
    expect(run(instructions, 0n).result).toBe(5);

    const plain = new BodyBuilder();
    const four = plain.wide({ is: "value", value: 4n });
    plain.exit({ value: plain.arithmetic("shift-left", four, { immediate: 3 }) });
    expect(emitted(plain)).toHaveLength(2);
  });

  it("bounds the copies of a block", () => {
    const builder = new BodyBuilder();
    const word = builder.load(8, "context", 0);
    for (let index = 0; index < 200; index += 1) {
      const local = builder.fresh();
      choose(builder, local, word, 1, 0);
      const [then, after] = [new Block(), new Block()];
      builder.branch("not-equal", local, { immediate: 0 }, then, after);
      builder.current = then;
      builder.store(8, "context", 8, { value: word });
      builder.goto(after);
      builder.current = after;
    }
    builder.exit({ immediate: 1 });
    expect(emitted(builder).length).toBeLessThan(2000);
  });

  it("loads a wide constant once while a register holds it", () => {
    const builder = new BodyBuilder();
    const word = builder.load(8, "context", 0);
    const most = builder.wide({ is: "value", value: 0x1_0000_0000n });
    const [more, after, result] = [new Block(), new Block(), builder.copy(word)];
    builder.branch("greater", word, { value: most }, more, after);
    builder.current = more;
    builder.set(result, { value: builder.wide({ is: "value", value: 0x1_0000_0000n }) });
    builder.goto(after);
    builder.current = after;
    builder.store(8, "context", 8, { value: result });
    builder.exit({ immediate: 0 });
    expect(count(emitted(builder), "wide")).toBe(1);
  });
});

describe("compareBeforeSums", () => {
  const compared = (exact: boolean) => {
    const builder = new BodyBuilder();
    const before = builder.load(8, "context", 0);
    const sum = exact
      ? builder.exactSum(before, { immediate: 1 })
      : builder.arithmetic("add", before, { immediate: 1 });
    builder.branch("at-least", sum, { immediate: 11 }, exit(builder, 1), exit(builder, 2));
    return emitted(builder);
  };

  it("compares the operand of a sum that cannot wrap", () => {
    const instructions = compared(true);
    expect(kinds(instructions).slice(0, 2)).toEqual(["load", "jump"]);
    expect(run(instructions, 10n).result).toBe(1);
    expect(run(instructions, 9n).result).toBe(2);
  });

  const wide = 0x1_0000_0000_0000n;
  /** `readAgain`: whether the constant has a second reader. */
  const comparedWide = (limit: bigint, readAgain: boolean) => {
    const builder = new BodyBuilder();
    const sum = builder.exactSum(builder.load(8, "context", 0), { immediate: 1 });
    const constant = builder.wide({ is: "value", value: limit });
    if (readAgain) builder.store(8, "context", 8, { value: constant });
    builder.branch("at-least", sum, { value: constant }, exit(builder, 1), exit(builder, 2));
    return emitted(builder);
  };

  it.each([wide, 0x8000_0000n])("compares the operand with a wide constant, less the amount: %d", (limit) => {
    const instructions = comparedWide(limit, false);
    expect(instructions.filter(({ kind }) => kind === "arithmetic")).toHaveLength(2);
    expect(count(instructions, "wide")).toBe(limit === wide ? 1 : 0);
    expect(run(instructions, limit - 1n).result).toBe(1);
    expect(run(instructions, limit - 2n).result).toBe(2);
  });

  it("does not change a wide constant that has another reader", () => {
    const instructions = comparedWide(wide, true);
    expect(count(instructions, "wide")).toBe(1);
    expect(run(instructions, wide - 1n).result).toBe(1);
    expect(run(instructions, wide - 2n).result).toBe(2);
  });

  it("does not change a sum that may wrap", () => {
    expect(run(compared(false), 0xffff_ffff_ffff_ffffn).result).toBe(2);
  });
});

describe("hoistContextLoads", () => {
  const lookedUp = (loads: number) => {
    const builder = new BodyBuilder();
    const key = builder.stackRoom(8);
    builder.store(4, "stack", key, { immediate: 0 });
    const base = builder.callHelper(1, { wide: { is: "map", map: 0 } }, { stackAddress: key });
    const [there, missing] = [new Block(), exit(builder, 99)];
    builder.branch("not-equal", base, { immediate: 0 }, there, missing);
    builder.current = there;
    for (let index = 0; index < loads; index += 1)
      builder.store(8, base, 0, { value: builder.load(8, "context", 8 * index) });
    builder.exit({ immediate: 1 });
    return emitted(builder);
  };

  it("holds the loaded value across the call, and not the context pointer", () => {
    const instructions = lookedUp(1);
    const call = kinds(instructions).indexOf("call-helper");
    expect(kinds(instructions).lastIndexOf("load")).toBeLessThan(call);
    expect(run(instructions, 5n).result).toBe(1);
  });

  it("does not move many loads", () => {
    const instructions = lookedUp(5);
    expect(kinds(instructions).indexOf("load")).toBeGreaterThan(kinds(instructions).indexOf("call-helper"));
    expect(run(instructions, 5n).result).toBe(1);
  });
});

describe("returns", () => {
  const unlocked = (result: number): Block => {
    const block = new Block();
    block.instructions.push({ kind: "call", callee: { helper: 5 }, arguments: [{ immediate: 0 }], result: undefined });
    block.terminator = { kind: "exit", result: { immediate: result } };
    return block;
  };

  it("are merged if the same instructions precede each", () => {
    const builder = new BodyBuilder();
    const word = builder.load(8, "context", 0);
    builder.branch("equal", word, { immediate: 1 }, unlocked(3), unlocked(4));
    const instructions = emitted(builder);
    expect(count(instructions, "call-helper")).toBe(1);
    // The second constant is set before the branch: no jump around it.
    expect(count(instructions, "jump-always")).toBe(0);
  });

  it("of constants need 32 bits of them", () => {
    const builder = new BodyBuilder();
    const [word, verdict] = [builder.load(8, "context", 0), builder.fresh()];
    const [some, after] = [new Block(), new Block()];
    builder.set(verdict, { immediate: 1 });
    builder.branch("equal", word, { immediate: 1 }, some, after);
    builder.current = some;
    builder.set(verdict, { value: builder.wide({ is: "value", value: 0x0200_0000_0005_0001n }) });
    builder.store(8, "context", 8, { immediate: 1 });
    builder.goto(after);
    builder.current = after;
    builder.store(8, "context", 16, { immediate: 1 });
    builder.exit({ value: verdict });
    const instructions = emitted(builder);
    expect(count(instructions, "wide")).toBe(0);
    expect(run(instructions, 1n).result).toBe(0x0005_0001);
  });

  it("of the same constant are merged", () => {
    const builder = new BodyBuilder();
    for (let value = 0; value < 20; value += 1) {
      const next = new Block();
      const word = builder.load(8, "context", 8 * (value % 4));
      builder.branch("equal", word, { immediate: value }, exit(builder, 3), next);
      builder.current = next;
    }
    builder.exit({ immediate: 4 });
    expect(count(emitted(builder), "exit")).toBe(2);
  });
});

describe("allocate", () => {
  it("gives a variable and its copy one register, although one is read in between", () => {
    // The smaller of the two words: `small = a; if b < a: small = b`.
    const builder = new BodyBuilder();
    const [a, b] = [builder.load(8, "context", 0), builder.load(8, "context", 8)];
    const small = builder.copy(a);
    const [less, after] = [new Block(), new Block()];
    builder.branch("less", b, { value: a }, less, after);
    builder.current = less;
    builder.copy(b, small);
    builder.goto(after);
    builder.current = after;
    builder.store(8, "context", 16, { value: small });
    builder.exit({ value: small });
    const instructions = emitted(builder);
    // Two loads, a branch, one move, a store, the result and the exit.
    expect(instructions).toHaveLength(7);
    expect(run(instructions, 9n, 4n).result).toBe(4);
    expect(run(instructions, 4n, 9n).result).toBe(4);
  });

  it("spills values to the stack", () => {
    const builder = new BodyBuilder();
    const words = Array.from({ length: 8 }, (_, index) => builder.load(8, "context", 8 * index));
    const copies = [...words, ...words].map((word, index) => builder.arithmetic("add", word, { immediate: index }));
    const sum = builder.fresh();
    builder.set(sum, { immediate: 0 });
    // All are needed at once: the first one added was computed last.
    let total = sum;
    for (const value of copies.toReversed()) total = builder.arithmetic("add", total, { value });
    builder.exit({ value: total });
    const instructions = emitted(builder);
    expect(instructions.some((instruction) => instruction.kind === "store" && instruction.base === 10)).toBe(true);
    const given = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n];
    expect(run(instructions, ...given).result).toBe(2 * 36 + 120);
  });
});

describe("joinMasks", () => {
  const bits = 0x0f0fn;

  /** Returns 1 if one of these masks meets the word, 2 if none does; some branches ask the other way round. */
  function tested(masks: readonly number[], between?: (builder: BodyBuilder, index: number) => void): BodyBuilder {
    const builder = new BodyBuilder();
    const word = builder.load(8, "context", 0);
    const [set, clear] = [exit(builder, 1), exit(builder, 2)];
    masks.forEach((mask, index) => {
      between?.(builder, index);
      const masked = builder.arithmetic("and", word, { immediate: mask });
      const next = index === masks.length - 1 ? clear : new Block();
      if (index % 2 === 0) builder.branch("not-equal", masked, { immediate: 0 }, set, next);
      else builder.branch("equal", masked, { immediate: 0 }, next, set);
      builder.current = next;
    });
    return builder;
  }

  it("tests the bits of one word at once", () => {
    const instructions = emitted(tested([0x0f, 0x100, 0x600, 0x800]));
    expect(count(instructions, "jump")).toBe(1);
    for (let bit = 0n; bit < 64n; bit += 1n)
      expect(run(instructions, 1n << bit).result).toBe(((1n << bit) & bits) === 0n ? 2 : 1);
  });

  it("leaves tests with something between them, and masks of all upper bits", () => {
    const store = (builder: BodyBuilder, index: number) => {
      if (index === 1) builder.store(8, "context", 8, { immediate: 3 });
    };
    expect(count(emitted(tested([1, 2], store)), "jump")).toBe(2);
    const upper = emitted(tested([1, -16]));
    expect(count(upper, "jump")).toBe(2);
    expect([0n, 1n, 2n, 16n, 1n << 63n].map((word) => run(upper, word).result)).toEqual([2, 1, 2, 1, 1]);
  });

  it("leaves tests of two words, and those that lead elsewhere", () => {
    const builder = new BodyBuilder();
    const [one, other] = [builder.load(8, "context", 0), builder.load(8, "context", 8)];
    const [set, next, last] = [exit(builder, 1), new Block(), new Block()];
    builder.branch("not-equal", builder.arithmetic("and", one, { immediate: 1 }), { immediate: 0 }, set, next);
    builder.current = next;
    builder.branch("not-equal", builder.arithmetic("and", other, { immediate: 2 }), { immediate: 0 }, set, last);
    builder.current = last;
    const third = builder.arithmetic("and", other, { immediate: 4 });
    builder.branch("not-equal", third, { immediate: 0 }, exit(builder, 3), exit(builder, 2));
    const instructions = emitted(builder);
    const results = [
      [1n, 0n],
      [2n, 0n],
      [0n, 2n],
      [0n, 4n],
      [0n, 6n],
    ].map(([left, right]) => run(instructions, left!, right!).result);
    expect(results).toEqual([1, 2, 1, 3, 1]);
  });
});

describe("dropAnswered", () => {
  const [parts, match] = ["bpf_seccomp_arg_parts", "bpf_seccomp_arg_match"];

  /** Asks whether argument 1 may be seen, and searches argument `searched`. Returns 1 where it may not, 3 on other errors. */
  function searching(searched: number, between: (builder: BodyBuilder, count: number) => void = () => {}): BodyBuilder {
    const builder = new BodyBuilder();
    const [seen, failed, found] = [new Block(), new Block(), new Block()];
    const unseen = exit(builder, 1);
    const asked = builder.callKernel(parts, { immediate: 1 });
    builder.branch("equal", asked, { immediate: -1 }, unseen, seen);
    builder.current = seen;
    between(builder, asked);
    const bits = builder.callKernel(match, { immediate: searched }, { immediate: 0 });
    builder.branch("less-signed", bits, { immediate: 0 }, failed, found);
    builder.current = failed;
    builder.branch("equal", bits, { immediate: -2 }, exit(builder, 2), exit(builder, 3));
    builder.current = found;
    builder.exit({ value: bits });
    return builder;
  }

  const called = (builder: BodyBuilder): readonly string[] => {
    optimise(builder.entry);
    const instructions = reversePostorder(builder.entry).flatMap((block) => block.instructions);
    return instructions.flatMap((one) =>
      one.kind === "call" && "kernelFunction" in one.callee ? [one.callee.kernelFunction] : [],
    );
  };

  it("leaves the question to the search that follows it", () => {
    const builder = searching(1);
    expect(called(builder)).toEqual([match]);
    // The error of an argument that may not be seen still leads to the refusal.
    const [first] = reversePostorder(builder.entry).filter(({ terminator }) => terminator?.kind === "branch");
    const after = first?.terminator?.kind === "branch" ? first.terminator.then.terminator : undefined;
    expect(after).toMatchObject({ condition: "equal", right: { immediate: -1 } });
    expect(after?.kind === "branch" && after.then.terminator).toMatchObject({ kind: "exit", result: { immediate: 1 } });
  });

  it("asks where another argument is searched, something happens before it, or the answer is read", () => {
    expect(called(searching(2))).toEqual([parts, match]);
    expect(called(searching(1, (builder) => builder.store(8, "context", 8, { immediate: 3 })))).toEqual([parts, match]);
    const bounded = (builder: BodyBuilder, asked: number): void => {
      const few = new Block();
      builder.branch("greater-signed", asked, { immediate: 5 }, exit(builder, 4), few);
      builder.current = few;
    };
    expect(called(searching(1, bounded))).toEqual([parts, match]);
  });
});
