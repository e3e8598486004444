/** Tests the words of the command line that name nothing, or whose bytes are not UTF-8. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { patience } from "../support/patience.ts";
import { folderOf, portcullis } from "./harness.ts";

const trace = '{"v":1,"kind":"start","tid":7}\n{"v":1,"kind":"call","tid":7,"call":"getpid"}\n';

/** With `bin/portcullis`, by a shell in the folder; $A is a name that is not UTF-8. */
function shell(folder: string, script: string) {
  const env = { ...process.env, P: resolve("bin/portcullis"), XDG_CACHE_HOME: join(folder, "cache") };
  const named = `A=$(printf 'c\\xff.pcl'); ${script}`;
  const ran = spawnSync("bash", ["-c", named], { cwd: folder, env, timeout: patience.command });
  return { status: ran.status, out: ran.stdout, err: ran.stderr.toString() };
}

test.each([
  ["check", ""],
  ["explain", ""],
  ["why", "", "getpid()"],
  ["why", "order", ""],
  ["diff", "order", ""],
  ["simulate", "order", ""],
  ["trace", "stat", ""],
  ["trace", ""],
  ["test", ""],
  ["test", "-p", "order", ""],
  ["report", "-o", "x.html", ""],
  ["propose", ""],
  ["flow", ""],
  ["compile", "", "-o", "x.pcl"],
  ["disasm", ""],
  ["top", ""],
  ["help", ""],
])("%j: an empty word names nothing", async (...argv) => {
  const { status, out, err } = await portcullis(...argv);
  expect({ status, out, err }).toEqual({
    status: 125,
    out: "",
    err: expect.stringMatching(/^error P0907: an empty word names nothing\n {2}help: portcullis \w+/),
  });
});

test.each([
  'compile -p children -o "$A"',
  '"compile" -p children -o"$A"',
  'check "$A"',
  'flow --output="$A" a.trace',
  'report -o x.html a.trace "$A"',
  'run -p "$A" -- true',
  'run --events "$A" -p order -- true',
  'record -o "$A" -- true',
])("%s: a name that is not UTF-8 is an error, and no other file is written", (words) => {
  const folder = folderOf({ "a.trace": trace });
  const { status, err } = shell(folder, `"$P" ${words}`);
  expect({ status, err }).toEqual({
    status: 125,
    err: expect.stringMatching(/^error P0918: the word ".*c\ufffd\.pcl" is /),
  });
  expect(err).toContain("help: rename the file");
  expect(readdirSync(folder)).toEqual(["a.trace"]);
});

test("a name with U+FFFD itself is a name as others", () => {
  const folder = folderOf({});
  expect(shell(folder, "$P compile -p order -o $'\\xef\\xbf\\xbd.pcl'")).toMatchObject({ status: 0, err: "" });
  expect(readdirSync(folder)).toEqual(["\ufffd.pcl"]);
});

test("the words of the command pass as bytes, and files of a folder whose name is not UTF-8 can be named from there", () => {
  const folder = folderOf({ "p.ts": readFileSync("policies/order.ts"), "a.trace": trace });
  for (const start of ["run -q -p p.ts --", "record -q -o r.trace --append --"]) {
    const { status, out } = shell(folder, `"$P" ${start} printf %s "$A" && "$P" run -q -p order -- printf %s "$A"`);
    expect({ start, status }).toEqual({ start, status: 0 });
    expect(out.equals(Buffer.from("c\xff.pcl".repeat(2), "latin1"))).toBe(true);
  }
  const inside = 'mkdir "$A" && cp p.ts a.trace "$A" && cd "$A"';
  expect(shell(folder, `${inside} && "$P" check p.ts && "$P" flow -o f.ts a.trace && ls f.ts`)).toMatchObject({
    status: 0,
  });
  expect(shell(folder, 'cd "$A" && "$P" check "$PWD/p.ts"').err).toMatch(/^error P0918: .*\n {2}help: .*relative/);
});
