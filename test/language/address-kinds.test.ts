/** A member of a socket address exists where its kind is known to have it. The compiler and tsc agree about every form. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ArchitectureName, architectureNames } from "../../src/abi/architecture.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { policyProject } from "./policy-project.ts";

interface Form {
  readonly head: string;
  /** The body of the step, before `return allow`. */
  readonly body: string;
}

const step = (body: string, head = ""): Form => ({ head, body });
const connect = (body: string, head = ""): Form =>
  step(`if (call.name !== "connect") return allow; const addr = call.args.addr; ${body}`, head);

const accepted: readonly Form[] = [
  step('if (call.name === "connect" && call.args.addr.kind === "ip" && call.args.addr.port === 1n) return log;'),
  step(`if (call.name === "connect" && call.args.addr.kind === "ip") { if (call.args.addr.version === 4n)
     return log; }`),
  connect('if (addr.kind !== "ip") return log; if (addr.port === 2n) return log;'),
  connect('if ((addr.kind === "ip" || addr.kind === "unspecified") && addr.port === 2n) return log;'),
  connect('if (addr.kind !== "ip" || addr.port === 2n) return log;'),
  connect(`switch (addr.kind) { case "ip": case "unspecified": return addr.port === 1n ? log : allow; case "unix":
     return addr.path.text.is("/a") ? log : allow; case "abstract": return addr.name.is("a") ? log : allow; case
     "other": return addr.family === 1n ? log : allow; default: return deny("EPERM"); }`),
  connect(`switch (addr.kind) { case "none": case "unix": case "abstract": case "unnamed": case "netlink": case
     "vsock": case "other": return log; default: return addr.port === 1n ? log : allow; }`),
  connect('switch (addr.kind) { case "ip": break; default: return log; } if (addr.version === 6n) return log;'),
  connect(`return addr.kind === "ip" ? (addr.port === 3n ? log : allow) : addr.kind === "unix" ?
     (addr.path.text.is("/x") ? log : allow) : allow;`),
  connect('if (!(addr.kind === "ip")) return log; return addr.port === 1n ? log : allow;'),
  connect(
    `if (!(addr.kind === "ip" || addr.kind === "unspecified")) return log; return addr.port === 1n ? log : allow;`,
  ),
  connect('const isIp = addr.kind === "ip"; if (isIp && addr.port === 1n) return log;'),
  connect(`const isNet = addr.kind === "ip" || addr.kind === "unspecified"; if (!isNet) return log; return addr.port
     === 1n ? log : allow;`),
  step(`if (call.name !== "connect") return allow; const isIp = call.args.addr.kind === "ip"; if (isIp &&
     call.args.addr.port === 1n) return log;`),
  connect('const { kind } = addr; if (kind === "ip" && addr.port === 1n) return log;'),
  connect(`const kind = addr.kind; switch (kind) { case "ip": return addr.port === 1n ? log : allow; default:
     return log; }`),
  step(`if (call.name !== "connect") return allow; const { args } = call; if (args.addr.kind === "ip" &&
     args.addr.port === 1n) return log;`),
  connect(`if (addr.kind !== "ip") return log; const { port, address } = addr; if (port === 1n && v6.has(address))
     return log;`),
  step(`if (call.name !== "connect") return allow; const { addr } = call.args; if (addr.kind === "ip" && addr.port
     === 1n) return log;`),
  step(`if (call.name === "sendmsg" && call.args.msg.name.kind === "ip" && call.args.msg.name.port === 1n)
     return log;`),
  step(`if (call.name !== "sendmsg") return allow; const { name } = call.args.msg; if (name.kind === "ip" &&
     name.port === 1n) return log;`),
  step(`if (call.name !== "sendmsg") return allow; const { msg } = call.args; if (msg.name.kind === "unix" &&
     msg.name.path.text.is("/a")) return log;`),
  step(
    'if (call.name === "sendmsg" && f(call.args.msg)) return log;',
    'function f(m: MessageHeader): boolean { return m.name.kind === "ip" && m.name.port === 1n; }',
  ),
  step(
    'if (call.name === "connect" && f(call.args.addr)) return log;',
    'function f(to: SocketAddress): boolean { if (to.kind !== "ip") return false; return to.port === 1n; }',
  ),
  step(
    'if (call.name === "connect" && call.args.addr.kind === "ip" && f(call.args.addr)) return log;',
    "function f(to: Ip): boolean { return to.port === 1n && v6.has(to.address); }",
  ),
  connect(
    'switch (addr.kind) { case "ip": case "unspecified": return f(addr); }',
    `function f(to: Net): Verdict { return to.port === 1n ? to.kind === "ip" && to.version === 4n ? log :
     deny("EPERM") : allow; }`,
  ),
  step(
    'if (call.name === "connect" && f(call.args.addr)) return log;',
    'const f = (to: SocketAddress): boolean => to.kind === "ip" && to.port === 1n;',
  ),
  step(
    'if (call.name === "connect" && f(call.args.addr) && call.args.addr.port === 1n) return log;',
    'const f = (to: SocketAddress) => to.kind === "ip";',
  ),
  connect(
    "if (!f(addr)) return log; return addr.port === 1n ? log : allow;",
    'function f(to: SocketAddress) { return to.kind === "ip" || to.kind === "unspecified"; }',
  ),
  connect(
    "if (!g(addr)) return log; return addr.port === 1n ? log : allow;",
    `const f = (to: SocketAddress) => to.kind === "ip" || to.kind === "unspecified"; const g = (to:
     SocketAddress) => f(to);`,
  ),
  connect('const isWeb = (): boolean => addr.kind === "ip" && addr.port === 1n; if (isWeb()) return log;'),
  connect(`if (addr.kind !== "ip") return log; const p = (n: bigint): boolean => addr.port === n; if (p(1n) || p(2n))
     return log;`),
  step(
    'if (call.name === "connect" && f(call)) return log;',
    `function f(call: CallOf<"connect">): boolean { return call.args.addr.kind === "ip" && call.args.addr.port
     === 1n; }`,
  ),
  step(
    "return f(call);",
    `function f(call: Call): Verdict { if (call.name === "connect" && call.args.addr.kind === "ip")
     return call.args.addr.port === 1n ? log : allow; return allow; }`,
  ),
  step(`if (calls("connect", "bind", "sendto").has(call) && call.args.addr.kind === "ip" && call.args.addr.port ===
     1n) return log;`),
  step(`if (calls("connect", "bind", "sendto").has(call) && call.args.addr.kind === "ip") { if (call.name ===
     "connect") return call.args.addr.port === 1n ? log : allow; return call.args.addr.port === 2n ? log : allow;
     }`),
  step(`switch (call.name) { case "connect": case "sendto": if (call.args.addr.kind === "ip")
     return call.args.addr.port === 1n ? log : allow; return log; case "sendmsg": return call.args.msg.name.kind ===
     "ip" && call.args.msg.name.port === 1n ? log : allow; }`),
  connect('for (const p of [1n, 2n, 3n]) { if (addr.kind === "ip" && addr.port === p) return log; }'),
  connect('for (const p of [1n, 2n, 3n]) { if (addr.kind === "ip") return addr.port === p ? log : allow; }'),
  connect('for (const p of [1n, 2n, 3n]) { if (addr.kind !== "ip") continue; if (addr.port === p) return log; }'),
  connect('for (const p of [1n, 2n, 3n]) { if (addr.kind !== "ip") break; if (addr.port === p) return log; }'),
  connect('if (addr.kind === "ip" && [1n, 2n].some((p) => addr.port === p)) return log;'),
  connect('if (addr.kind === "ip" && [1n, 2n].includes(addr.port)) return log;'),
  connect(`for (const kind of ["ip", "unspecified"] as const) { if (addr.kind === kind && addr.port === 1n) return log;
     }`),
  connect('const wanted = "ip"; if (addr.kind === wanted && addr.port === 1n) return log;'),
  connect('if ("ip" === addr.kind && addr.port === 1n) return log;'),
  step(
    'if (call.name === "connect" && f(call.args.addr, "ip")) return log;',
    `function f(to: SocketAddress, kind: "ip" | "unspecified"): boolean { return to.kind === kind && to.port ===
     1n; }`,
  ),
  connect(`if (addr.kind === "ip" || addr.kind === "unspecified") { if (addr.kind === "ip" && addr.version === 4n)
     return log; if (addr.kind !== "ip" && addr.port === 2n) return log; return addr.port === 1n ? log : allow; }`),
  connect(
    `if (off) { if (addr.kind !== "ip" && addr.kind !== "unspecified") return log; if (addr.port === 1n)
     return log; } if (off || addr.kind === "ip") return log;`,
    "const off = false;",
  ),
  connect(
    `if (off) { if (addr.kind === "none" || addr.kind !== "ip") return log; if (addr.port === 1n) return log; }`,
    "const off = false;",
  ),
  connect(
    `if (off && addr.kind !== "none" && addr.kind !== "unix" && addr.kind !== "abstract" && addr.kind !==
     "unnamed" && addr.kind !== "netlink" && addr.kind !== "vsock" && addr.kind !== "other" && addr.port === 1n)
     return log;`,
    "const off = false;",
  ),
  connect(
    `if (!off || (addr.kind !== "none" && addr.kind !== "unix" && addr.kind !== "abstract" && addr.kind !==
     "unnamed" && addr.kind !== "netlink" && addr.kind !== "vsock" && addr.kind !== "other")) { if (off &&
     addr.kind === "ip") return addr.port === 1n ? log : deny("EPERM"); }`,
    "const off = false;",
  ),
  connect('const x = { to: addr, n: 1n }; if (x.to.kind === "ip" && x.to.port === x.n) return log;'),
  connect('let to = addr; if (to.kind === "ip" && to.port === 1n) return log;'),
  connect('const to: SocketAddress = addr; if (to.kind === "ip" && to.port === 1n) return log;'),
  connect('if (addr.kind !== "ip") return log; const to: SocketAddress = addr; if (to.port === 1n) return log;'),
  step(
    'if (call.name === "connect") { const to = f(call); if (to.kind === "ip" && to.port === 1n) return log; }',
    'function f(call: CallOf<"connect">): SocketAddress { return call.args.addr; }',
  ),
  connect('const to = addr satisfies SocketAddress; if (to.kind === "ip" && to.port === 1n) return log;'),
  connect(`if (addr.kind === "unix") { if (addr.path.text.is("/a")) return log; } else if (addr.kind === "ip") { if
     (addr.port === 1n) return log; } else return deny("EPERM"); if (addr.kind === "ip" && addr.version === 4n)
     return log;`),
  connect(`if (addr.kind !== "ip" && addr.kind !== "unspecified") return log; else if (addr.port === 1n) return log;`),
  connect(`if ((addr.kind === "ip" && addr.port === 1n) || (addr.kind === "unix" && addr.path.text.is("/a")) ||
     (addr.kind === "abstract" && addr.name.is("x"))) return log;`),
  connect(
    'if (addr.kind !== "ip") return log; count.add(); if (addr.port === 1n && count.get() > 3n) return log;',
    "const count = perProcess.counter();",
  ),
  connect(
    `if (addr.kind === "ip" && flag.get() && addr.port === 1n) return log; if (count.add() > 3n && addr.kind ===
     "ip" && addr.port === 2n) return log;`,
    `const count = perProcess.counter(); const flag = perProcess.flag();`,
  ),
  connect(`for (const a of [1n, 2n]) { if (addr.kind !== "ip") break; for (const b of [3n]) { if
     (addr.port === a + b) return log; } }`),
  connect(`const port = addr.kind === "ip" || addr.kind === "unspecified" ? addr.port : 0n; if (port === 1n)
     return log;`),
  step(`if (call.name === "connect" && call.args.addr.kind === "ip" && !v6.has(call.args.addr.address)) return log;`),
  // A function that is inlined where the kind is known, and a closure that is inlined twice.
  connect(
    'return addr.kind === "unspecified" ? allow : f(addr);',
    `function f(to: SocketAddress): Verdict { switch (to.kind) { case "unspecified": return deny("EPERM"); case "ip":
     return to.kind === "ip" ? log : deny("EPERM"); default: return allow; } }`,
  ),
  connect(`const isUnix = (): boolean => addr.kind === "unix"; if (addr.kind === "ip") return isUnix() ? log : allow;
     return isUnix() ? log : deny("EPERM");`),
  connect('for (const kind of ["ip", "unix"] as const) { if (addr.kind === kind) return log; }'),
];

const refused: readonly Form[] = [
  step('if (call.name === "connect" && !v6.has(call.args.addr.address)) return log;'),
  connect('if (addr.kind === "unix" && addr.port === 0n) return log;'),
  connect("if (addr.family === 1n) return log;"),
  connect("if (addr.version === 4n) return log;"),
  connect('if (addr.path.text.is("/a")) return log;'),
  connect('if (addr.name.is("/a")) return log;'),
  step('if (call.name === "sendmsg" && call.args.msg.name.port === 1n) return log;'),
  connect('const { kind, port } = addr; if (kind === "ip" && port === 1n) return log;'),
  step(
    'if (call.name === "connect" && f(call.args.addr)) return log;',
    "const f = (to: SocketAddress): boolean => to.port === 1n;",
  ),
  step(
    'if (call.name === "connect" && call.args.addr.kind === "ip" && f(call.args.addr)) return log;',
    "const f = (to: SocketAddress): boolean => to.port === 1n;",
  ),
  step(
    'if (call.name === "sendmsg" && call.args.msg.name.kind === "ip" && f(call.args.msg)) return log;',
    "const f = (m: MessageHeader): boolean => m.name.port === 1n;",
  ),
  step(
    'if (call.name === "connect" && call.args.addr.kind === "ip" && f(call)) return log;',
    'const f = (call: CallOf<"connect">): boolean => call.args.addr.port === 1n;',
  ),
  connect('if (addr.kind === "ip") return log; return addr.port === 1n ? log : allow;'),
  connect('if (addr.kind === "ip" || addr.port === 1n) return log;'),
  connect('if ((addr.kind === "ip" || addr.kind === "unspecified") && addr.version === 4n) return log;'),
  connect('if (addr.kind === "ip" && addr.port === 1n) return log; return addr.port === 2n ? log : allow;'),
  connect('switch (addr.kind) { case "unix": return log; default: return addr.port === 2n ? log : allow; }'),
  connect('switch (addr.kind) { case "unix": return addr.port === 2n ? log : allow; }'),
  connect('if (addr.kind !== "ip" && addr.port === 2n) return log;'),
  connect('if (call.args.addr.kind === "ip" && addr.port === 1n) return log;'),
  connect('let isIp = false; if (addr.kind === "ip") isIp = true; if (isIp && addr.port === 1n) return log;'),
  connect('if (addr.kind !== "ip") { if (addr.kind !== "unix") return log; } return addr.port === 1n ? log : allow;'),
  step(`if (call.name === "connect" && call.args.addr.kind !== "ip") return log; if (call.name === "connect" &&
     call.args.addr.port === 1n) return log;`),
  step(
    'if (call.name === "connect" && f(call).kind === "ip" && f(call).port === 1n) return log;',
    'function f(call: CallOf<"connect">): SocketAddress { return call.args.addr; }',
  ),
  connect('if (["ip", "unspecified"].includes(addr.kind) && addr.port === 1n) return log;'),
  connect("if (off && addr.port === 1n) return log;", "const off = false;"),
];

/** Tests of one variable that exclude each other. */
const contradictory: readonly Form[] = [
  connect('if (addr.kind === "ip" && addr.kind === "unix") return log;'),
  connect('const { kind } = addr; if (kind === "ip" && kind === "unix") return log;'),
  connect('if (addr.kind === "ip" || addr.kind === "ip") return log;'),
  connect('if (addr.kind === "ip") return log; return addr.kind !== "ip" ? allow : deny("EPERM");'),
  connect('if (addr.kind === "ip") return log; switch (addr.kind) { case "ip": return allow; default: return log; }'),
  connect(`switch (addr.kind) { case "ip": case "unspecified": return "unix" === addr.kind ? allow : log; default:
     return allow; }`),
  step(
    'if (call.name === "sendmsg") return f(call.args.msg.name);',
    'const f = (to: SocketAddress): Verdict => (to.kind === "ip" && to.kind === "none" ? log : allow);',
  ),
];

const values = "allow, calls, cidr, deny, log, perProcess, policy";
const types = "type Call, type CallOf, type MessageHeader, type SocketAddress, type Verdict";

function policyOf({ head, body }: Form): string {
  return [
    `import { ${values}, ${types} } from "portcullis";`,
    'type Ip = Extract<SocketAddress, { kind: "ip" }>;',
    'type Net = Extract<SocketAddress, { kind: "ip" | "unspecified" }>;',
    'const v6 = cidr("::/0");',
    head,
    `export default policy((call) => { if (call.number < 1000n) { ${body} } return allow; });`,
  ].join("\n");
}

function errorsOf(form: Form, architecture: ArchitectureName): readonly string[] {
  const { diagnostics } = loadPolicy("/p/main.ts", { architecture, readFile: () => policyOf(form) });
  return diagnostics.flatMap(({ code, severity }) => (severity === "error" ? [code] : []));
}

describe.each(architectureNames)("on %s", (architecture) => {
  it.each(accepted)("$head $body", (form) => expect(errorsOf(form, architecture)).toEqual([]));
  it.each(refused)("refused: $head $body", (form) => expect(errorsOf(form, architecture)).toContain("P0106"));
  it.each(contradictory)("contradictory: $head $body", (form) =>
    expect(errorsOf(form, architecture)).toEqual(["P0204"]),
  );
});

it.each([
  [
    "call.args.addr.port === 1n",
    'may have no `port`: its kind can be "none", "unnamed", "unix" …',
    '.kind === "ip" or .kind === "unspecified"',
  ],
  ['call.args.addr.kind === "unix" && call.args.addr.port === 1n', 'has no `port`: its kind is "unix"', "it has path"],
  [
    'call.args.addr.kind === "vsock" && call.args.addr.family === 1n',
    'has no `family`: its kind is "vsock"',
    '.kind === "other"',
  ],
])("%s is explained", (condition, message, help) => {
  const body = `if (call.name === "connect" && ${condition}) return log;`;
  const readFile = () => policyOf({ head: "", body });
  const [found] = loadPolicy("/p/main.ts", { architecture: "x86_64", readFile }).diagnostics;
  expect(found!.message).toContain(message);
  expect(found!.help).toContain(help);
});

it("tsc accepts and refuses the same", () => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-address-kinds-"));
  const forms = [...accepted, ...refused, ...contradictory];
  try {
    const policies = forms.map((form, index) => [`${index}`, policyOf(form)] as const);
    const stdout = policyProject(folder, policies, { noUnusedLocals: false, allowUnreachableCode: true })();
    // TS2339: no such member; TS2367 and TS2678: no overlap of the values that are compared.
    const withError = (code: string) => {
      const found = [...stdout.matchAll(new RegExp(`(\\d+)\\.ts\\(\\d+,\\d+\\): error (?:${code}):`, "g"))];
      return [...new Set(found.map(([, index]) => Number(index)))].sort((a, b) => a - b);
    };
    const known = accepted.length + refused.length;
    expect(withError("TS2339")).toEqual(refused.map((_, index) => accepted.length + index));
    expect(withError("TS2367|TS2678")).toEqual(contradictory.map((_, index) => known + index));
    expect(withError("(?!TS2339|TS2367|TS2678)\\w+")).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
