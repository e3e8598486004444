/** Tests traces on standard input: a pipe of any size, in bounded memory, for every verb that reads a trace. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { folderOf } from "./harness.ts";

const head = '{"v":1,"kind":"start","tid":7,"uid":0,"gid":0}\n';
const line = (index: number, more = "") =>
  `{"v":1,"kind":"call","tid":7,"call":"getppid","arguments":["0x1","0x2","0x3","0x4","0x5","0x6"],"time":${index},"result":1${more}}\n`;
const straceHead = '7 1.000000 execve("/bin/true", ["true"], 0x0 /* 0 vars */) = 0\n';
const straceLine = (index: number, length: number) =>
  `7 ${2 + index}.000000 write(1, "${"x".repeat(length)}", ${length}) = ${length}\n`;

/** Words of a verb that reads standard input, and what it prints about `calls` calls. */
const verbs = (folder: string, calls: number): readonly (readonly [words: readonly string[], says: RegExp])[] => {
  const said = String(calls);
  return [
    [["simulate", "exec-once", "-"], new RegExp(`^${said} calls: ${said} allow$`, "m")],
    [["trace", "stat", "-"], new RegExp(`${said} calls`)],
    [["propose", "-o", join(folder, "new.ts"), "-"], new RegExp(`${calls.toLocaleString("en-US")} calls`)],
    [["report", "-o", join(folder, "r.html"), "-"], /P0821|^$/],
    [["flow", "-"], new RegExp(`from ${said} calls`)],
    [["diff", "exec-once", "exec-once", "-"], /./],
  ];
};

/** The text of more than what stays in memory. Long lines, so that the tests wait for the pipe and not for each call. */
const lines = 3000;
const filling = 4000;
const texts = {
  "JSON lines": () =>
    head + Array.from({ length: lines }, (_, index) => line(index, `,"x":"${"x".repeat(filling)}"`)).join(""),
  strace: () => straceHead + Array.from({ length: lines }, (_, index) => straceLine(index, filling)).join(""),
};

it.each(Object.entries(texts))("a pipe with %s of 12 MB", (_, text) => {
  const input = text();
  expect(input.length).toBeGreaterThan(10 << 20);
  const folder = folderOf({});
  for (const [words, says] of verbs(folder, lines)) {
    const ran = spawnSync("bin/portcullis", words, {
      input,
      encoding: "utf8",
      env: { ...process.env, TMPDIR: folder },
    });
    expect(ran, words.join(" ")).toMatchObject({ status: 0 });
    expect(ran.stdout + ran.stderr, words.join(" ")).toMatch(says);
  }
  // Nothing remains of the temporary files.
  expect(readdirSync(folder).filter((name) => name.startsWith("portcullis-"))).toEqual([]);
});

/** kB, of the process of Node: the launcher's child. */
function peakOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  return Math.max(
    Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0),
    ...children.map((child) => peakOf(Number(child))),
  );
}

it("a pipe of 512 MiB is not held in memory", async () => {
  const folder = folderOf({});
  const child = spawn("bin/portcullis", ["simulate", "exec-once", "-"], { env: { ...process.env, TMPDIR: folder } });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  let peak = 0;
  const looking = setInterval(() => {
    try {
      peak = Math.max(peak, peakOf(child.pid!));
    } catch {
      // It has ended.
    }
  }, 50);
  const ended = new Promise((resolve) => child.once("close", resolve));
  // Long lines, so that the test waits for the pipe and not for the policy.
  const long = `{"v":1,"kind":"call","tid":7,"call":"getppid","x":"${"x".repeat(1 << 16)}"}\n`;
  const calls = Math.ceil((512 << 20) / long.length);
  child.stdin.on("error", () => {}); // It has ended early, which its status shows.
  child.stdin.write(head);
  for (let count = 0; count < calls && child.stdin.writable; count++) {
    const drained = child.stdin.write(long) || new Promise((resolve) => child.stdin.once("drain", resolve));
    await Promise.race([drained, ended]);
  }
  child.stdin.end();
  const status = await ended;
  clearInterval(looking);
  expect({ status, said }).toEqual({ status: 0, said: `${calls} calls: ${calls} allow\n` });
  expect(peak).toBeGreaterThan(20_000);
  // About 165 MB at any size of the input; how much depends on when Node collects garbage.
  expect(peak).toBeLessThan(300_000);
});

it("a folder for temporary files that cannot hold it is a clear error", () => {
  const folder = folderOf({});
  const env = { ...process.env, TMPDIR: join(folder, "absent") };
  const simulate = (input: string, limit = "unlimited") =>
    spawnSync("sh", ["-c", `ulimit -f ${limit}; exec bin/portcullis simulate exec-once -`], {
      input,
      encoding: "utf8",
      env: limit === "unlimited" ? env : { ...process.env, TMPDIR: folder },
    });
  expect(simulate(head + line(0))).toMatchObject({ status: 0 });
  const long = texts["JSON lines"]();
  expect(simulate(long)).toMatchObject({
    status: 125,
    stderr: expect.stringMatching(/P0904.*absent cannot hold them/),
  });
  expect(simulate(long, "2000")).toMatchObject({
    status: 125,
    stderr: expect.stringContaining("larger than a file may"),
  });
  expect(readdirSync(folder)).toEqual([]);
});

it("a file, from its beginning or from where another program has left it", () => {
  const folder = folderOf({ "t.jsonl": head + line(1) + line(2), "v.ts": "" });
  const file = join(folder, "t.jsonl");
  const count = (skipped: number) => {
    const descriptor = openSync(file, "r");
    try {
      readSync(descriptor, Buffer.alloc(skipped + 1), 0, skipped, null);
      const words = ["trace", "stat", "--json", "-"];
      const out = execFileSync("bin/portcullis", words, { encoding: "utf8", stdio: [descriptor, "pipe", "inherit"] });
      return JSON.parse(out).runs[0].calls;
    } finally {
      closeSync(descriptor);
    }
  };
  expect(count(0)).toBe(2);
  expect(count((head + line(1)).length)).toBe(1);
  writeFileSync(file, head + line(1));
  expect(count(0)).toBe(1);
  expect(existsSync(file)).toBe(true);
});
