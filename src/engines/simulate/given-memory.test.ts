/** Partly known memory: its words with unknown bits cover the words of every memory that it can be. */
import { describe, expect, test } from "vitest";
import { errno } from "../../abi/errno-numbers.ts";
import type { Observation, ObservedWord } from "../../ir/observation.ts";
import { type Choices, generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { chance, listOf, pick } from "../../ir/testing/choices.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { multiplied, multiplying } from "../../patterns/testing/multiplying.ts";
import { matches } from "../../patterns/testing/reference.ts";
import { type GivenMemory, type GivenText, SimulatedMemory } from "./given-memory.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const whole = (text: string): GivenText => ({ bytes: utf8(text), isCut: false });
const anyRegister = () => ({ value: 4096n, unknown: 0n });

function randomText(choices: Choices): Uint8Array {
  return utf8(listOf(choices, 0, 4, () => pick(choices, ["/", "a", "b", "c", "x"])).join(""));
}

/** Memory of the shape, and the same with an unknown part. */
function randomMemory(choices: Choices, { shape }: Observation): { real: GivenMemory; recorded: GivenMemory } {
  const both = (real: GivenMemory, part: GivenMemory) => ({
    real,
    recorded: pick<GivenMemory>(choices, [real, part, { is: "unknown" }]),
  });
  const cut = (text: Uint8Array): GivenText => ({ bytes: text.slice(0, choices.below(text.length + 1)), isCut: true });
  switch (shape.is) {
    case "path":
    case "string": {
      const bytes = randomText(choices);
      return both({ is: "text", bytes, isCut: false }, { is: "text", ...cut(bytes) });
    }
    case "strings": {
      const texts = listOf(choices, 0, 4, () => randomText(choices));
      const entries = texts.map((bytes) => ({ bytes, isCut: false }));
      const parts = texts.map((bytes) => (chance(choices, 2) ? cut(bytes) : { bytes, isCut: false }));
      const isCut = chance(choices, 2);
      const kept = isCut ? parts.slice(0, choices.below(parts.length + 1)) : parts;
      return both({ is: "strings", entries, isCut: false }, { is: "strings", entries: kept, isCut });
    }
    case "address":
    case "message": {
      const bytes = pick(choices, [
        Uint8Array.of(1, 0, ...randomText(choices)),
        Uint8Array.of(1, 0, 0, ...randomText(choices)),
        Uint8Array.of(2, 0, 1, choices.below(256), 10, 0, 0, choices.below(256), 0, 0, 0, 0, 0, 0, 0, 0),
        Uint8Array.of(16, 0),
      ]);
      if (shape.is === "address") return both({ is: "address", bytes }, { is: "unknown" });
      const whole = { is: "address", bytes, controlLength: BigInt(choices.below(3)) } as const;
      return both(whole, pick(choices, [{ is: "unknown" }, { is: "address", bytes }]));
    }
    case "structure": {
      const bytes = Uint8Array.from({ length: shape.size }, () => choices.below(256));
      const unknown = bytes.map(() => pick(choices, [0, 0, 255, 15]));
      return both(
        { is: "structure", bytes, unknown: new Uint8Array(shape.size) },
        { is: "structure", bytes: bytes.map((byte, index) => byte & ~unknown[index]!), unknown },
      );
    }
  }
}

test("words of partly known memory cover those of the complete memory", () => {
  let known = 0;
  let open = 0;
  for (let seed = 1; seed <= casesOf(400); seed++) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices, { observations: true, statements: 1 });
    const memory = new SimulatedMemory(program);
    const { number } = pick(choices, program.observations).sources[0]!;
    const real = new Map<string, GivenMemory>();
    const recorded = new Map<string, GivenMemory>();
    for (const { observation } of memory.of(number)) {
      const made = randomMemory(choices, observation);
      real.set(observation.name, made.real);
      recorded.set(observation.name, made.recorded);
    }
    const all = memory.words(number, real, anyRegister);
    const part = memory.words(number, recorded, anyRegister);
    if ("errno" in all || "errno" in part) throw new Error(`seed ${seed}: a copy fails`);
    expect(all.unknown.every((mask) => mask === 0n)).toBe(true);
    for (const [index, word] of all.words.entries()) {
      expect([seed, index, word & ~part.unknown[index]!]).toEqual([seed, index, part.words[index]!]);
      if (part.unknown[index] === 0n) known++;
      else open++;
    }
    expect(part.lacking.length > 0).toBe(part.unknown.some((mask) => mask !== 0n));
  }
  expect(known).toBeGreaterThan(100);
  expect(open).toBeGreaterThan(100);
});

/** A program that reads one word of the argument `it` of call 1. */
function asking(shape: Observation["shape"], reads: ObservedWord["reads"]) {
  const base = generateProgram(new SeededChoices(1), { stateless: true, statements: 1 });
  const observation: Observation = {
    name: "it",
    shape,
    sources: [{ number: 1, register: 0, length: undefined }],
    at: undefined,
  };
  const memory = new SimulatedMemory({ ...base, observations: [observation], words: [{ observation: 0, reads }] });
  return (given?: GivenMemory, register = 4096n) => {
    const found = memory.words(1, new Map(given === undefined ? [] : [["it", given]]), () => ({
      value: register,
      unknown: 0n,
    }));
    if ("errno" in found) return { errno: found.errno };
    return { word: found.words[0], unknown: found.unknown[0], lacking: found.lacking };
  };
}

describe("a string whose beginning is known", () => {
  const ask = asking(
    { is: "path" },
    {
      is: "matches",
      part: { is: "whole" },
      patterns: [
        { kind: "under", text: "/srv" },
        { kind: "is", text: "/srv/a" },
        { kind: "endsWith", text: ".so" },
        { kind: "startsWith", text: "/usr" },
      ],
    },
  );
  const cut = (text: string): GivenMemory => ({ is: "text", bytes: utf8(text), isCut: true });

  test.each([
    ["/srv/", 0b0001n, 0b0110n],
    ["/srv/b", 0b0001n, 0b0100n],
    ["/usr/lib", 0b1000n, 0b0100n],
    ["/srv", 0b0000n, 0b0111n],
    ["", 0b0000n, 0b1111n],
  ])("%s...", (text, word, unknown) => {
    expect(ask(cut(text))).toEqual({ word, unknown, lacking: [{ argument: "it", lacks: "memory" }] });
  });

  test("matches patterns of several automata", () => {
    const several = asking({ is: "path" }, { is: "matches", part: { is: "whole" }, patterns: multiplying });
    const all = (1n << BigInt(multiplying.length)) - 1n;
    const bit = (text: string): bigint => 1n << BigInt(multiplying.findIndex((pattern) => pattern.text === text));
    const word = bit("/srv") | bit("**/.git/**");
    const [is, startsWith] = [bit("/srv/.git/config"), bit("/srv/.é")];
    expect(several(cut("/srv/.git/"))).toMatchObject({ word, unknown: all & ~word & ~startsWith });
    expect(several(cut("/srv/.git/x"))).toMatchObject({ word, unknown: all & ~word & ~startsWith & ~is });
    for (const text of multiplied) {
      const matched = multiplying.reduce(
        (bits, pattern, index) => (matches(pattern, utf8(text)) ? bits | (1n << BigInt(index)) : bits),
        0n,
      );
      expect(several({ is: "text", ...whole(text) }), text).toMatchObject({ word: matched, unknown: 0n });
    }
  });

  test("is known if it is complete, or behind a null pointer", () => {
    expect(ask({ is: "text", ...whole("/srv/a") })).toEqual({ word: 0b0011n, unknown: 0n, lacking: [] });
    expect(ask(undefined, 0n)).toEqual({ word: 0n, unknown: 0n, lacking: [] });
    expect(ask(undefined)).toEqual({ word: 0n, unknown: 0b1111n, lacking: [{ argument: "it", lacks: "memory" }] });
  });
});

describe("the object of a path", () => {
  const ask = asking(
    { is: "path" },
    {
      is: "resolved",
      objects: [
        { is: "is", path: "/srv" },
        { is: "under", path: "/srv/" },
        { is: "under", path: "/" },
      ],
    },
  );
  const text = (resolved?: string): GivenMemory => ({ is: "text", ...whole("a"), resolved });

  test("is known if it is given", () => {
    expect(ask(text("/srv"))).toMatchObject({ word: 0b111n, unknown: 0n });
    expect(ask(text("/srv/www/a"))).toMatchObject({ word: 0b110n, unknown: 0n });
    expect(ask(text("/srv2"))).toMatchObject({ word: 0b100n, unknown: 0n });
    expect(ask(text())).toEqual({ word: 0n, unknown: 0b111n, lacking: [{ argument: "it", lacks: "object" }] });
    expect(ask({ ...text(), isCut: true } as GivenMemory).lacking).toEqual([{ argument: "it", lacks: "memory" }]);
    expect(ask(undefined).lacking).toEqual([{ argument: "it", lacks: "memory" }]);
  });
});

describe("the copy fails as the kernel's copy, for", () => {
  const match = { is: "matches", part: { is: "whole" }, patterns: [{ kind: "is", text: "a" }] } as const;
  const path = asking({ is: "path" }, match);
  const string = asking({ is: "string", bytes: 16 }, match);
  const target = asking({ is: "string", bytes: 4096, by: "getname" }, match);
  const list = asking({ is: "strings", entries: 3, bytes: 12 }, { is: "length" });
  const address = asking({ is: "address" }, { is: "address", part: "family" });
  const how = asking(
    { is: "structure", name: "open_how", minimum: 24, size: 24 },
    { is: "field", offset: 0, bytes: 8 },
  );
  const scheduling = asking(
    { is: "structure", name: "sched_attr", minimum: 48, size: 56 },
    { is: "field", offset: 8, bytes: 8 },
  );
  const strings = (...texts: string[]): GivenMemory => ({ is: "strings", entries: texts.map(whole), isCut: false });
  const structure = (size: number): GivenMemory => ({
    is: "structure",
    bytes: new Uint8Array(size),
    unknown: new Uint8Array(size),
  });

  test.each([
    ["a path that is too long", path({ is: "text", ...whole("x".repeat(4096)) }), errno.ENAMETOOLONG],
    ["a string that is too long", string({ is: "text", ...whole("x".repeat(16)) }), errno.EINVAL],
    ["a target of a link that is too long", target({ is: "text", ...whole("x".repeat(4096)) }), errno.ENAMETOOLONG],
    ["a list of too many entries", list(strings("a", "b", "c", "d")), errno.E2BIG],
    ["a list of too many bytes", list(strings("abcdefgh", "ijk")), errno.E2BIG],
    ["an address that is too long", address({ is: "address", bytes: new Uint8Array(129) }), errno.EINVAL],
    ["a structure that is too short", how(structure(23)), errno.EINVAL],
    ["a structure behind a null pointer", how(undefined, 0n), errno.EFAULT],
    ["a structure that sched_setattr lacks", scheduling(undefined, 0n), errno.EINVAL],
    ["unmapped memory", path({ is: "failed", errno: errno.EFAULT }), errno.EFAULT],
  ])("%s", (_, found, wanted) => {
    expect(found).toEqual({ errno: wanted });
  });

  test("no memory within the bounds", () => {
    expect(path({ is: "text", ...whole("x".repeat(4095)) })).toMatchObject({ word: 0n });
    expect(path({ is: "text", ...whole("a\0b") })).toMatchObject({ word: 1n, unknown: 0n });
    expect(list(strings("abcdefgh", "ij"))).toMatchObject({ word: 2n });
    expect(how(structure(32))).toMatchObject({ word: 0n });
  });
});
