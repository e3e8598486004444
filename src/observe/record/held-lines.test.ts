/** Tests that the addon prints lines as JavaScript would, while the arrays grow and texts are forgotten. */
import { expect, it } from "vitest";
import { type CallLine, HeldLines } from "./held-lines.ts";
import { registerText, resultText } from "./registers.ts";

const interesting = [0, 1, 9, 10, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_ff9c] as const;
const pick = (seed: number) => interesting[seed % interesting.length]!;

function lineOf(seed: number): CallLine {
  const registers = Uint32Array.from({ length: 12 }, (_, index) => pick(seed * 7 + index * 5));
  return {
    ...{ tid: 1 + seed, time: seed * 700_000, shape: `,"call":"c${seed % 50}","arguments":[`, registers },
    registerCount: seed % 7,
    instructionPointer: seed % 3 === 0 ? undefined : [pick(seed), pick(seed + 1)],
    members: seed % 4 === 0 ? undefined : `"memory":{"path":"/é/${"x".repeat(seed % 2000)}${seed}"}`,
  };
}

const resultOf = (seed: number): readonly [number, number] => [pick(seed + 3), pick(seed + 4)];

function expected(seed: number): string {
  const { tid, time, shape, registers, registerCount, instructionPointer, members } = lineOf(seed);
  const words = Array.from({ length: registerCount }, (_, i) => registerText(registers[2 * i]!, registers[2 * i + 1]!));
  const parts = [`{"v":1,"kind":"call","tid":${tid},"time":${time * 1000}${shape}${words.join(",")}]`];
  if (instructionPointer !== undefined) parts.push(`"instructionPointer":${registerText(...instructionPointer)}`);
  if (members !== undefined) parts.push(members);
  if (seed % 5 !== 0) parts.push(`"result":${resultText(...resultOf(seed))}`);
  const after = seed % 11 === 0 ? `{"after":${seed}}\n` : "";
  return `${parts.join(",")}}\n${after}${seed % 13 === 0 ? `{"text":${seed}}\n` : ""}`;
}

it("prints the collected lines in their order", () => {
  const lines = new HeldLines();
  const most = 12_000;
  let found = "";
  for (let seed = 0; seed < most; seed++) {
    const serial = lines.call(lineOf(seed));
    expect(lines.isPrinted(serial)).toBe(false);
    if (seed % 5 !== 0) lines.result(serial, ...resultOf(seed));
    if (seed % 11 === 0) lines.append(serial, `{"after":${seed}}`);
    if (seed % 13 === 0) lines.text(`{"text":${seed}`, seed * 700_000);
    // Rarely, so that the arrays grow, and with some lines left.
    if (seed % 3000 === 2999) found += Buffer.from(lines.take((seed - 20) * 700_000)).toString();
  }
  found += Buffer.from(lines.take(Number.POSITIVE_INFINITY)).toString();
  expect(found.split("\n")).toEqual(
    Array.from({ length: most }, (_, seed) => expected(seed))
      .join("")
      .split("\n"),
  );
  expect(lines.take(Number.POSITIVE_INFINITY)).toHaveLength(0);
});

it("prints a line that is longer than all buffers", () => {
  const lines = new HeldLines();
  const members = `"memory":"${"y".repeat(3 << 20)}"`;
  lines.call({ ...lineOf(0), members });
  lines.call(lineOf(1));
  const text = Buffer.from(lines.take(Number.POSITIVE_INFINITY)).toString();
  expect(text).toHaveLength(
    expected(0).length +
      expected(1).length -
      `,"result":${resultText(...resultOf(1))}`.length -
      `{"after":0}\n{"text":0}\n`.length +
      members.length +
      1,
  );
});
