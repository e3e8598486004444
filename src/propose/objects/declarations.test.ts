/** The declarations of a proposal compile, have the layout of the formatter, and no text of a recording becomes code. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newestAbi } from "../../abi/landlock.ts";
import { lintPolicy } from "../../analysis/lint/lint.ts";
import { safeText } from "../../diagnostics/width.ts";
import { loadPolicy } from "../../frontend/load.ts";
import type { Program } from "../../ir/program.ts";
import { Faults } from "../../traces/faults.ts";
import { readJsonTrace } from "../../traces/formats/json.ts";
import { HistoryBuilder } from "../history.ts";
import { propose } from "../proposal.ts";
import { declarationsOf } from "./declarations.ts";
import { machineWith } from "./testing/machine.ts";
import { ObjectUses } from "./uses.ts";

const call = (name: string, registers: readonly number[], result: number, memory: object = {}) => ({
  ...{ v: 1, kind: "call", tid: 1, call: name, arguments: registers.map(String), result, memory },
});
const open = (path: string, flags = 0) => call("openat", [-100, 7, flags, 0], 3, { path });
const reach = (name: "bind" | "connect", port: number) =>
  call(name, [9, 7, 16], 0, { addr: { kind: "ip", address: "::1", port } });
const socket = (path: string) => call("connect", [9, 7, 110], 0, { addr: { kind: "unix", path } });

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-declarations-"));
  copyFileSync("biome.json", join(folder, "biome.json"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function proposed(
  lines: readonly object[],
  isFormatted = true,
): { policy: string; program: Program; statement: string; both: readonly string[] } {
  const machine = machineWith([]);
  const history = new HistoryBuilder("x86_64", "arguments");
  const uses = new ObjectUses("x86_64", machine);
  history.open("a.trace", new Faults("a.trace"));
  const start = { v: 1, kind: "start", tid: 1, directory: "/srv" };
  const text = [start, ...lines].map((line) => JSON.stringify(line)).join("\n");
  const { runs, diagnostics } = readJsonTrace(text, "a.trace", "x86_64");
  expect(diagnostics).toEqual([]);
  for (const run of runs)
    for (const event of run.events) {
      history.event(event, run);
      uses.event(event, run);
    }
  uses.end();
  const declarations = declarationsOf(uses, machine);
  const { policy } = propose(history, { phases: "usual", with: [], origin: "A test.", declarations });
  const file = join(folder, "a.ts");
  writeFileSync(file, policy);
  if (isFormatted)
    execFileSync(join(process.cwd(), "node_modules/.bin/biome"), ["format", "--vcs-enabled=false", "a.ts"], {
      cwd: folder,
      stdio: "pipe",
    });
  const loaded = loadPolicy(file, { architecture: "x86_64", landlockAbi: newestAbi });
  expect(loaded.diagnostics, policy).toEqual([]);
  expect(lintPolicy(loaded.program!, loaded), policy).toEqual([]);
  for (const line of policy.split("\n")) expect(safeText(line)).toBe(line);
  expect(policy.match(/^export default/gm)).toHaveLength(1);
  const { statement, both } = declarations;
  return { policy, program: loaded.program!, statement: statement.join("\n"), both };
}

describe("declarations", () => {
  it("name what a process can write and then read, and so map and execute", () => {
    const bothOf = (lines: readonly object[]) => proposed(lines).both;
    const [created, reads, writes] = [0o101, 0, 1];
    expect(bothOf([open("/srv/data/a", reads), open("/srv/log/a", created), open("/dev/null", writes)])).toEqual([]);
    expect(bothOf([open("/srv/data", 0o200000), open("/srv/data/log/a", created)])).toEqual(["/srv/data/log"]);
    expect(bothOf([open("/srv/data/a", 2)])).toEqual(["/srv/data/a"]);
    expect(bothOf([open("/usr/local/lib/new.so", created)])).toEqual(["/usr/local/lib"]);
  });

  it("have lists, also empty ones, and what is left out as comments", () => {
    const { policy, program, statement } = proposed([open("/srv/a"), open("/root/.x", 0o301), open("/srv/b")]);
    expect(policy).toContain('  read: [\n    "/srv/a", // 1 path\n    "/srv/b", // 1 path\n  ],\n');
    expect(policy).toContain("  execute: [],\n  runtime: true,\n};\n");
    expect(policy).toContain(
      '    // Left out: "/root": 1 path, such as /root/.x; .x is made, renamed or removed in it\n',
    );
    expect(policy).toContain("policy({ files }, ");
    expect(statement).toContain("left out: write /root, for /root/.x: .x is made");
    expect(statement).toContain("missing here, and the policy starts nothing without it: /srv/a");
    expect(program.objects[0]!.files!.lists.write!.some(({ path }) => path === "/root")).toBe(false);
  });

  it("have ports and Unix sockets", () => {
    const lines = [reach("bind", 8080), reach("connect", 443), socket("/run/a"), socket("b")];
    const { policy, program } = proposed(lines);
    expect(policy).toContain("const tcp = { bind: [8080n], connect: [443n] };\n");
    expect(program.objects).toMatchObject([
      { tcp: { bind: [8080], connect: [443] }, unix: { connect: [{ path: "/run/a" }, { path: "/srv/b" }] } },
    ]);
  });

  it("have many ports in lines of their own, and none that change in each run", () => {
    const bound = Array.from({ length: 30 }, (_, index) => reach("bind", 2000 + index));
    const { policy, program } = proposed([...bound, reach("connect", 40_000), reach("connect", 50_000)]);
    expect(policy).toContain("// The recorded TCP ports. The ports of connect change, so any is permitted.\n");
    expect(program.objects[0]!.tcp).toMatchObject({ bind: { length: 30 }, connect: undefined });
    const tooMany = Array.from({ length: 40 }, (_, index) => reach("bind", 2000 + index));
    expect(proposed(tooMany).program.objects[0]!.tcp).toEqual({ bind: undefined, connect: [] });
  });

  it("lack the Unix sockets of programs that send datagrams, which no policy permits beside them", () => {
    const { policy, statement } = proposed([socket("/run/a"), call("sendmmsg", [3, 7, 1, 0], 1)]);
    expect(policy).not.toContain("const unix");
    expect(statement).toContain("Unix sockets: /run/a; not declared");
  });

  it("say what the recordings leave unknown", () => {
    const lines = [call("openat", [-100, 7, 0, 0], 3), call("openat", [5, 7, 0, 0], 3, { path: "a" })];
    expect(proposed(lines).statement).toMatch(
      /the recordings have calls\n {2}whose program is unknown, which files.execute then lacks: 1, such as \?\n {2}without the memory .*: 1, such as openat\n {2}with a path relative to an unknown directory: 1, such as a$/,
    );
  });

  const code = "export default policy(() => allow);";
  it.each([`a\n${code}`, `a\r${code}`, `a\u2028${code}`, `a*/ ${code} /*`, `a"; ${code} //`, "a\u202eevil", "a\\"])(
    "are no code: %j",
    (text) => {
      const name = text.replaceAll("/", "");
      // The formatter prefers other quotes around some texts.
      const { program } = proposed([open(`/srv/${name}`), open(`/tmp/${name}`, 0o301), socket(`/run/${name}`)], false);
      expect(program.objects[0]!.files!.lists.read!.map(({ path }) => path)).toContain(`/srv/${name}`);
    },
  );
});
