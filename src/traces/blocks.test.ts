/** Tests the compressed form of a trace: whole, cut short at every byte, changed at every byte, and by gzip. */
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { isCompressed, isInBlocks, nextCompression, packBlock, readBlocks, sourceOf } from "./blocks.ts";
import { traceLines } from "./lines.ts";

const texts = ["one\ntwo\n", "three\n".repeat(50), "four\n"];
const file = Buffer.concat(texts.map((text) => packBlock(Buffer.from(text))));
const parts = (bytes: Uint8Array) => [...readBlocks(sourceOf(bytes))];
const lines = (bytes: Uint8Array) =>
  [...traceLines(sourceOf(bytes))].map((one) => (one.kind === "line" ? one.text : one.kind));

describe("a trace in blocks", () => {
  it("is compressed fast where it repeats itself, and well where it does not", () => {
    const size = 1 << 20;
    expect(nextCompression("small", size, size / 20)).toBe("fast");
    expect(nextCompression("fast", size, size / 20)).toBe("fast");
    expect(nextCompression("fast", size, size / 10)).toBe("small");
    expect(nextCompression("small", size, size / 10)).toBe("small");
    // Blocks that the fast level makes a fifth larger do not change the decision back.
    expect(nextCompression("small", size, size / 15.6)).toBe("small");
    expect(nextCompression("fast", size, size / 13.5)).toBe("fast");
  });

  it("is read block by block, and by gunzip", () => {
    expect(parts(file).map((part) => "text" in part && part.text.toString())).toEqual(texts);
    expect(gunzipSync(file).toString()).toBe(texts.join(""));
    expect([isCompressed(sourceOf(file)), isInBlocks(sourceOf(file))]).toEqual([true, true]);
    expect(lines(file)).toEqual(texts.join("").trim().split("\n"));
  });

  it("is read up to where it is cut short, whole lines only", () => {
    const all = texts.join("");
    for (let length = 3; length < file.length; length++) {
      const found = parts(file.subarray(0, length));
      const text = found.map((part) => ("text" in part ? part.text.toString() : part.kind)).join("");
      expect(all.startsWith(text), `cut at ${length}: ${text}`).toBe(true);
      expect(text === "" || text.endsWith("\n")).toBe(true);
      const whole = [0, 1, 2].filter((count) => length >= parts(file)[count]!.offset + parts(file)[count]!.size);
      expect(text.startsWith(texts.slice(0, whole.length).join(""))).toBe(true);
    }
  });

  it("is read around a byte that was changed", () => {
    for (let at = 0; at < file.length; at++) {
      const changed = Buffer.from(file);
      changed[at]! ^= 0x55;
      const found = parts(changed);
      const intact = parts(file).filter(({ offset, size }) => at < offset || at >= offset + size);
      const read = found.flatMap((part) => (part.kind === "block" ? [part.text.toString()] : []));
      for (const part of intact) expect(read, `changed at ${at}`).toContain("text" in part && part.text.toString());
      expect(found.reduce((sum, { size }) => sum + size, 0)).toBe(file.length);
    }
  });

  property([fc.uint8Array({ maxLength: 200 }), fc.boolean()])("never fails on random bytes", (bytes, isStart) => {
    const found = parts(isStart ? Buffer.concat([file.subarray(0, 40), bytes]) : bytes);
    for (const part of found) expect(part.size).toBeGreaterThan(0);
  });

  it("of a gzip file by another program is read too", () => {
    const foreign = gzipSync("one\ntwo\n");
    expect(isInBlocks(sourceOf(foreign))).toBe(false);
    expect(lines(foreign)).toEqual(["one", "two"]);
    expect(lines(Buffer.from("one\ntwo"))).toEqual(["one", "two"]);
    expect(lines(Buffer.alloc(0))).toEqual([]);
  });

  it("a line without end is damage, not memory", () => {
    const found = [...traceLines(sourceOf(Buffer.alloc(9 << 20, "x")))];
    expect(found.map(({ kind }) => kind)).toContain("damage");
  });
});

describe("a trace without blocks", () => {
  it.each([
    ['{"a":1}\n{"b', ['{"a":1}', "truncated"]],
    ['{"a":1}\n{"b":2}', ['{"a":1}', '{"b":2}']],
    ['{"a":1}\n{"b\n', ['{"a":1}', '{"b']],
    ['{"a', ["truncated"]],
    ["7 getpid() = 7\n7 getp", ["7 getpid() = 7", "7 getp"]],
    ["\ufeff{}\n", ["{}"]],
    ["", []],
  ])("%j has the lines %j, compressed or not", (text, expected) => {
    expect(lines(Buffer.from(text))).toEqual(expected);
    if (!text.startsWith("\ufeff")) expect(lines(gzipSync(text))).toEqual(expected);
  });

  it("reports the line in which it ends, also within a character", () => {
    const cut = Buffer.from('{"a":1}\n\n{"b":"é').subarray(0, -1);
    expect([...traceLines(sourceOf(cut))].at(-1)).toEqual({ kind: "truncated", line: 3 });
  });
});
