/** Tests the decoding of pages of the kernel's ring buffer, and of the descriptions of events. */
import { describe, expect, it } from "vitest";
import { fieldOffset, parseEventFormat } from "./event-format.ts";
import { readPage } from "./ring-page.ts";

const base = 1_000n;

/** A page of words: events begin with `type | delta << 5`. */
function pageOf(
  words: readonly number[],
  { flags = 0, behind = [] as readonly number[], size = 4 * words.length } = {},
) {
  const view = new DataView(new ArrayBuffer(4096));
  view.setBigUint64(0, base + 100n, true);
  view.setUint32(8, (size | flags) >>> 0, true);
  [...words, ...behind].forEach((word, index) => {
    view.setUint32(16 + 4 * index, word >>> 0, true);
  });
  return view;
}

function read(view: DataView): unknown[] {
  const found: unknown[] = [];
  readPage(view, base, {
    event: (page, at, time) => found.push([page.getUint32(at, true), time]),
    lost: (count, time) => found.push(["lost", count, time]),
  });
  return found;
}

const head = (type: number, delta: number) => (type | (delta << 5)) >>> 0;

describe("a page of the ring buffer", () => {
  it("has events with the time since the one before", () => {
    expect(read(pageOf([head(1, 5), 11, head(2, 7), 12, 0]))).toEqual([
      [11, 105],
      [12, 112],
    ]);
  });

  it("has longer events, longer times, absolute times and padding", () => {
    const long = [head(0, 1), 4 + 8, 21, 0];
    const extend = [head(30, 3), 1];
    const stamp = [head(31, 2_000), 0];
    const discarded = [head(29, 4), 8, 0];
    expect(read(pageOf([...long, ...extend, head(1, 0), 22]))).toEqual([
      [21, 101],
      [22, 101 + 3 + 2 ** 27],
    ]);
    expect(read(pageOf([...stamp, head(1, 1), 23]))).toEqual([[23, 1_001]]);
    expect(read(pageOf([...discarded, head(1, 1), 24, head(29, 0), 99, head(1, 1), 25]))).toEqual([[24, 105]]);
  });

  it("reports overwritten events", () => {
    expect(read(pageOf([head(1, 0), 31], { flags: 1 << 31 }))).toEqual([
      ["lost", undefined, 100],
      [31, 100],
    ]);
    expect(read(pageOf([head(1, 0), 31], { flags: (1 << 31) | (1 << 30), behind: [42, 0] }))).toEqual([
      ["lost", 42, 100],
      [31, 100],
    ]);
  });

  it.each([
    [pageOf([head(28, 0), 1])],
    [pageOf([head(0, 0), 0xffff])],
    [pageOf([head(0, 0), 0])],
    [pageOf([], { size: 0xfff0 })],
    [pageOf([head(29, 1), 0xffff_fff0])],
  ])("that is not well formed ends the reading", (view) => {
    expect(read(view)).toEqual([]);
  });
});

it("the description of an event has its number and the offsets of its fields", () => {
  const format = parseEventFormat(
    "name: sys_enter\nID: 443\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n" +
      "\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;\n\tfield:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;\n",
  );
  expect(format.id).toBe(443);
  expect(["common_type", "id", "args"].map((name) => fieldOffset(format, name))).toEqual([0, 8, 16]);
  expect(() => fieldOffset(format, "ret")).toThrow("ret");
  expect(() => parseEventFormat("name: x\n")).toThrow("number");
});
