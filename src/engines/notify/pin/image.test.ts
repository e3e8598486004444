import { expect, test } from "vitest";
import { ImageBuilder } from "./image.ts";
import { Scratch } from "./scratch.ts";

test("an image has its segments one after the other, with pointers between them", () => {
  const builder = new ImageBuilder();
  const text = builder.segment(Uint8Array.of(1, 2, 3));
  const list = builder.segment(new Uint8Array(16), 8);
  builder.link(list, 8, text, 1);
  builder.point(1, list);
  builder.point(4, text, 2);
  const { bytes, relocations, registers } = builder.build();
  expect([...bytes]).toEqual([1, 2, 3, ...new Array<number>(21).fill(0)]);
  expect([...relocations]).toEqual([16, 1]);
  expect([...registers]).toEqual([-1, 8, -1, -1, 2, -1]);
});

test("a single segment is the image itself, for any former registers", () => {
  const builder = new ImageBuilder();
  const path = Uint8Array.of(47, 0);
  builder.point(1, builder.segment(path));
  const image = builder.build(Int32Array.of(5, 5, 5, 5, 5, 5));
  expect(image.bytes).toBe(path);
  expect(image.relocations).toHaveLength(0);
  expect([...image.registers]).toEqual([-1, 0, -1, -1, -1, -1]);
});

test("bytes of the scratch stay until its reset, also beyond its size", () => {
  const scratch = new Scratch();
  const taken = Array.from({ length: 9 }, () => scratch.take(4096));
  for (const [index, bytes] of taken.entries()) bytes.fill(index);
  expect(taken.map((bytes) => bytes[4095])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  scratch.reset();
  scratch.take(1).fill(77);
  expect(taken[0]![0]).toBe(77);
});
