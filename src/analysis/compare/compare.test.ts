/** Differences of small policies: calls, arguments, phases, state, memory; and none where verdicts are the same. */
import { describe, expect, it } from "vitest";
import { loadPolicy } from "../../frontend/load.ts";
import type { Program } from "../../ir/program.ts";
import { comparePolicies } from "./compare.ts";

function compile(body: string, before = ""): Program {
  const text = `import { allow, calls, cidr, deny, kill, perProcess, perTree, policy } from "portcullis";
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

it("finds state, the calls that change it, and the conditions on memory", () => {
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
    { what: "memory of openat, path", before: 'args.path.text.under("/a")', after: 'args.path.text.under("/b")' },
  ]);
});

it("finds blocks of addresses and ports", () => {
  const connect = (block: string, port: number) =>
    compile(
      `if (call.name !== "connect") return allow;
       const { addr } = call.args;
       return addr.kind === "ip" && net.has(addr.address) && addr.port === ${port}n ? allow : deny("EPERM");`,
      `const net = cidr(${block});`,
    );
  const what = "memory of connect, addr";
  const ports = (port: number) => `args.addr.kind = ip; args.addr.port = ${port}`;
  const before = `${ports(443)}; cidr("10.0.0.0/8").has(args.addr.address)`;
  const difference = (block: string, port: number) =>
    comparePolicies(connect('"10.0.0.0/8"', 443), connect(block, port));
  expect(difference('"10.0.0.0/8"', 443)).toEqual({ calls: [], state: [], joined: false });
  expect(difference('"10.0.0.0/8"', 80)).toMatchObject({
    calls: [],
    state: [{ what, before, after: `${ports(80)}; cidr("10.0.0.0/8").has(args.addr.address)` }],
  });
  expect(difference('"10.0.0.0/9", "fd00::/8"', 443).state).toMatchObject([{ what, before }]);
});

describe("rooms", () => {
  const room = (settings: string) => `const mapping = perTree.rooms({ ${settings} });`;
  const usual = 'sides: ["discard", "write"], timeout: "1s", late: deny("EDEADLK")';
  const write = 'if (call.name === "mprotect") mapping.enter("write");';
  const body = (discard: string) => `if (${discard}) mapping.enter("discard");\n${write}\nreturn allow;`;
  const advice = (...values: string[]) =>
    body(`call.name === "madvise" && call.args.behavior.is(${values.map((each) => `"${each}"`).join(", ")})`);
  const policyOf = (settings: string, step = advice("MADV_DONTNEED")) => compile(step, room(settings));

  it.for([
    ["timeout", usual.replace("1s", "2s"), "discard, write for each tree; after 2s deny EDEADLK"],
    ["late", usual.replace("EDEADLK", "EAGAIN"), "discard, write for each tree; after 1s deny EAGAIN"],
    [
      "exclusive",
      `${usual}, exclusive: ["write"]`,
      "discard, write (one call at a time) for each tree; after 1s deny EDEADLK",
    ],
    ["sides", usual.replace('"write"', '"write", "map"'), "discard, write, map for each tree; after 1s deny EDEADLK"],
  ] as const)("finds another %s", ([, settings, after]) => {
    const before = "discard, write for each tree; after 1s deny EDEADLK";
    expect(comparePolicies(policyOf(usual), policyOf(settings)).state).toEqual([
      { what: "room mapping", before, after },
    ]);
  });

  it("finds which calls enter a side, for which arguments", () => {
    const none = compile("return allow;");
    const one = policyOf(usual);
    const rooms = (before: string[], after: string[]) => ({ before, after });
    expect(comparePolicies(none, one)).toMatchObject({
      calls: [
        { calls: ["mprotect"], changes: [{ conditions: [], rooms: rooms([], ["mapping: write"]) }] },
        {
          calls: ["madvise"],
          changes: [{ conditions: ["behavior = MADV_DONTNEED"], rooms: rooms([], ["mapping: discard"]) }],
        },
      ],
      state: [{ what: "room mapping", before: undefined }],
    });
    const two = policyOf(usual, advice("MADV_DONTNEED", "MADV_FREE"));
    expect(comparePolicies(one, two)).toMatchObject({
      calls: [
        { changes: [{ conditions: ["behavior = MADV_FREE"], before: ["allow"], after: ["allow", "deny EDEADLK"] }] },
      ],
      state: [],
    });
  });

  it("finds a call that enters another side", () => {
    const other = policyOf(
      usual,
      advice("MADV_DONTNEED").replaceAll("discard", "x").replaceAll("write", "discard").replaceAll("x", "write"),
    );
    const verdicts = ["allow", "deny EDEADLK"];
    const { calls: found, state } = comparePolicies(policyOf(usual), other);
    expect(state).toEqual([]);
    const rooms = (before: string, after: string) => ({ rooms: { before: [before], after: [after] } });
    expect(found.map(({ calls: names, changes }) => [names, changes])).toEqual([
      [
        ["mprotect"],
        [{ conditions: [], before: verdicts, after: verdicts, ...rooms("mapping: write", "mapping: discard") }],
      ],
      [
        ["madvise"],
        [
          {
            conditions: ["behavior = MADV_DONTNEED"],
            before: verdicts,
            after: verdicts,
            ...rooms("mapping: discard", "mapping: write"),
          },
        ],
      ],
    ]);
  });
});
