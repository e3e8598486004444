/** The sink never blocks and counts every lost line, on each kind of channel. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { socketPair } from "../machine/descriptors.ts";
import { type Destination, DestinationError, openChannel } from "./channel.ts";
import { type Channel, LineSink, type SinkOptions, type WriteOutcome } from "./sink.ts";

const options: SinkOptions = { keep: 64, retryAfter: 1, dropped: (count) => `(${count} dropped)` };

/** Accepts so many bytes in total, then is full or fails until it gets more room. */
class Slow implements Channel {
  room: number;
  text = "";
  closed = false;
  without: WriteOutcome = "full";
  constructor(room: number) {
    this.room = room;
  }
  write(bytes: Uint8Array): WriteOutcome {
    if (this.room === 0) return this.without;
    const taken = bytes.subarray(0, this.room);
    this.room -= taken.length;
    this.text += Buffer.from(taken).toString();
    return taken.length;
  }
  retract(count: number): void {
    this.text = Buffer.from(this.text).subarray(0, -count).toString();
  }
  close(): void {
    this.closed = true;
  }
}

test("whole lines are dropped, and their count takes their place", async () => {
  const channel = new Slow(10);
  const sink = new LineSink(channel, options);
  for (let index = 0; index < 20; index++) sink.write(`line ${index} ${"x".repeat(10)}`);
  channel.room = 1e6;
  sink.write("after");
  await sink.finish(100);
  const lines = channel.text.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^line 0 x{10}$/);
  const gap = lines.findIndex((line) => line.includes("dropped"));
  expect(lines[gap]).toBe(`(${20 - gap} dropped)`);
  expect(lines[gap + 1]).toBe("after");
  expect(channel.closed).toBe(true);
});

test("a reader that never reads delays the end only for a bounded time", async () => {
  const channel = new Slow(0);
  const sink = new LineSink(channel, options);
  sink.write("never");
  // Otherwise the end would wait for the reader.
  await sink.finish(30);
  expect(channel.closed).toBe(true);
});

const fullDisk: WriteOutcome = { code: "ENOSPC", isFinal: false };
const readerGone: WriteOutcome = { code: "EPIPE", isFinal: true };

test.each([
  ["gives room in the end", 1e9, "full"],
  ["stays full", 0, "full"],
  ["is a full disk", 0, fullDisk],
  ["is a disk that is emptied", 1e9, fullDisk],
  ["loses its reader", 0, readerGone],
] as const)("every line arrives whole or is counted if the channel %s", async (_, room, without) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: -1, max: 40 }), { maxLength: 60 }), async (script) => {
      const channel = new Slow(0);
      const sink = new LineSink(channel, options);
      let written = 0;
      for (const step of script) {
        if (step < 0) sink.write(`line ${written++}`);
        else channel.room += step;
      }
      channel.without = without;
      channel.room += room;
      const loss = await sink.finish(room === 0 ? 5 : 1000);
      let next = 0;
      expect(channel.text).toMatch(/^$|\n$/);
      for (const line of channel.text.split("\n").slice(0, -1)) {
        const dropped = /^\((\d+) dropped\)$/.exec(line);
        if (dropped !== null) next += Number(dropped[1]);
        else expect(line).toBe(`line ${next++}`);
      }
      expect(next + loss.lines).toBe(written);
    }),
    { numRuns: 50 },
  );
});

test("an error is reported once, at once; after a final one nothing is written", async () => {
  const faults: WriteOutcome[] = [];
  const channel = new Slow(0);
  const sink = new LineSink(channel, { ...options, onFault: (fault) => faults.push(fault) });
  channel.without = readerGone;
  sink.write("one");
  expect(faults).toEqual([readerGone]);
  channel.room = 1e6;
  sink.write("two");
  expect(await sink.finish(10)).toEqual({ lines: 2, fault: readerGone });
  expect(channel.text).toBe("");
  expect(faults).toHaveLength(1);
});

// ── Real files ──────────────────────────────────────────────────────────────────────────────────────────────────────

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-events-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("a file is appended to, and only its owner can access it", async () => {
  const file = join(folder, "events.jsonl");
  for (const text of ["one", "two"]) {
    const sink = new LineSink(openChannel({ file }), options);
    sink.write(text);
    await sink.finish(0);
  }
  expect(readFileSync(file, "utf8")).toBe("one\ntwo\n");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

/** Writes until the channel takes no more. */
function fill(channel: Channel, bytes: Uint8Array): void {
  let outcome: WriteOutcome;
  do outcome = channel.write(bytes);
  while (typeof outcome === "number");
  expect(outcome).toBe("full");
}

test("a full pipe never blocks a write, and does not change for its other holders", async () => {
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(fifo, constants.O_WRONLY);
  const channel = openChannel({ fd: writer });
  const bytes = Buffer.alloc(1 << 16, "x");
  fill(channel, bytes);
  const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${writer}`, "utf8"))![1]!;
  expect(Number.parseInt(flags, 8) & constants.O_NONBLOCK).toBe(0);
  expect(readSync(reader, Buffer.alloc(8192))).toBe(8192);
  expect(channel.write(bytes)).toBeGreaterThan(0);
  closeSync(reader);
  expect(channel.write(bytes)).toEqual({ code: "EPIPE", isFinal: true });
  closeSync(writer);
});

test("a destination that cannot be written to is refused with a sentence", () => {
  execFileSync("mkfifo", [join(folder, "fifo")]);
  const directory = openSync(folder, "r");
  const refused = (destination: Destination) => {
    try {
      openChannel(destination).close();
    } catch (error) {
      expect(error).toBeInstanceOf(DestinationError);
      return (error as DestinationError).message;
    }
    return "not refused";
  };
  expect(refused({ file: folder })).toContain("is a directory");
  expect(refused({ file: join(folder, "fifo") })).toContain("has no reader");
  expect(refused({ file: join(folder, "no/events") })).toContain("ENOENT");
  expect(refused({ fd: 987 })).toContain("is not open");
  expect(refused({ fd: directory })).toContain("is a directory");
  closeSync(directory);
});

test("a file ends with a whole line if a limit cuts the last one, unless others have appended", () => {
  const file = join(folder, "events.jsonl");
  const channel = openChannel({ file });
  const other = openSync(file, "a");
  try {
    expect(channel.write(Buffer.from("whole\ncut"))).toBe(9);
    channel.retract(3);
    expect(readFileSync(file, "utf8")).toBe("whole\n");
    expect(channel.write(Buffer.from("again"))).toBe(5);
    writeSync(other, "theirs\n");
    channel.retract(5);
    expect(readFileSync(file, "utf8")).toBe("whole\nagaintheirs\n");
  } finally {
    closeSync(other);
    channel.close();
  }
});

test("a borrowed shared file continues where a partial line was removed", () => {
  const file = join(folder, "events.jsonl");
  const fd = openSync(file, "w");
  const channel = openChannel({ fd });
  channel.write(Buffer.from("whole\ncut"));
  channel.retract(3);
  writeSync(fd, "next\n");
  expect(readFileSync(file, "utf8")).toBe("whole\nnext\n");
  closeSync(fd);
});

test("a full device is a temporary error", () => {
  const channel = openChannel({ file: "/dev/full" });
  expect(channel.write(Buffer.from("line\n"))).toEqual({ code: "ENOSPC", isFinal: false });
  channel.close();
});

test("a socket that is not read never blocks a write", () => {
  const [ours, theirs] = socketPair();
  const channel = openChannel({ fd: ours });
  const bytes = Buffer.alloc(1 << 16, "x");
  fill(channel, bytes);
  closeSync(theirs);
  expect(channel.write(bytes)).toEqual({ code: "EPIPE", isFinal: true });
  closeSync(ours);
});
