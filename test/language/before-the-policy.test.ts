/** Tests the checks before the policy, and the rule for clone3 after it. */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { errnoName } from "../../src/abi/errno.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { admit } from "../../src/ir/admission.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { policyModule } from "./corpus.ts";

function compile(head: string, body: string) {
  const { program } = loadPolicy("/p/main.ts", { architecture: "x86_64", readFile: () => policyModule(head, body) });
  const ask = (name: string, ...registers: bigint[]): string => {
    const event = {
      number: callByName(name)!.number.x86_64!,
      architecture: auditArchitecture.x86_64,
      instructionPointer: 0n,
      arguments: [0, 1, 2, 3, 4, 5].map((index) => registers[index] ?? 0n) as never,
    };
    const admission = admit(program!, event);
    if (admission !== "judged") return admission;
    const state = freshState(program!);
    const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
    const { action, errno } = program!.verdicts[evaluate(program!, event, who, state).verdict]!;
    return action === "deny" ? `deny ${errnoName(errno)}` : action;
  };
  return { program: program!, ask };
}

describe("before the policy", () => {
  it("calls that end a process or return from a handler are always allowed", () => {
    const { ask } = compile("", 'return deny("EPERM");');
    for (const name of ["exit", "exit_group", "rt_sigreturn", "restart_syscall"]) expect(ask(name)).toBe("always");
    expect(ask("read")).toBe("deny EPERM");
  });

  it("io_uring is unknown, unless the policy names its call literally; a group does not suffice", () => {
    const { ask } = compile('const s = calls("@file-system");', "return s.has(call) ? log : allow;");
    expect(ask("io_uring_setup")).toBe("unknown");
    const named = compile("", 'return call.name === "io_uring_setup" ? log : allow;');
    expect(named.ask("io_uring_setup")).toBe("log");
    expect(named.ask("io_uring_enter")).toBe("unknown");
    const listed = compile('const s = calls("io_uring_setup", "io_uring_enter");', "return s.has(call) ? log : allow;");
    expect(listed.ask("io_uring_enter")).toBe("log");
    expect(listed.ask("io_uring_register")).toBe("unknown");
  });
});

describe("clone3 gets ENOSYS", () => {
  it.each([
    ["where the policy names process creation", "", 'return call.name === "fork" ? deny("EAGAIN") : allow;'],
    ["where it names it in a set", "", "return calls.fork.has(call) ? log : allow;"],
    ["where the living are counted", "", 'return tree.alive() > 3n ? deny("EAGAIN") : allow;'],
    ["where a child gets a copy", "const c = perProcess.counter();", 'return c.add() > 3n ? deny("EPERM") : allow;'],
    ["where a table is copied", "const s = perThread.set({ capacity: 3n, full: trap() });", "s.add(1n); return allow;"],
    [
      "where an inlined function says so",
      "function f(): Verdict { return log; }",
      'return call.name === "vfork" ? f() : f();',
    ],
  ])("%s", (_, head, body) => {
    expect(compile(head, body).ask("clone3")).toBe("deny ENOSYS");
  });

  it.each([
    ["where nothing of that is so", "", "return log;", "log"],
    ["where state is the tree's", "const c = perTree.counter();", "c.add(); return allow;", "allow"],
    [
      "where state starts fresh",
      'const f = perProcess.flag(false, { onFork: "fresh" });',
      "f.set(true); return allow;",
      "allow",
    ],
    [
      "where the policy is as strict",
      "const c = perProcess.counter();",
      'c.add(); return deny("EPERM");',
      "deny EPERM",
    ],
    [
      "where the policy is stricter",
      "const c = perProcess.counter();",
      'return c.get() < 1n ? kill("process") : allow;',
      "kill-process",
    ],
  ])("but not %s", (_, head, body, verdict) => {
    expect(compile(head, body).ask("clone3")).toBe(verdict);
  });

  it("also in a combination, in which ENOSYS takes precedence over another denial", () => {
    const { program } = loadPolicy("/p/main.ts", {
      architecture: "x86_64",
      readFile: () => `import { allow, log, perProcess, policy } from "portcullis";
const c = perProcess.counter();
const base = policy(() => { c.add(); return allow; });
export default policy({ extends: [base] }, () => log);`,
    });
    expect(program!.body.at(-1)!.kind).toBe("return");
    expect(program!.verdicts.some((one) => errnoName(one.errno) === "ENOSYS")).toBe(true);
  });
});
