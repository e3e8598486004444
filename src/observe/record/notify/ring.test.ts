/** Tests the ring between two threads: what is put in comes out, in order, also around its end and when it was full. */
import { Worker } from "node:worker_threads";
import { buildSync } from "esbuild";
import fc from "fast-check";
import { expect, it } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import { makeRing, RingReader, RingWriter } from "./ring.ts";

const drained = (reader: RingReader) => {
  const found: [number, string][] = [];
  reader.drain((kind, view, offset, length) => {
    const text = Buffer.from(view.buffer).toString("latin1", offset, offset + length);
    found.push([kind, text.replace(/\0+$/, "")]);
  });
  return found;
};

property([fc.array(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 3 }), { maxLength: 40 })])(
  "a ring gives what was put in",
  (batches) => {
    const memory = makeRing(256);
    const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
    for (const batch of batches) {
      const put = batch.map((length, index): [number, string] => [1 + index, "x".repeat(length)]);
      // At most two fit for certain.
      for (const [kind, text] of put.slice(0, 2)) writer.put(kind, Buffer.from(text));
      expect(drained(reader)).toEqual(put.slice(0, 2));
    }
  },
);

it("a producer waits while the ring is full", async () => {
  const memory = makeRing(1024);
  const source = buildSync({
    stdin: {
      contents: `import { RingWriter } from "./ring.ts";
        import { workerData } from "node:worker_threads";
        const writer = new RingWriter(workerData);
        for (let i = 0; i < 5000; i++) writer.put(1, Buffer.from(String(i)));`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: "node",
    format: "cjs",
    write: false,
  }).outputFiles[0]!.text;
  const worker = new Worker(source, { eval: true, workerData: memory });
  const reader = new RingReader(memory);
  const found: string[] = [];
  let isOver = false;
  worker.on("exit", () => {
    isOver = true;
  });
  while (!isOver) {
    found.push(...drained(reader).map(([, text]) => text));
    await new Promise((resolve) => setImmediate(resolve));
  }
  found.push(...drained(reader).map(([, text]) => text));
  expect(found).toEqual(Array.from({ length: 5000 }, (_, index) => String(index)));
});
