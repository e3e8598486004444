import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readBlocks, sourceOf, usualText } from "./blocks.ts";
import { TraceFile } from "./trace-file.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-trace-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("writes what a busy second adds in blocks that a reader accepts", () => {
  const name = join(folder, "busy.trace");
  const file = TraceFile.open(name, "record");
  const long = `${"l".repeat(usualText + 10)}\n`;
  // More than the largest block of a reader, with a line at each place that a block could end at.
  const texts = [long, `${"x".repeat(99)}\n`.repeat(700_000), `${"y".repeat(usualText - 1)}\n`, long, "z\n"];
  for (const text of texts) file.add(text);
  file.flush();
  file.close();
  const blocks = [...readBlocks(sourceOf(readFileSync(name)))];
  expect(blocks.map(({ kind }) => kind)).toEqual(blocks.map(() => "block"));
  const read = Buffer.concat(blocks.map((part) => (part.kind === "block" ? part.text : Buffer.alloc(0))));
  expect(read.equals(Buffer.from(texts.join("")))).toBe(true);
  for (const part of blocks) {
    if (part.kind !== "block") continue;
    expect(part.text.at(-1)).toBe(10);
    expect(part.text.length).toBeLessThanOrEqual(
      part.text.toString("latin1").startsWith("l") ? long.length : usualText,
    );
  }
});
