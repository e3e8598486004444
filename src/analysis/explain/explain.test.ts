import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectGolden } from "../../../test/support/golden.ts";
import { callByName } from "../../abi/calls.ts";
import { type EngineDescription, warningsOf } from "../../engines/engine/description.ts";
import { explainOptions } from "../../engines/engine/static-filter.ts";
import { notifyDescription } from "../../engines/notify/description.ts";
import { notifyProfile } from "../../engines/notify/filter.ts";
import { seccompEbpfDescription } from "../../engines/seccomp-ebpf/description.ts";
import { loadPolicy } from "../../frontend/load.ts";
import type { Program } from "../../ir/program.ts";
import { explainPolicy } from "./explain.ts";
import { renderExplanation } from "./render.ts";
import { type Question, why } from "./why.ts";

/** As `explain` calls it for the engine notify. */
const onNotify = (program: Program) => ({
  ...explainOptions(notifyProfile, program),
  warnings: warningsOf(notifyDescription),
});

const root = new URL("../../../", import.meta.url).pathname;

function load(name: string): Program {
  const { program } = loadPolicy(`${root}policies/${name}.ts`, { architecture: "x86_64" });
  return program!;
}

function compile(text: string): Program {
  const loaded = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return loaded.program!;
}

describe("the ready policies, explained", () => {
  const names = readdirSync(`${root}policies`)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".flow.ts"))
    .map((name) => name.slice(0, -3));

  it.each(names)("%s", (name) => {
    const program = load(name);
    const explanation = explainPolicy(program, onNotify(program));
    // Removes locations, so that a comment added to a policy does not change the goldens.
    const text = renderExplanation(explanation).replace(/(\.ts):\d+:\d+( ?) */g, "$1$2");
    expectGolden(`${root}test/goldens/policies/${name}.explain.txt`, text);
    // The data is plain: JSON preserves it.
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
    const shown = explanation.rows.flatMap((row) => row.calls).sort();
    const judged = program.admission.judged.reduce((sum, { from, to }) => sum + Number(to - from) + 1, 0);
    expect(shown).toHaveLength(judged);
    expect(new Set(shown).size).toBe(judged);
  });

  it.each([100, 80])("has aligned columns with long names, within %i columns", (width) => {
    const program = compile(`import { allow, deny, policy } from "portcullis";
      export default policy((call) =>
        call.name === "openat" && !call.args.path.resolved.under("/srv") ? deny("EACCES") : allow);`);
    const text = renderExplanation(explainPolicy(program, onNotify(program)), { width });
    const [head, ...table] = text.slice(text.indexOf("CALLS"), text.indexOf("\n(")).split("\n");
    expect(table.find((line) => line.startsWith("landlock_restrict_self "))).toBeDefined();
    for (const line of [head!, ...table]) {
      expect(line.length).toBeLessThanOrEqual(width);
      for (const column of ["WHEN", "VERDICT", "DECIDED", "LINE"].map((name) => head!.indexOf(name))) {
        expect(line.slice(column - 2, column).trim(), line).toBe("");
      }
    }
  });

  it("fits a screen for nginx", () => {
    const program = load("nginx");
    const text = renderExplanation(explainPolicy(program, onNotify(program)));
    const lines = text.split("\n");
    expect(lines[0]).toMatch(/^any other call: deny EPERM "not among the calls of nginx", nginx\.ts:\d+:\d+$/);
    expect(lines.length).toBeLessThan(48);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

const imports = `import { allow, calls, deny, kill, log, perProcess, perThread, perTree, policy, trap } from "portcullis";`;

describe("cases", () => {
  const caseTexts = (call: string, body: string, before = "") => {
    const explanation = explainPolicy(
      compile(`${imports}\n${before}\nexport default policy((call) => {\n${body}\n});\n`),
      {
        superviseProcessCreation: false,
      },
    );
    return explanation.rows
      .find((row) => row.calls.includes(call))!
      .cases.map(({ conditions, outcomes, decided }) => {
        const verdicts = outcomes.map(
          (one) =>
            `${one.phases === undefined ? "" : `${one.phases.join()}: `}${one.verdicts.map((v) => v.verdict).join("|")}`,
        );
        return `${conditions?.join(" and ")} -> ${verdicts.join("; ")} (${decided})`;
      });
  };

  it.each([
    ["ioctl", `call.args.cmd.is("TIOCSTI")`, "cmd = TIOCSTI"],
    ["openat", `call.args.flags.has("O_CREAT")`, "flags has O_CREAT without O_PATH"],
    ["openat", `call.args.flags.hasAny("O_DIRECTORY", "O_CLOEXEC")`, "flags has any of O_DIRECTORY, O_CLOEXEC"],
    [
      "openat",
      `call.args.flags.hasOnly("O_DIRECTORY", "O_CLOEXEC") && call.args.flags.has("O_CLOEXEC")`,
      "flags has O_CLOEXEC and nothing else but O_LARGEFILE, O_DIRECTORY",
    ],
    [
      "pipe2",
      `call.args.flags.hasOnly("O_NONBLOCK", "O_CLOEXEC") && call.args.flags.has("O_CLOEXEC")`,
      "flags has O_CLOEXEC and nothing else but O_NONBLOCK",
    ],
    ["pipe2", `call.args.flags.hasAny("O_NONBLOCK", "O_CLOEXEC")`, "flags has any of O_NONBLOCK, O_CLOEXEC"],
    ["socket", `call.args.type.has("SOCK_SEQPACKET")`, "type has SOCK_SEQPACKET"],
    ["kill", `call.args.pid < 5n && call.args.pid >= 0n`, "pid in 0 … 4"],
    ["kill", `call.args.pid === -1n`, "pid = -1"],
    ["kill", `call.args.pid > 9n`, "pid >= 10"],
    ["kill", `call.raw.arg1 === 9n`, "raw.arg1 (sig) = 0x9"],
  ])("%s: %s", (name, condition, expected) => {
    const [first] = caseTexts(
      name,
      `  if (call.name === "${name}" && ${condition}) return deny("EPERM");\n  return allow;`,
    );
    expect(first).toBe(`${expected} -> deny EPERM (filter)`);
  });

  it("give the verdicts of each phase, and name the bitmap for calls that are always allowed", () => {
    const before = `const phase = perProcess.phases(["init", "ready", "done"]);`;
    const body = `  if (call.name === "listen") phase.enter("ready");\n  if (call.name === "close") phase.enter("done");\n  return call.name === "bind" && phase.is("ready") ? kill("process") : allow;`;
    expect(caseTexts("bind", body, before)).toEqual([" -> init,done: allow; ready: kill process (supervisor)"]);
    expect(caseTexts("read", body, before)).toEqual([" -> allow (bitmap)"]);
  });
});

describe("warnings", () => {
  const kinds = (engine: EngineDescription, superviseProcessCreation: boolean) => {
    const before = `const count = perProcess.counter(); const done = perProcess.flag();`;
    const body = `  if (call.name === "read") return count.add() > 5n ? kill("thread") : allow;\n  if (call.name === "close") done.set(true);\n  return call.name === "bind" && done.get() ? trap() : allow;`;
    const program = compile(`${imports}\n${before}\nexport default policy((call) => {\n${body}\n});\n`);
    const { warnings } = explainPolicy(program, { superviseProcessCreation, warnings: warningsOf(engine) });
    return warnings.map(({ kind, calls }) => `${kind}: ${calls.join()}`);
  };

  it("name hot calls, copied limits, followed forks and verdicts that notify changes", () => {
    expect(kinds(notifyDescription, true)).toEqual([
      "hot-call: close,read",
      "copied-limit: read",
      "process-creation: clone,fork,vfork",
      "kill-thread: read",
      "stateful-trap: bind",
      "one-user: bind,read",
    ]);
  });

  it("are not those of notify where seccomp-ebpf enforces", () => {
    expect(kinds(seccompEbpfDescription, false)).toEqual(["copied-limit: read", "one-user: bind,read"]);
  });
});

describe("the warning about processes of one user", () => {
  const warns = (options: string, denied: string) => {
    const before = `const done = perProcess.flag();`;
    const body = `  if (call.name === "close") done.set(true);\n  if (calls(${denied}).has(call)) return deny("EPERM");\n  return call.name === "bind" && done.get() ? deny("EPERM") : allow;`;
    const program = compile(`${imports}\n${before}\nexport default policy({ ${options} }, (call) => {\n${body}\n});\n`);
    const { warnings } = explainPolicy(program, { superviseProcessCreation: false });
    return warnings.some(({ kind }) => kind === "one-user");
  };
  const reaching = '"ptrace", "process_vm_writev", "pidfd_getfd"';

  it("is absent only if no process can write to the memory of another", () => {
    expect(warns("readOnlyProc: true", reaching)).toBe(false);
    expect(warns("readOnlyProc: false", reaching)).toBe(true);
    expect(warns("readOnlyProc: true", '"process_vm_writev"')).toBe(true);
  });
});

describe("why", () => {
  const ask = (program: Program, question: Question) => why(program, question, { superviseProcessCreation: false });
  const number = (name: string) => callByName(name)!.number.x86_64!;
  const program = load("nginx");
  const phase = program.cells.findIndex((cell) => cell.kind.is === "phases");

  it("names the line for a known phase", () => {
    const answer = ask(program, { number: number("execve"), cells: new Map([[phase, 2n]]) });
    expect(answer.cases.map((each) => each.outcomes)).toEqual([
      [
        {
          verdicts: [{ verdict: "kill process", reason: expect.any(String), at: expect.stringMatching(/^nginx\.ts:/) }],
        },
      ],
    ]);
  });

  it("shows phases and conditions that remain undecided", () => {
    expect(ask(program, { number: number("bind") }).cases[0]!.outcomes.map((one) => one.phases)).toEqual([
      ["starting", "listening"],
      ["worker", "serving"],
    ]);
    const open = ask(load("build-step"), { number: number("ioctl") });
    expect(open.cases).toHaveLength(2);
    const known = ask(load("build-step"), { number: number("ioctl"), arguments: [undefined, 0x5412n] });
    expect(known.cases.map((each) => each.outcomes[0]!.verdicts[0]!.verdict)).toEqual(["deny EPERM"]);
  });

  it("knows the admission before the policy", () => {
    expect(ask(program, { number: number("exit_group") }).admission).toBe("always");
    expect(ask(program, { number: 4000 }).admission).toBe("unknown");
    expect(ask(program, { number: number("io_uring_setup") }).admission).toBe("unknown");
  });
});

it("shows rooms: their calls, and which sides wait for which", () => {
  const program = compile(`
import { allow, deny, perMemory, policy } from "portcullis";
const mapping = perMemory.rooms({ sides: ["discard", "write"], exclusive: ["discard"], timeout: "1500ms", late: deny("EDEADLK") });
export default policy((call) => {
  if (call.name === "madvise" && call.args.behavior.is("MADV_DONTNEED")) mapping.enter("discard");
  if (call.name === "write") mapping.enter("write");
  return allow;
});`);
  const explanation = explainPolicy(program, onNotify(program));
  expect(explanation.rooms).toEqual([
    {
      name: "mapping",
      scope: "memory",
      timeout: "1500ms",
      late: "deny EDEADLK",
      sides: [
        { name: "discard", exclusive: true, calls: ["madvise"], waitsFor: ["discard", "write"] },
        { name: "write", exclusive: false, calls: ["write"], waitsFor: ["discard"] },
      ],
      at: "policy.ts:3:7",
    },
  ]);
  expect(explanation.rows.flatMap(({ cases }) => cases.flatMap(({ enters }) => enters))).toEqual([
    "mapping.discard",
    "mapping.write",
  ]);
  expect(renderExplanation(explanation)).toContain(
    "    discard, one at a time: madvise; each waits for discard, write\n",
  );
});
