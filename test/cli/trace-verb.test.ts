/** Tests `portcullis trace`, and traces that are damaged, cut short, foreign, empty or huge, in every verb that reads one. */
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { packBlock } from "../../src/traces/blocks.ts";
import { folderOf, portcullis } from "./harness.ts";

const call = (tid: number, name: string, time: number) =>
  `{"v":1,"kind":"call","tid":${tid},"call":"${name}","time":${time},"result":0}\n`;
const head = '{"v":1,"kind":"recording","recorder":"tracefs","command":["sh"],"unknown":["the weather"]}\n';
const run = `${head}{"v":1,"kind":"start","tid":7}\n${call(7, "brk", 1)}${call(7, "accept4", 2e9)}`;
const blocks = (...texts: readonly string[]) => Buffer.concat(texts.map((text) => packBlock(Buffer.from(text))));
const more = call(7, "close", 3e9);
const policy = 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n';
const strace = '7 execve("/bin/true", ["true"], 0x0 /* 0 vars */) = 0\n7 getpid() = 7\n7 +++ exited with 0 +++\n';

const files = {
  "whole.trace": blocks(run, more),
  "plain.jsonl": run + more,
  "foreign.gz": gzipSync(run + more),
  "cut.trace": blocks(run, more).subarray(0, -9),
  "damaged.trace": Buffer.concat([blocks(run), Buffer.from("nonsense"), blocks(more)]),
  "damaged.gz": gzipSync(run.repeat(9)).fill(0x55, 40, 60),
  "strace.txt": strace,
  "empty.trace": "",
  "other.bin": Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff]),
};
const folder = () => folderOf(files);
const hugeTrace = () => Buffer.concat(Array(70).fill(blocks(`${" ".repeat((1 << 20) - 1)}\n`)));

describe("portcullis trace", () => {
  it("counts, for people and for programs", async () => {
    const at = folder();
    const { status, out } = await portcullis("trace", "stat", join(at, "whole.trace"));
    expect(status).toBe(0);
    expect(out).toContain("1 recording, 3 calls");
    expect(out).toMatch(
      /by tracefs: sh\n {5}3 calls in 3\.0 s, 1 process, 0 further threads\n {5}unknown: the weather/,
    );
    const json = await portcullis("trace", "stat", "--json", join(at, "cut.trace"), join(at, "strace.txt"));
    expect(json.status).toBe(1);
    const [cut, translated] = json.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(cut).toMatchObject({ v: 1, truncated: true, damage: [], malformed: 0 });
    expect(translated).toMatchObject({ truncated: false, calls: [{ call: "getpid", count: 1, runs: 1 }] });
  });

  it.each(["whole.trace", "plain.jsonl", "foreign.gz"])(
    "prints %s as JSON lines, and the verbs read it",
    async (name) => {
      const at = folder();
      const file = join(at, name);
      expect(await portcullis("trace", "print", file)).toEqual({ status: 0, out: run + more, err: "" });
      expect(await portcullis("simulate", "-q", "-p", "exec-once", file)).toEqual({ status: 0, out: "", err: "" });
      expect((await portcullis("flow", file)).out).toContain('brk: ["accept4"]');
    },
  );

  it("cuts and merges into new files", async () => {
    const at = folder();
    const [whole, part, all] = ["whole.trace", "part.trace", "all.trace"].map((name) => join(at, name));
    expect((await portcullis("trace", "cut", "-o", part!, "--from", "1s", "--to-call", "close", whole!)).status).toBe(
      0,
    );
    expect((await portcullis("trace", "print", part!)).out).toBe(run.replace(call(7, "brk", 1), ""));
    const again = await portcullis("trace", "cut", "-o", part!, whole!);
    expect(again.err).toContain("replaces nothing\n  help: choose another file with -o\n");
    const stream = await portcullis("trace", "merge", "-o", "-", part!, whole!);
    expect(stream).toMatchObject({ status: 125, err: expect.stringContaining("is not written to standard output") });
    expect(existsSync("-")).toBe(false);
    const merged = await portcullis("trace", "merge", "-o", all!, part!, whole!, join(at, "strace.txt"));
    expect(merged.status).toBe(0);
    expect(merged.err).toContain("P0821");
    expect((await portcullis("trace", "stat", all!)).out).toContain("3 recordings, 5 calls");
    expect((await portcullis("simulate", "-p", "exec-once", all!)).err).toBe("5 calls: 5 allow\n");
    const endless = await portcullis("trace", "cut", "-o", join(at, "none.trace"), "--to-call", "mount", whole!);
    expect(endless).toMatchObject({
      status: 125,
      err: expect.stringMatching(/P0810: .* has no call mount \(--to-call\)/),
    });
    const none = await portcullis("trace", "cut", "-o", join(at, "none.trace"), "--from-call", "mount", whole!);
    expect(none).toMatchObject({ status: 125 });
    expect(none.err).toContain("P0810");
    expect(existsSync(join(at, "none.trace"))).toBe(false);
    expect((await portcullis("trace", "cut", "-o", "/dev/full", whole!)).err).toContain("the disk is full");
  });

  it.each([
    ["trace", "stat"],
    ["trace", "print"],
    ["trace", "merge", "-o", "new.trace"],
    ["trace", "cut", "-o", "new.trace"],
    ["simulate", "-p", "exec-once"],
    ["flow"],
  ])("%j refuses a file of events", async (...words) => {
    const events =
      '{"v":1,"kind":"notice","time":1,"text":"x"}\n{"v":1,"kind":"decision","time":1,"pid":7,"tid":7,"call":"execve"}\n';
    const at = folderOf({ "events.jsonl": events });
    const written = words.map((word) => (word === "new.trace" ? join(at, word) : word));
    const { status, out, err } = await portcullis(...written, join(at, "events.jsonl"));
    expect({ status, out }).toEqual({ status: 125, out: "" });
    expect(err).toMatch(/^error P0810: .*events\.jsonl has events of `portcullis run --events`/);
    expect(err).toContain(
      "help: portcullis amend POLICY FILE changes a policy by events; portcullis record writes a trace",
    );
    expect(existsSync(join(at, "new.trace"))).toBe(false);
  });

  it.each([
    [["--to-call", "accept44"], 'error P0101: no system call is named "accept44"\n  help: write accept4\n'],
    [
      ["--from-call", "fopen"],
      'error P0101: "fopen" is a C library function, not a system call\n  help: write openat\n',
    ],
    [["--run", "0"], "error P0907: --run 0 is not a number from 1 to 1000000\n"],
  ])("cut refuses the bound %j", async (words, message) => {
    const at = folder();
    const written = join(at, "part.trace");
    const found = await portcullis("trace", "cut", "-o", written, ...words, join(at, "whole.trace"));
    expect(found).toEqual({ status: 125, out: "", err: message });
    expect(existsSync(written)).toBe(false);
  });

  it("writes the readable part of a damaged trace", async () => {
    const at = folder();
    const mended = join(at, "mended.trace");
    const { status, err } = await portcullis("trace", "cut", "-o", mended, join(at, "damaged.trace"));
    expect(status).toBe(1);
    expect(err).toContain("8 bytes from byte");
    expect((await portcullis("trace", "print", mended)).out).toBe(`${run}{"v":1,"kind":"lost"}\n${more}`);
    const simulated = await portcullis("simulate", "-p", "exec-once", mended);
    expect(simulated.status).toBe(0);
    expect(simulated.err).toContain("P0823");
  });

  it.each([
    ["cut.trace", 0, "P0825"],
    ["damaged.trace", 125, "P0824"],
    ["damaged.gz", 125, "P0824"],
    ["huge.trace", 125, "P0810"],
    ["empty.trace", 125, "P0810"],
    ["other.bin", 125, "P0903"],
  ])("%s is read as far as is safe: status %i, %s", async (name, status, code) => {
    const at = name === "huge.trace" ? folderOf({ [name]: hugeTrace() }) : folder();
    const found = await portcullis("simulate", "-p", "exec-once", join(at, name));
    expect(found).toMatchObject({ status });
    expect(found.err).toContain(code);
    for (const operation of ["stat", "print"]) {
      const shown = await portcullis("trace", operation, join(at, name));
      expect([0, 1, 125]).toContain(shown.status);
      expect(shown.err).not.toContain("internal error");
    }
  });

  /** The file of a writer of plain lines that was killed. */
  const ends = { "ended.jsonl": run + more.slice(0, -20), "ended.gz": gzipSync(run + more.slice(0, -20)) };

  it.each(Object.keys(ends))("reads the whole lines of %s, which ends within a line, in every verb", async (name) => {
    const at = folderOf({ ...ends, "p.ts": policy, "whole.jsonl": run + more });
    const file = join(at, name);
    for (const [words, status] of [
      [["simulate", "-p", "exec-once", file], 0],
      [["flow", file], 0],
      [["propose", "-o", join(at, "new.ts"), file], 0],
      [["propose", "-o", join(at, "other.ts"), join(at, "whole.jsonl"), "--validate", file], 0],
      [["diff", "exec-once", "exec-once", file], 0],
      [["report", "-o", join(at, "r.html"), file], 0],
      [["report", "-o", join(at, "s.html"), "exec-once", file], 0],
      [["trace", "print", file], 1],
      [["trace", "merge", "-o", join(at, "merged.trace"), file], 1],
      [["trace", "cut", "-o", join(at, "cut.trace"), file], 1],
    ] as const) {
      const found = await portcullis(...words);
      expect(found, words.join(" ")).toMatchObject({ status });
      expect(found.err, words.join(" ")).toContain(`${name}:5:1: warning P0825`);
    }
    const counted = await portcullis("trace", "stat", file);
    expect(counted).toMatchObject({ status: 1, err: "" });
    expect(counted.out).toMatch(/1 recording, 2 calls[\s\S]*ends within a block or a line/);
    for (const written of ["merged.trace", "cut.trace"]) {
      expect((await portcullis("trace", "print", join(at, written))).out).toBe(run);
    }
    const { simulate } = await import("../../src/testing.ts");
    expect((await simulate(join(at, "p.ts"), file)).decisions).toHaveLength(2);
  });

  it.each([
    ["within another line", run + more.slice(0, -20) + run, "P0801"],
    ["at its only line", head.slice(0, -20), "P0810"],
    ["with something else", `${run}something else`, "P0801"],
  ])("refuses JSON lines that are cut %s", async (_, text, code) => {
    const at = folderOf({ "bad.jsonl": text });
    for (const words of [["simulate", "exec-once"], ["flow"], ["propose", "-o", join(at, "p.ts")]]) {
      const found = await portcullis(...words, join(at, "bad.jsonl"));
      expect(found, words[0]).toMatchObject({ status: 125 });
      expect(found.err, words[0]).toContain(`error ${code}`);
    }
  });

  it("reads a file that is longer than memory should hold, block by block", async () => {
    const file = join(folderOf({}), "long.trace");
    const block = blocks(call(7, "getppid", 1).repeat(20_000));
    writeFileSync(file, blocks(head));
    for (let count = 0; count < 50; count++) writeFileSync(file, block, { flag: "a" });
    expect((await portcullis("trace", "stat", file)).out).toContain("1 recording, 1000000 calls");
    truncateSync(file, readFileSync(file).length - 3);
    expect((await portcullis("trace", "stat", file)).status).toBe(1);
  });

  it.each([
    [[], "P0908"],
    [["stats", "x"], "P0906"],
    [["stat"], "P0908"],
    [["cut", "x.trace"], "P0908"],
    [["print", "a", "b"], "P0909"],
    [["cut", "-o", "y", "--from", "soon", "x"], "P0907"],
    [["stat", "/does/not/exist"], "P0901"],
    [["stat", "/dev/null"], "P0902"],
  ])("%j is refused: %s", async (words, code) => {
    const { status, err } = await portcullis("trace", ...words);
    expect(status).toBe(125);
    expect(err).toContain(code);
  });
});
