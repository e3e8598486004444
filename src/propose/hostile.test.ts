/** Recordings whose texts try to become code or comments of the policy, and recordings that are large or contradict themselves. */
import { describe, expect, it } from "vitest";
import { lintPolicy } from "../analysis/lint/lint.ts";
import { safeText } from "../diagnostics/width.ts";
import { loadPolicy } from "../frontend/load.ts";
import { Faults } from "../traces/faults.ts";
import { readJsonTrace } from "../traces/formats/json.ts";
import { details } from "./aspects.ts";
import { HistoryBuilder } from "./history.ts";
import { propose } from "./proposal.ts";

const call = (tid: number, name: string, registers: readonly number[], memory: object = {}) => ({
  ...{ v: 1, kind: "call", tid, call: name, arguments: registers.map(String), memory },
});

/** Each would open the policy to every call if it left its string or comment. */
const code = "export default policy(() => allow);";
const texts = [
  `a\n${code}`,
  `a\r${code}`,
  `a\u2028${code}`,
  `a\u2029${code}`,
  `a\u0085${code}`,
  `a*/ ${code} /*`,
  `a"; ${code} //`,
  `a\`; ${code} \``,
  `a\\`,
  `a\${process.exit(9)}`,
  "a\u202e\u2066evil\u2069\u200f",
  "a\ufeff\u001b[2J",
  'a\n    case "ptrace": return allow;',
  "__proto__",
  "constructor",
];

function historyOf(lines: readonly object[], detail: (typeof details)[number]): HistoryBuilder {
  const history = new HistoryBuilder("x86_64", detail);
  const faults = new Faults("a.trace");
  history.open("a.trace", faults);
  const { runs, diagnostics } = readJsonTrace(
    lines.map((line) => JSON.stringify(line)).join("\n"),
    "a.trace",
    "x86_64",
  );
  expect(diagnostics).toEqual([]);
  for (const run of runs) for (const event of run.events) history.event(event, run);
  return history;
}

function policyOf(lines: readonly object[], detail: (typeof details)[number]): string {
  const { policy } = propose(historyOf(lines, detail), { phases: "usual", with: [], origin: "A test." });
  const { program, diagnostics, promises } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
  expect(diagnostics, policy).toEqual([]);
  expect(lintPolicy(program!, { promises }), policy).toEqual([]);
  return policy;
}

describe("texts of a recording", () => {
  it.each(texts)("are no code: %j", (text) => {
    const lines = [
      ...["/tmp/", "/usr/lib/"].map((folder) => call(1, "openat", [0, 7, 0, 0], { path: `${folder}${text}` })),
      call(1, "connect", [3, 7, 110], { addr: { kind: "unix", path: `/run/${text}` } }),
      call(1, "connect", [3, 7, 110], { addr: { kind: "abstract", name: text } }),
      ...["getppid", "setsid", "chroot", "umask", "uname"].map((name) => call(1, name, [0])),
      call(1, "connect", [3, 7, 110], { addr: { kind: "unix", path: `/srv/${text}` } }),
      ...Array.from({ length: 99 }, () => call(1, "pause", [])),
      call(1, "clone", [0x1200011, 0, 0, 0, 0]),
      { v: 1, kind: "fork", tid: 1, child: 2 },
      call(2, "dup2", [3, 1]),
      call(2, "execve", [7, 7, 7], { path: `/bin/${text}` }),
      { v: 1, kind: "exec", tid: 2 },
      ...Array.from({ length: 50 }, () => call(2, "sync", [])),
    ];
    for (const detail of details) {
      const policy = policyOf(lines, detail);
      // Neither further line ends, nor characters that hide or reverse what follows.
      for (const line of policy.split("\n")) expect(safeText(line)).toBe(line);
      expect(policy.match(/^export default/gm), policy).toHaveLength(1);
      expect(policy).not.toMatch(/^\s*case "ptrace"/m);
    }
  });
});

describe("recordings", () => {
  it("of thousands of programs, paths and addresses make a policy that a person can read", () => {
    const lines = [];
    for (let number = 2; number < 2000; number++) {
      lines.push(
        call(1, "clone", [0x1200011, 0, 0, 0, 0]),
        { v: 1, kind: "fork", tid: 1, child: number },
        call(number, "execve", [7, 7, 7], { path: `/opt/${number}/program${number}` }),
        { v: 1, kind: "exec", tid: number },
        call(number, "openat", [0, 7, 0, 0], { path: `/data/${"x".repeat(number % 30)}${number}` }),
        call(number, "connect", [3, 7, 16], {
          addr: { kind: "ip", address: `10.${number >> 8}.${number & 255}.1`, port: number },
        }),
        { v: 1, kind: "exit", tid: number },
      );
    }
    expect(policyOf(lines, "paths").split("\n").length).toBeLessThan(400);
  });

  /** Each program in a process of its own, of which it calls what its role shows. */
  const executions = (paths: readonly string[], own: (index: number) => string) =>
    paths.flatMap((path, index) => [
      call(1, "clone", [0x1200011, 0, 0, 0, 0]),
      { v: 1, kind: "fork", tid: 1, child: index + 2 },
      call(index + 2, "execve", [7, 7, 7], { path }),
      { v: 1, kind: "exec", tid: index + 2 },
      call(index + 2, own(index), []),
      { v: 1, kind: "exit", tid: index + 2 },
    ]);

  it("of thousands of programs of one name, in folders of their own", () => {
    const paths = Array.from({ length: 3000 }, (_, number) =>
      number === 9 ? "conf?*test" : `/opt/${number}/conf?*test`,
    );
    for (const detail of details) {
      const policy = policyOf(
        executions(paths, () => "getppid"),
        detail,
      );
      expect(policy.split("\n").length).toBeLessThan(200);
      if (detail === "calls") continue;
      expect(policy).toMatch(/[eE]ndsWith(?: = \[|\()"\/conf\?\*test"/);
      expect(policy).toMatch(/(?:Path = \[|\.is\()"conf\?\*test"/);
    }
  });

  it("of programs with few paths are recognised by them, also beside one with thousands", () => {
    const paths = Array.from({ length: 3000 }, (_, number) =>
      number % 1000 === 7 ? `/bin/${number}/other` : `/opt/${number}/test`,
    );
    const policy = policyOf(
      executions(paths, (index) => (index % 1000 === 7 ? "setsid" : "getppid")),
      "arguments",
    );
    expect(policy).toContain('call.args.path.text.endsWith("/test")) role.enter("test")');
    expect(policy).toContain('Programs = ["/bin/1007/other", "/bin/2007/other", "/bin/7/other"]');
  });

  it("of programs whose names are long, or have every character", () => {
    const paths = Array.from({ length: 60 }, (_, number) =>
      number % 2 === 0
        ? `/bin/${String(number).repeat(120)}`
        : `/bin/${Array.from({ length: 100 }, (_, at) => String.fromCodePoint(0xa1 + 37 * number + at)).join("")}`,
    );
    const calls = ["getppid", "setsid", "sync", "pause"];
    for (const detail of details) {
      policyOf(
        executions(paths, (index) => calls[index % calls.length]!),
        detail,
      );
    }
  });

  it("that contradict themselves are refused, and do not hang", () => {
    const history = new HistoryBuilder("x86_64", "arguments");
    const faults = new Faults("a.trace");
    history.open("a.trace", faults);
    const lines = [call(1, "getpid", []), { v: 1, kind: "fork", tid: 1, child: 1 }, call(9, "getpid", [])];
    const { runs } = readJsonTrace(lines.map((line) => JSON.stringify(line)).join("\n"), "a.trace", "x86_64");
    for (const run of runs) for (const event of run.events) history.event(event, run);
    expect(faults.failed || runs.length === 0).toBe(true);
  });
});
