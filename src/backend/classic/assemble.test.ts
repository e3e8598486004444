import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { casesOf } from "../../ir/testing/seeds.ts";
import { assemble } from "./assemble.ts";
import { disassemble } from "./disassemble.ts";
import { type ClassicInstruction, decodeInstructions, encodeInstructions } from "./instruction.ts";

const byte = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 }));
const instruction: fc.Arbitrary<ClassicInstruction> = fc.record({
  code: fc.oneof(fc.constantFrom(0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06), fc.integer({ min: 0, max: 0xffff })),
  jt: byte,
  jf: byte,
  k: fc.oneof(
    fc.integer({ min: 0, max: 70 }),
    fc.constantFrom(0x7fff_0000, 0x0005_0001, 0x8000_0000, 0x7fc0_0000, 0x0006_0000, 0xffff_ffff),
    fc.integer({ min: 0, max: 0xffff_ffff }),
  ),
});
const instructions = fc.array(instruction, { minLength: 1, maxLength: 40 });

describe("the text of a filter", () => {
  it("round-trips for any filter", () => {
    fc.assert(
      fc.property(instructions, (filter) => {
        const { instructions: read, faults } = assemble(disassemble(filter));
        expect(faults).toEqual([]);
        expect(read).toEqual(filter);
      }),
    );
  });

  it("round-trips with any comments", () => {
    fc.assert(
      fc.property(instructions, fc.string({ unit: "binary" }), (filter, comment) => {
        const text = disassemble(filter, { before: () => [comment], beside: () => comment });
        expect(assemble(text)).toEqual({ instructions: filter, faults: [] });
      }),
      { numRuns: casesOf(100) },
    );
  });

  it("names words, actions and lines", () => {
    const text = disassemble([
      { code: 0x20, jt: 0, jf: 0, k: 4 },
      { code: 0x15, jt: 0, jf: 4, k: 0xc000_003e },
      { code: 0x20, jt: 0, jf: 0, k: 20 },
      { code: 0x45, jt: 2, jf: 1, k: 0x10 },
      { code: 0x05, jt: 0, jf: 0, k: 1 },
      { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
      { code: 0x06, jt: 0, jf: 0, k: 0x0005_000d },
    ]);
    expect(text).toBe(
      [
        "  0: ld [arch]",
        "  1: jeq #0xc000003e, 2, 6",
        "  2: ld [args[0].high]",
        "  3: jset #0x10, 6, 5",
        "  4: ja 6",
        "  5: ret ALLOW",
        "  6: ret ERRNO(13)",
        "",
      ].join("\n"),
    );
  });
});

describe("assemble", () => {
  it("accepts named labels, lines without a label, and comments", () => {
    const text = `
      ; the smallest useful filter
      ld [nr]
      jeq #59, refuse, pass   ; execve
      refuse: ret ERRNO(13)
      pass:
        ret ALLOW`;
    expect(assemble(text)).toEqual({
      faults: [],
      instructions: [
        { code: 0x20, jt: 0, jf: 0, k: 0 },
        { code: 0x15, jt: 0, jf: 1, k: 59 },
        { code: 0x06, jt: 0, jf: 0, k: 0x0005_000d },
        { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
      ],
    });
  });

  it.each([
    ["lda [nr]", 1, /no instruction is called "lda"/],
    ["ld nr", 4, /in brackets/],
    ["ld [args[6].low]", 4, /not a word of struct seccomp_data/],
    ["ret PERMIT", 5, /PERMIT is not an action/],
    ["ret toString", 5, /toString is not an action/],
    ["ret ERRNO(70000)", 5, /not a number from 0 to 65535/],
    ["jeq #1, a", 1, /takes 3 operands, here are 2/],
    ["jeq #1, away, away", 9, /there is no label away/],
    ["a: ja a", 7, /must go forward/],
    ["a: ret ALLOW\na: ret ALLOW", 1, /is defined twice/],
    ["and #0x100000000", 5, /not a number from 0 to 4294967295/],
    ["and #-1", 5, /not a number/],
    ["raw 1, 2, 3", 1, /takes 4 operands/],
    [": ret ALLOW", 1, /no instruction is called ":"/],
  ])("locates the fault in %j", (text, column, message) => {
    const { faults } = assemble(text);
    expect(faults[0]).toMatchObject({ column });
    expect(faults[0]!.message).toMatch(message);
  });

  it("collects faults", () => {
    const { faults } = assemble("ld nr\nret ALOW\njeq #x, 0, 0\n");
    expect(faults.map(({ line }) => line)).toEqual([1, 2, 3, 3, 3]);
  });

  it("refuses a jump that is too far, and a filter that is too long", () => {
    const far = `jeq #1, far, near\n${"near: ret ALLOW\n"}${"ret ALLOW\n".repeat(300)}far: ret LOG\n`;
    expect(assemble(far).faults[0]!.message).toMatch(/301 instructions ahead, and this jump reaches 255/);
    expect(assemble("ret ALLOW\n".repeat(4097)).faults[0]!.message).toMatch(/4097 instructions/);
  });

  it("never throws", () => {
    const alphabet = "ld jeqrtnd[]#0x1,:;().\n ALOWERN\u0000\u2028é".split("");
    const text = fc.oneof(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 200 }), fc.string());
    fc.assert(
      fc.property(text, (source) => {
        expect(Array.isArray(assemble(source).faults)).toBe(true);
      }),
    );
  });
});

describe("the bytes of a filter", () => {
  it("round-trip", () => {
    fc.assert(
      fc.property(instructions, (filter) => {
        expect(decodeInstructions(encodeInstructions(filter))).toEqual(filter);
      }),
    );
  });

  it("are struct sock_filter, little-endian", () => {
    expect([...encodeInstructions([{ code: 0x15, jt: 1, jf: 2, k: 0xc000_003e }])]).toEqual([
      0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0,
    ]);
  });

  it("must be whole instructions", () => {
    expect(() => decodeInstructions(new Uint8Array(12))).toThrow(RangeError);
  });
});
