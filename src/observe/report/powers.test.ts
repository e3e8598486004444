import { expect, test } from "vitest";
import { loadPolicy } from "../../frontend/load.ts";
import { powers } from "./powers.ts";
import { surfaceOf } from "./surface.ts";

function surface(text: string) {
  const { program, diagnostics } = loadPolicy("/p.ts", {
    architecture: "x86_64",
    readFile: () => `import { allow, deny, perProcess, perTree, policy } from "portcullis";\n${text}`,
  });
  expect(diagnostics).toEqual([]);
  return { program: program!, ...surfaceOf(program!) };
}

const withRoles = `
const role = perProcess.phases(["main", "child"], { onFork: { main: "child" } });
const mainPhase = perProcess.phases(["starting", "running"]);
const childPhase = perProcess.phases(["starting", "running"]);
export default policy((call) => {
  if (call.name === "rt_sigsuspend" && role.is("main")) mainPhase.enter("running");
  if (call.name === "epoll_wait" && role.is("child")) childPhase.enter("running");
  switch (call.name) {
    case "read": return allow;
    case "rt_sigsuspend": return role.is("main") ? allow : deny("EPERM");
    case "epoll_wait": return role.is("child") ? allow : deny("EPERM");
    case "execve": return role.is("main") && mainPhase.is("starting") ? allow : deny("EPERM", "no program");
    case "clone": return role.is("main") || call.args.flags.has("CLONE_THREAD") ? allow : deny("EPERM");
    case "openat":
      if (role.is("child")) return call.args.flags.hasOnly("O_RDONLY", "O_CLOEXEC") ? allow : deny("EPERM");
      return call.args.flags.hasOnly("O_RDONLY", "O_TRUNC") ? allow : deny("EPERM");
    case "mmap":
      if (call.args.prot.hasOnly("PROT_READ", "PROT_WRITE")) return allow;
      return childPhase.is("starting") && role.is("child") && call.args.prot.hasOnly("PROT_READ", "PROT_EXEC") ? allow : deny("EPERM");
  }
  return deny("EPERM");
});
`;

test("a process has the phases of its role only, and each state has its powers", () => {
  const { states } = surface(withRoles);
  const shown = states.map(({ name, allowed, powers: of }) => [
    `${name}: ${allowed}`,
    ...powers.flatMap((power) => {
      const { calls, isConditional } = of.get(power)!;
      return calls.length === 0 ? [] : [`${power}${isConditional ? " on conditions" : ""}: ${calls.join(" ")}`];
    }),
  ]);
  expect(shown).toEqual([
    ["main, starting: 6", "execute: execve", "new processes: clone", "write files: openat"],
    ["main, running: 5", "new processes: clone", "write files: openat"],
    ["child, starting: 5", "executable memory: mmap"],
    ["child, running: 5"],
  ]);
});

test("names the state of a process by its phases", () => {
  const { nameOf } = surface(withRoles);
  expect(nameOf({ role: "child", mainPhase: "starting", childPhase: "running" })).toBe("child, running");
  expect(nameOf({ role: "main", mainPhase: "starting", childPhase: "running" })).toBe("main, starting");
  // Of an older version of the policy.
  expect(nameOf({ role: "helper", mainPhase: "starting" })).toBe("helper");
  expect(nameOf({})).toBe("");
});

test("a policy without phases has one state, and no argument is too odd for a power", () => {
  const { states } = surface(`
const count = perTree.counter();
export default policy((call) => {
  count.add();
  if (call.name === "mmap") return (call.args.prot.bits & 0xfn) === 5n ? allow : deny("EPERM");
  if (call.name === "mprotect") return call.args.prot.bits <= 3n ? allow : deny("EPERM");
  if (call.name === "pkey_mprotect") return call.args.prot.bits <= 4n ? allow : deny("EPERM");
  if (call.name === "shmat") return call.args.shmflg === 0n ? allow : deny("EPERM");
  return deny("EPERM");
});`);
  expect(states.map(({ name, allowed }) => [name, allowed])).toEqual([["", 4]]);
  expect(states[0]!.powers.get("executable memory")).toEqual({
    calls: ["mmap", "pkey_mprotect"],
    isConditional: false,
  });
});

test("a power is conditional if state or memory decides about each of its calls", () => {
  const { states } = surface(`
const count = perTree.counter();
export default policy((call) => {
  if (call.name === "execve") return call.args.path.text.is("/bin/true") ? allow : deny("EPERM");
  if (call.name === "connect") return count.add() < 5n ? allow : deny("EPERM");
  if (call.name === "socket") return allow;
  if (call.name === "clone3") return call.args.uargs.flags.has("CLONE_THREAD") ? allow : deny("EPERM");
  return deny("EPERM");
});`);
  expect(states[0]!.powers).toEqual(
    new Map([
      ["execute", { calls: ["execve"], isConditional: true }],
      ["new processes", { calls: ["clone3"], isConditional: true }],
      ["connect", { calls: ["socket", "connect"], isConditional: false }],
      ["write files", { calls: [], isConditional: true }],
      ["executable memory", { calls: [], isConditional: true }],
    ]),
  );
});

test("more phases than can be shown are not distinguished", () => {
  const names = Array.from({ length: 10 }, (_, index) => `"p${index}"`).join(", ");
  const { states, nameOf } = surface(`
const one = perProcess.phases([${names}]);
const other = perProcess.phases([${names}]);
export default policy((call) => {
  if (call.name === "read") one.enter("p1");
  if (call.name === "write") other.enter("p1");
  return one.is("p9") && other.is("p9") ? deny("EPERM") : allow;
});`);
  expect(states).toHaveLength(10);
  expect(nameOf({ one: "p3", other: "p4" })).toBe("p3");
});

test("lists the calls of each rule", () => {
  const { program, calls } = surface(withRoles);
  const rule = program.verdicts.findIndex(({ reason }) => reason === "no program");
  expect([...calls.get(rule)!]).toEqual([59]);
});
