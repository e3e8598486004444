/** `portcullis flow`: the module that it writes, and the name of its constant. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { folderOf, portcullis } from "../../../test/cli/harness.ts";

const call = (name: string, time: number): string =>
  `{"v":1,"kind":"call","tid":7,"call":"${name}","time":${time},"result":0}\n`;
const run = '{"v":1,"kind":"recording"}\n{"v":1,"kind":"start","tid":7}\n';
const trace = `${run}${call("brk", 1)}${call("read", 2)}${call("brk", 3)}`;

it("joins the successors of all recordings", async () => {
  const at = folderOf({ "a.jsonl": trace, "b.jsonl": `${run}${call("openat", 1)}${call("brk", 2)}` });
  const words = ["--name", "both", join(at, "a.jsonl"), join(at, "b.jsonl")];
  const { status, out } = await portcullis("flow", "--architecture", "x86_64", ...words);
  expect({ status, out }).toEqual({
    status: 0,
    out: `import type { FlowGraph } from "portcullis";

/** Derived by \`portcullis flow\` from 5 calls: a.jsonl, b.jsonl, x86_64. */
export const both = {
  start: ["brk", "openat"],
  brk: ["read"],
  read: ["brk"],
  openat: ["brk"],
} as const satisfies FlowGraph;
`,
  });
});

it.each([
  ["my-server.2.jsonl", [], "myServerFlow"],
  ["9.jsonl", [], "flow"],
  ["t.jsonl", ["-o", "web app.flow.ts"], "webAppFlow"],
  ["t.jsonl", ["--name", "$graph_1"], "$graph_1"],
])("names the constant by its file: of %s with %j", async (name, [option, value], constant) => {
  const at = folderOf({ [name]: trace });
  const output = join(at, value ?? "");
  const words = option === undefined ? [] : [option, option === "-o" ? output : value!];
  const { status, out } = await portcullis("flow", ...words, join(at, name));
  expect(status).toBe(0);
  expect(option === "-o" ? readFileSync(output, "utf8") : out).toContain(`export const ${constant} = {`);
});

it.each([
  [[], "error P0908: a trace is missing\n  help: portcullis flow TRACE\n"],
  [["--name", "x y", "t.jsonl"], "error P0907: --name x y is not the name of a constant\n"],
])("refuses %j", async (words, err) => {
  expect(await portcullis("flow", ...words)).toEqual({ status: 125, out: "", err });
});
