/** Tests the line that shows how much of a file is read. */
import { expect, test } from "vitest";
import { sourceOf } from "../traces/blocks.ts";
import { ReadingProgress } from "./progress.ts";

test("it appears after a second, moves with the reads, and goes", () => {
  let now = 0;
  const written: string[] = [];
  const progress = new ReadingProgress(
    (text) => written.push(text),
    () => now,
  );
  const source = progress.watch(sourceOf(Buffer.alloc(1000, "a")), "reading", `/srv/\x1b${"long ".repeat(20)}.trace`);
  expect(source.read(100, 3).toString()).toBe("aaa");
  progress.clear();
  expect(written).toEqual([]);
  for (now = 1000; now < 1600; now += 100) source.read(now - 800, 1);
  progress.clear();
  progress.clear();
  expect(written.every((text) => text.startsWith("\r\x1b[K"))).toBe(true);
  const lines = written.map((text) => /^reading .{40}: (\d+) %$/.exec(text.slice(4))?.[1]);
  expect(lines).toEqual(["20", "50", undefined]);
  expect(written.join("").split("\x1b")).toHaveLength(4);
});
