/** `portcullis trace` on a small trace: its summary, parts of it, and strace's output. Other files: test/cli/trace-verb.test.ts. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { folderOf, portcullis } from "../../../test/cli/harness.ts";

const call = (name: string, time: number, result = 0) =>
  `{"v":1,"kind":"call","tid":7,"call":"${name}","time":${time},"result":${result}}\n`;
const head = `{"v":1,"kind":"recording","recorder":"tracefs","command":["sh"],"unknown":["the weather"]}\n{"v":1,"kind":"start","tid":7}\n`;
const trace = head + call("brk", 0) + call("openat", 1e9, -2) + call("openat", 2e9, 3) + call("close", 3e9);
const files = () => folderOf({ "t.jsonl": trace, "cut.jsonl": trace.slice(0, -9), "s.txt": "7 getpid() = 7\n" });

it("stat counts the calls of each recording, and says what is missing", async () => {
  const at = files();
  const file = join(at, "t.jsonl");
  expect(await portcullis("trace", "stat", file)).toEqual({
    status: 0,
    out: `${file}: 1 recording, 4 calls
  1. by tracefs: sh
     4 calls in 3.0 s, 1 process, 0 further threads
     unknown: the weather

  call        calls     failed recordings
  openat          2          1 1
  brk             1          0 1
  close           1          0 1
`,
    err: "",
  });
  const cut = await portcullis("trace", "stat", join(at, "cut.jsonl"));
  expect(cut).toMatchObject({ status: 1, out: expect.stringContaining("\n  ends within a block or a line: ") });
});

it.each([
  [
    ["--from", "1s"],
    ["openat", "openat", "close"],
  ],
  [["--from", "1500ms", "--to", "2.5s"], ["openat"]],
  [
    ["--from-call", "openat", "--to-call", "close"],
    ["openat", "openat"],
  ],
  [
    ["--run", "1"],
    ["brk", "openat", "openat", "close"],
  ],
])("cut with %j has %j", async (options, calls) => {
  const at = files();
  const part = join(at, "part.trace");
  expect(await portcullis("trace", "cut", "-o", part, ...options, join(at, "t.jsonl"))).toEqual({
    status: 0,
    out: "",
    err: "",
  });
  const { out } = await portcullis("trace", "print", part);
  expect([...out.matchAll(/"call":"(\w+)"/g)].map(([, name]) => name)).toEqual(calls);
});

it.each([
  [["--to-call", "mount"], "has no call mount (--to-call)"],
  [["--from-call", "close", "--to-call", "brk"], "has no call brk from the first close on (--to-call)"],
  [["--from", "9s"], "is in this part"],
  [["--run", "2"], "is in this part"],
])("cut with %j leaves no file", async (options, message) => {
  const at = files();
  const part = join(at, "part.trace");
  const { status, err } = await portcullis("trace", "cut", "-o", part, ...options, join(at, "t.jsonl"));
  expect([status, err]).toEqual([125, expect.stringContaining(message)]);
  expect(existsSync(part)).toBe(false);
});

it("merge translates strace's output, and its status says that a part is missing", async () => {
  const at = files();
  const all = join(at, "all.trace");
  const inputs = ["t.jsonl", "s.txt", "cut.jsonl"].map((name) => join(at, name));
  expect((await portcullis("trace", "merge", "-o", all, ...inputs)).status).toBe(1);
  expect((await portcullis("trace", "stat", all)).out).toContain("all.trace: 3 recordings, 8 calls\n");
});
