/** What verbs print that start nothing and write no file: completions, settings, differences, exported profiles. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { folderOf, portcullis } from "../../../test/cli/harness.ts";

const output = async (...words: readonly string[]) => {
  const { status, out, err } = await portcullis(...words);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return out;
};

it.each([
  ["run -p children", "most=\tinteger, 16 by default\n"],
  ["run --set", ""],
  ["toString -p children", ""],
])("completion: the parameters of %j", async (line, lines) => {
  expect(await output("completion", "parameters", "--", ...line.split(" "))).toBe(lines);
});

it("completion: a flag has both of its values", async () => {
  const file = join(
    folderOf({
      "p.ts": `import { allow, parameter, policy } from "portcullis";
const on = parameter.flag("on");
export default policy(() => (on ? allow : allow));
`,
    }),
    "p.ts",
  );
  expect(await output("completion", "parameters", "--", "check", file)).toBe(
    "on=true\tflag, must be set\non=false\tflag, must be set\n",
  );
});

it("tsconfig: inside the package, the settings have a relative path", async () => {
  expect(JSON.parse(await output("tsconfig"))).toEqual({ extends: "./policy.json", include: ["**/*.ts"] });
});

it("doctor --differences: each engine in each aspect, for people and for programs", async () => {
  const text = await output("doctor", "--differences");
  const lines = (await output("doctor", "--differences", "--json")).trimEnd().split("\n");
  for (const line of lines) {
    const difference = JSON.parse(line) as { v: number; kind: string; title: string };
    expect(difference).toMatchObject({ v: 1, kind: "difference" });
    expect(text).toContain(difference.title);
  }
});

it("help: the overview, and the page of a verb as --help prints it", async () => {
  expect(await output("help")).toMatch(/^portcullis: /);
  expect(await output("help", "trace")).toBe(await output("trace", "--help"));
});

it("export: what a format does not enforce is refused, or left out with a message", async () => {
  const file = join(
    folderOf({
      "p.ts": `import { allow, deny, policy } from "portcullis";
export default policy({ readOnlyProc: true, hosts: ["a.org"] }, (call) => (call.name === "mount" ? deny("EPERM") : allow));
`,
    }),
    "p.ts",
  );
  const refused = await portcullis("export", "oci", file);
  expect(refused).toMatchObject({ status: 125, out: "" });
  expect(refused.err).toContain("error P0606: a container runtime does not enforce readOnlyProc and its hosts\n");
  expect(refused.err).toContain("\n  help: --best-effort leaves it out; ");
  const { status, out, err } = await portcullis("export", "oci", "--best-effort", file);
  expect([status, err]).toEqual([0, expect.stringContaining("BEST EFFORT: readOnlyProc and its hosts: not in this")]);
  expect(JSON.parse(out)).toMatchObject({ syscalls: expect.any(Array) });
});
