/** Differences of small policies: calls, arguments, phases, state, memory; and none where verdicts are the same. */
import { expect, it } from "vitest";
import type { Program } from "../../ir/program.ts";
import { loadPolicy } from "../../language/load.ts";
import { comparePolicies } from "./compare.ts";

function compile(body: string, before = ""): Program {
  const text = `import { allow, calls, deny, kill, perProcess, perTree, policy } from "portcullis";
${before}
export default policy((call) => {
${body}
});
`;
  const { program, diagnostics } = loadPolicy("/p.ts", { architecture: "x86_64", readFile: () => text });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return program!;
}

const calls = (one: Program, two: Program) =>
  comparePolicies(one, two).calls.map(({ compact, phases, changes }) => [
    compact.join(),
    phases.join("; "),
    ...changes.map(({ conditions, before, after }) => `${conditions.join(", ")}: ${before} → ${after}`),
  ]);

it("finds calls, and the default", () => {
  const one = compile('return call.name === "bind" ? deny("EACCES") : allow;');
  const two = compile(
    'return call.name === "bind" ? deny("EPERM", "no") : call.name === "listen" ? allow : deny("EPERM");',
  );
  expect(calls(one, two)).toEqual([
    ["any other call", "", ": allow → deny EPERM"],
    ["bind", "", ": deny EACCES → deny EPERM"],
  ]);
  expect(comparePolicies(one, one)).toEqual({ calls: [], state: [], joined: false });
});

it("does not count reasons, lines and the order of rules", () => {
  const one = compile(
    'if (call.name === "bind") return deny("EPERM", "a"); return call.name === "listen" ? deny("EPERM") : allow;',
  );
  const two = compile('return calls("listen", "bind").has(call) ? deny("EPERM", "b") : allow;');
  expect(comparePolicies(one, two).calls).toEqual([]);
});

it("finds conditions on arguments", () => {
  const body = (names: string) =>
    `return call.name === "socketpair" && !call.args.family.is(${names}) ? deny("EPERM") : allow;`;
  const [one, two] = [compile(body('"AF_UNIX"')), compile(body('"AF_UNIX", "AF_TIPC"'))];
  const [[name, , change] = []] = calls(one, two);
  expect(name).toBe("socketpair");
  expect(change).toBe("family = AF_TIPC: deny EPERM → allow");
});

it("finds phases, and leaves out those that do not matter", () => {
  const state =
    'const phase = perProcess.phases(["starting", "running"]);\nconst other = perProcess.phases(["a", "b"]);';
  const enter = 'if (call.name === "listen") phase.enter("running");\nif (call.name === "setsid") other.enter("b");';
  const one = compile(`${enter}\nreturn call.name === "bind" && phase.is("running") ? kill("process") : allow;`, state);
  const two = compile(`${enter}\nreturn call.name === "bind" ? kill("process") : allow;`, state);
  expect(calls(one, two)).toEqual([["bind", "phase starting", ": allow → kill process"]]);
});

it("finds state, what changes it, and what is asked of memory", () => {
  const state = 'const phase = perProcess.phases(["starting", "running"]);';
  const body = (trigger: string) =>
    `if (call.name === "${trigger}") phase.enter("running");\nreturn call.name === "bind" && phase.is("running") ? deny("EPERM") : allow;`;
  const one = compile(body("listen"), state);
  const two = compile(body("accept4"), state);
  expect(comparePolicies(one, two)).toMatchObject({
    calls: [],
    state: [{ what: "changes of phase", before: "listen", after: "accept4" }],
  });
  const path = (text: string) =>
    compile(`return call.name === "openat" && call.args.path.text.under("${text}") ? allow : deny("EPERM");`);
  expect(comparePolicies(path("/a"), path("/b")).state).toEqual([
    { what: "memory of openat, path", before: 'under "/a"', after: 'under "/b"' },
  ]);
});
