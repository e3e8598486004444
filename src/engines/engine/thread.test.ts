import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { nativeFile } from "../../machine/native.ts";
import { endOrder, SupervisingThread } from "./thread.ts";

const obedient = `
  const { parentPort, workerData } = require("node:worker_threads");
  parentPort.on("message", (order) => {
    if (order !== "${endOrder}") throw new Error("another order");
    Atomics.store(workerData, 0, 1);
    parentPort.close();
  });`;

test("a thread that is told to end while it starts executes all of its start, and ends by itself", async () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const thread = new SupervisingThread(obedient, words);
  const exit = once(thread.worker, "exit");
  await thread.end();
  // A terminated one has the status 1.
  expect(await exit).toEqual([0]);
  expect(Atomics.load(words, 0)).toBe(1);
});

test("the end of a thread that fails is awaited, too", async () => {
  const thread = new SupervisingThread("throw new Error('no memory')", {});
  await thread.end();
  await thread.end();
});

test.each(["supervisor", "recorder"])("dist/%s.cjs ends when it is told to", async (name) => {
  const counters = new Int32Array(new SharedArrayBuffer(8));
  const thread = new SupervisingThread(readFileSync(`dist/${name}.cjs`, "utf8"), {
    ...{ addon: nativeFile("portcullis.node"), counters },
    ...{ ring: undefined, architecture: "x86_64", follows: true, gone: counters },
  });
  const exit = once(thread.worker, "exit");
  await thread.end();
  expect(await exit).toEqual([0]);
});
