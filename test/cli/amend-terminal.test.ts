/** Tests the questions of `portcullis amend` on a terminal, and its patches with patch(1). */
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { prepare, victim } from "../live/run.ts";
import { patience } from "../support/patience.ts";
import { folderOf, portcullis } from "./harness.ts";

beforeAll(prepare);

const policy = `import { allow, calls, deny, policy } from "portcullis";
export default policy((call) => {
  if (calls("read", "write").has(call)) return allow;
  return deny("EPERM", "not recorded");
});
`;
const decision = (call: string, number: number, args: readonly (readonly [string, string])[], count: number) =>
  `${JSON.stringify({
    ...{ v: 1, kind: "decision", time: 1_700_000_000.5, pid: 7, tid: 7, command: "server", call, number },
    arguments: args.map(([name, text]) => ({ name, text })),
    ...{ verdict: "deny", errno: "EPERM", reason: "not recorded", rule: "p.ts:4:10", policy: "p", count },
  })}\n`;
const events = [
  decision(
    "ioctl",
    16,
    [
      ["fd", "0"],
      ["cmd", "TCGETS"],
      ["arg", "0x7ffc00"],
    ],
    9,
  ),
  decision("fsync", 74, [["fd", "4"]], 5),
  decision("setuid", 105, [["uid", "33"]], 3),
  decision("getppid", 110, [], 1),
].join("");

/** What the terminal shows of the end, and the files. */
function converse(steps: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const folder = folderOf({ "p.ts": policy, "e.jsonl": events, editor: '#!/bin/sh\nprintf "// edited\\n" >> "$1"\n' });
  chmodSync(join(folder, "editor"), 0o755);
  const words = [resolve("bin/portcullis"), "amend", "p.ts", "e.jsonl"];
  const { stdout } = spawnSync(victim("terminal"), [...steps, "--", ...words], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, EDITOR: join(folder, "editor"), VISUAL: "", ...environment },
    timeout: patience.command,
  });
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name), "utf8");
    } catch {
      return undefined;
    }
  };
  return { stdout, policy: read("p.ts"), cases: read("p.cases") };
}

const asked = (call: string) => ["expect", ` ${call}`, "expect", "q: quit", "expect", "> "];
const say = (text: string) => ["send", `${text}\\n`];

it("accepts, narrows, refuses and skips, and writes after a question", () => {
  const steps = [
    ...[...asked("ioctl"), ...say("g"), ...asked("fsync"), ...say("x"), "expect", "one of these letters", ...say("g")],
    ...[...asked("setuid"), ...say("r"), "expect", "why?", ...say("never root"), ...asked("getppid"), ...say("s")],
    ...["expect", "2 changes, 1 refused for ever", "expect", "write these files? (y/n) ", ...say("y")],
    ...["expect", "p.cases", "exit"],
  ];
  const found = converse(steps);
  expect(found.stdout).toBe("exit 1\n");
  expect(found.policy).toContain('if (call.name === "ioctl" && call.args.cmd.is("TCGETS")) return allow;');
  expect(found.policy).toContain('if (calls("read", "write", "fsync").has(call)) return allow;');
  expect(found.policy).not.toContain("setuid");
  expect(found.cases).toContain("# refused for ever: never root\nmain setuid(33)  deny EPERM\n");
});

it("shows another change before it makes it", () => {
  const steps = [
    ...[...asked("ioctl"), ...say("c"), "expect", 'if (calls("read", "write", "ioctl").has(call))'],
    ...["expect", "this change? (y/n)", ...say("y"), ...asked("fsync"), ...say("q")],
    ...["expect", "1 change:", "expect", "write these files?", ...say("y"), "exit"],
  ];
  expect(converse(steps)).toMatchObject({
    stdout: "exit 1\n",
    policy: expect.stringContaining('  if (calls("read", "write", "ioctl").has(call)) return allow;\n'),
  });
});

it.each([
  ["no answer", [...asked("ioctl"), ...say("q"), "exit"]],
  ["a no", [...asked("ioctl"), ...say("g"), ...asked("fsync"), ...say("q"), "expect", "(y/n)", ...say("n"), "exit"]],
  ["the end of input", [...asked("ioctl"), ...say("g"), ...asked("fsync"), "send", "\\x04", "exit"]],
])("writes nothing after %s", (_, steps) => {
  expect(converse(steps)).toEqual({ stdout: "exit 1\n", policy, cases: undefined });
});

it("writes before it opens the editor, and then goes on with the rest", () => {
  const steps = [
    ...[...asked("ioctl"), ...say("g"), ...asked("fsync"), ...say("e"), "expect", "(y/n)", ...say("y")],
    ...["expect", "allows already", ...asked("fsync"), ...say("q"), "exit"],
  ];
  const found = converse(steps);
  expect(found.stdout).toBe("exit 1\n");
  expect(found.policy).toMatch(/TCGETS[\s\S]*\/\/ edited\n$/);
});

it("prints a patch that patch(1) applies", async (context) => {
  if (spawnSync("patch", ["--version"]).error !== undefined) context.skip("patch is not installed");
  const folders = [0, 1].map(() => folderOf({ "p.ts": policy, "e.jsonl": events }));
  const [one, two] = folders.map((folder) => (name: string) => join(folder, name)) as [Name, Name];
  const { out } = await portcullis("amend", "--patch", one("p.ts"), one("e.jsonl"));
  const applied = spawnSync("patch", ["-p0"], { cwd: "/", input: out, encoding: "utf8" });
  expect(applied, applied.stdout).toMatchObject({ status: 0 });
  expect((await portcullis("amend", "--accept", "all", two("p.ts"), two("e.jsonl"))).status).toBe(0);
  for (const name of ["p.ts", "p.cases"]) expect(readFileSync(one(name))).toEqual(readFileSync(two(name)));
});

type Name = (name: string) => string;
