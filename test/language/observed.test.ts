/** Policies that ask about the memory behind pointers, judged by the interpreter over memory as the kernel copies it. */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { numberOf } from "../../src/abi/calls.ts";
import { errnoName } from "../../src/abi/errno.ts";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import { SimulatedTree } from "../../src/engines/simulate/tree.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { Memory } from "../../src/ir/observe.ts";
import { Observer } from "../../src/ir/observe.ts";
import { programSize } from "../../src/ir/size.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { CidrSet, readBlock } from "../../src/patterns/cidr.ts";
import { policyModule } from "./corpus.ts";

type Given = { readonly [argument: string]: Memory };

function compile(head: string, body: string, set?: ReadonlyMap<string, string>) {
  const { program, diagnostics } = loadPolicy("/p/main.ts", {
    architecture: "x86_64",
    set,
    readFile: () => policyModule(head, body),
  });
  if (program === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  expect(checkProgram(program)).toEqual([]);
  const observer = new Observer(program);
  const ask = (name: string, memory: Given = {}): string => {
    const number = numberOf(name, "x86_64")!;
    const read = observer.of(number).map(({ observation }): Memory => memory[observation.name] ?? { is: "absent" });
    const observed = observer.observe(number, read);
    if ("errno" in observed) return `fails ${errnoName(observed.errno)}`;
    const event = {
      number,
      architecture: auditArchitecture.x86_64,
      instructionPointer: 0n,
      arguments: [0n, 0n, 0n, 0n, 0n, 0n] as const,
    };
    const state = freshState(program);
    const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n, observed: observed.words };
    const { action, errno } = program.verdicts[evaluate(program, event, who, state).verdict]!;
    return action === "deny" ? errnoName(errno)! : action;
  };
  return { program, ask };
}

const text = (string: string): Memory => ({ is: "bytes", bytes: new TextEncoder().encode(string) });
const list = (...entries: string[]): Memory => ({
  is: "strings",
  entries: entries.map((entry) => new TextEncoder().encode(entry)),
});
const bytes = (...values: number[]): Memory => ({ is: "bytes", bytes: Uint8Array.from(values) });

/** struct sockaddr_in, sockaddr_in6, sockaddr_un */
const inet = (port: number, address: readonly number[], family = 2): Memory =>
  bytes(family, 0, port >> 8, port & 255, ...address, 0, 0, 0, 0, 0, 0, 0, 0);
const inet6 = (port: number, address: readonly number[]): Memory =>
  bytes(10, 0, port >> 8, port & 255, 0, 0, 0, 0, ...address, 0, 0, 0, 0);
const unix = (path: string): Memory => ({
  is: "bytes",
  bytes: Uint8Array.from([1, 0, ...new TextEncoder().encode(path)]),
});

describe("paths", () => {
  const { ask, program } = compile(
    'const files = calls("open", "openat");',
    `if (files.has(call)) return call.args.path.text.under("/usr", "/lib/") || call.args.path.text.is("/etc/hosts") ? allow : deny("EACCES");
     if (call.name === "rename") return call.args.newpath.text.endsWith(".tmp") && !call.args.oldpath.text.matches("**/.git/**") ? allow : deny("EPERM");
     return allow;`,
  );

  it("are compared as bytes", () => {
    expect(ask("openat", { path: text("/usr/bin/env") })).toBe("allow");
    expect(ask("openat", { path: text("/lib") })).toBe("allow");
    expect(ask("openat", { path: text("/library") })).toBe("EACCES");
    expect(ask("open", { path: text("/etc/hosts") })).toBe("allow");
    expect(ask("open", { path: text("/etc/hosts ") })).toBe("EACCES");
    expect(ask("open", { path: text("") })).toBe("EACCES");
  });

  it("match nothing behind a null pointer", () => {
    expect(ask("openat")).toBe("EACCES");
  });

  it("fail with the errno of the copy, and are not judged", () => {
    expect(ask("openat", { path: { is: "failed", errno: 14 } })).toBe("fails EFAULT");
    expect(ask("rename", { oldpath: text("a"), newpath: { is: "failed", errno: 36 } })).toBe("fails ENAMETOOLONG");
  });

  it("of one name are one observation, in the register of each call", () => {
    const path = program.observations.find(({ name }) => name === "path")!;
    expect(path.sources).toEqual([
      { number: 2, register: 0, length: undefined },
      { number: 257, register: 1, length: undefined },
    ]);
  });

  it("of one call may be several", () => {
    expect(ask("rename", { oldpath: text("a"), newpath: text("b.tmp") })).toBe("allow");
    expect(ask("rename", { oldpath: text("a/.git/config"), newpath: text("b.tmp") })).toBe("EPERM");
    expect(ask("rename", { oldpath: text("a"), newpath: text("b") })).toBe("EPERM");
  });

  it("have more than 64 patterns where that is asked for", () => {
    const names = Array.from({ length: 150 }, (_, index) => `"/f${index}"`).join(", ");
    const many = compile(
      "",
      `return call.name === "unlink" && call.args.path.text.is(${names}) ? deny("EROFS") : allow;`,
    );
    expect(many.program.words).toHaveLength(3);
    for (const index of [0, 63, 64, 127, 128, 149]) {
      expect(many.ask("unlink", { path: text(`/f${index}`) })).toBe("EROFS");
    }
    expect(many.ask("unlink", { path: text("/f150") })).toBe("allow");
  });

  it("are compared with parameters", () => {
    const set = new Map([["agent", "/run/a"]]);
    const { ask } = compile(
      'const agent = parameter.path("agent");',
      'return call.name === "unlink" && call.args.path.text.is(agent) ? deny("EBUSY") : allow;',
      set,
    );
    expect(ask("unlink", { path: text("/run/a") })).toBe("EBUSY");
    expect(ask("unlink", { path: text("/run/b") })).toBe("allow");
  });

  it("resolved, have the engine's answer about the object", () => {
    const { ask } = compile(
      "",
      'return call.name === "openat" && call.args.path.resolved.under("/srv") ? allow : deny("EACCES");',
    );
    const inside: Memory = { is: "bytes", bytes: new Uint8Array([97]), resolved: ({ path }) => path === "/srv" };
    expect(ask("openat", { path: inside })).toBe("allow");
    expect(ask("openat", { path: text("/srv/a") })).toBe("EACCES");
  });
});

describe("socket addresses", () => {
  const { ask } = compile(
    `import type { SocketAddress, Verdict } from "portcullis";
     const web = cidr("10.20.0.0/16", "fd00:20::/32", "::1/128");
     function reach(to: SocketAddress): Verdict {
       switch (to.kind) {
         case "unix": return to.path.text.is("/run/agent") ? allow : deny("EACCES");
         case "abstract": return to.name.startsWith("dbus-") ? allow : deny("EPERM");
         case "ip": return web.has(to.address) && to.port === 5432n ? allow : deny("ENETUNREACH");
         case "unspecified": return web.has(to.address) ? allow : deny("EHOSTUNREACH");
         case "none": case "unnamed": return log;
         case "netlink": case "vsock": return deny("EPROTONOSUPPORT");
         case "other": return to.family === 17n ? deny("ENODEV") : deny("EAFNOSUPPORT");
       }
     }`,
    `switch (call.name) {
       case "connect": case "sendto": return reach(call.args.addr);
       case "sendmsg": return reach(call.args.msg.name);
     }
     return allow;`,
  );

  it.each([
    ["a Unix socket", unix("/run/agent\0"), "allow"],
    ["without its NUL", unix("/run/agent"), "allow"],
    ["another one", unix("/run/agents\0"), "EACCES"],
    ["bytes behind the NUL", unix("/run/agent\0xyz"), "allow"],
    ["the abstract twin", unix("\0/run/agent"), "EPERM"],
    ["an abstract name", unix("\0dbus-1"), "allow"],
    ["an unnamed one", bytes(1, 0), "log"],
    ["IPv4", inet(5432, [10, 20, 3, 4]), "allow"],
    ["another port", inet(5433, [10, 20, 3, 4]), "ENETUNREACH"],
    ["another network", inet(5432, [10, 21, 3, 4]), "ENETUNREACH"],
    ["IPv4-mapped", inet6(5432, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 20, 0, 1]), "allow"],
    ["IPv6", inet6(5432, [0xfd, 0, 0, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), "allow"],
    ["the last of the block", inet6(5432, [0xfd, 0, 0, 0x20, ...new Array<number>(12).fill(255)]), "allow"],
    ["the first behind it", inet6(5432, [0xfd, 0, 0, 0x21, ...new Array<number>(12).fill(0)]), "ENETUNREACH"],
    ["the other loopback", inet6(5432, [...new Array<number>(15).fill(0), 1]), "allow"],
    ["AF_UNSPEC", inet(9, [10, 20, 0, 0], 0), "allow"],
    ["AF_UNSPEC elsewhere", inet(9, [10, 0, 0, 0], 0), "EHOSTUNREACH"],
    ["too short for IPv4", bytes(2, 0, 1, 1), "EAFNOSUPPORT"],
    ["one byte", bytes(1), "EAFNOSUPPORT"],
    ["netlink", bytes(16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "EPROTONOSUPPORT"],
    ["packet", bytes(17, 0, 0, 0), "ENODEV"],
    ["no address", { is: "absent" } as Memory, "log"],
  ])("%s", (_, memory, wanted) => {
    expect(ask("connect", { addr: memory })).toBe(wanted);
    expect(ask("sendmsg", { msg: memory })).toBe(wanted);
  });
});

describe("the control data of a message", () => {
  const { ask } = compile(
    "",
    `if (call.name !== "sendmsg") return allow;
     const { name, controllen } = call.args.msg;
     if (controllen > 0x7fff_ffffn) return deny("ENOBUFS");
     if (controllen !== 0n) return name.kind === "none" ? deny("EPERM") : deny("EACCES");
     return name.kind === "none" ? allow : log;`,
  );
  const message = (controlLength: bigint, ...address: number[]): Memory => ({
    is: "bytes",
    bytes: Uint8Array.from(address),
    controlLength,
  });

  it.each<[string, Memory, string]>([
    ["none", message(0n), "allow"],
    ["none, to an address", message(0n, 16, 0), "log"],
    ["one byte", message(1n), "EPERM"],
    ["a descriptor's, to an address", message(24n, 16, 0), "EACCES"],
    ["the most that an integer says", message(0xffff_ffff_ffff_ffffn), "ENOBUFS"],
    ["of which the low half is 0", message(0x1_0000_0000n), "ENOBUFS"],
  ])("%s", (_, memory, wanted) => {
    expect(ask("sendmsg", { msg: memory })).toBe(wanted);
  });
});

describe("blocks of addresses", () => {
  const test = (texts: readonly string[]) => {
    const list = texts.map((one) => JSON.stringify(one)).join(", ");
    return compile(
      `const blocks = cidr(${list});`,
      'return call.name === "connect" && call.args.addr.kind === "ip" && blocks.has(call.args.addr.address) ? log : allow;',
    );
  };
  const groups = (address: bigint): number[] =>
    Array.from({ length: 16 }, (_, index) => Number((address >> BigInt(8 * (15 - index))) & 0xffn));

  it.each([
    [["10.0.0.0/8"]],
    [["10.0.0.0/24", "10.0.2.0/24", "192.168.0.1/32", "::1/128"]],
    [["fd00::/8", "2001:db8::/32", "2001:db9::/64", "2001:db9:0:1::/112"]],
    [["::/0"]],
    [["0.0.0.0/0"]],
    [["::/1", "8000::/128", "fe80::/10", "ffff:ffff:ffff:ffff::/64"]],
    [["2001:db8:0:1::/65", "2001:db8:0:1:8000::/66", "2001:db8:0:2::/64", "2001:db8:0:3::/65"]],
  ])("hold what the set holds: %j", (texts) => {
    const set = new CidrSet(texts.map((text) => readBlock(text).block!));
    const { ask } = test(texts);
    const edges = set.ranges.flatMap(({ from, to }) => [from, to]).map(({ high, low }) => (high << 64n) | low);
    const near = edges.flatMap((edge) => [edge - 1n, edge, edge + 1n, edge ^ (1n << 64n), edge ^ (1n << 63n)]);
    for (const address of near) {
      if (address < 0n || address >= 1n << 128n) continue;
      expect([address, ask("connect", { addr: inet6(1, groups(address)) })]).toEqual([
        address,
        set.has(address) ? "log" : "allow",
      ]);
    }
  });

  it("of one family are one test, however many", () => {
    const v4 = Array.from({ length: 2_000 }, (_, at) => `10.${at >> 7}.${(at & 127) * 2}.0/24`);
    const v6 = Array.from({ length: 2_000 }, (_, at) => `2001:${(2 * at).toString(16)}::/32`);
    const few = programSize(test([...v4.slice(0, 2), ...v6.slice(0, 2)]).program).nodes;
    expect(programSize(test([...v4, ...v6]).program).nodes).toBe(few);
  });
});

describe("argument lists", () => {
  const { ask } = compile(
    "",
    `if (call.name !== "execve") return allow;
     const { argv, envp } = call.args;
     if (envp.has("LD_PRELOAD")) return kill("process");
     if (argv.startsWith(["git", "log"])) return argv.includes("--output") || argv.some("--exec=*") ? deny("EPERM") : allow;
     return argv.length === 1n && argv.at(0n).endsWith("sh") ? log : deny("EACCES");`,
  );

  it.each([
    [list("git", "log"), list("PATH=/bin"), "allow"],
    [list("git", "log", "--output"), list(), "EPERM"],
    [list("git", "log", "-p", "--exec=rm"), list(), "EPERM"],
    [list("git", "logs"), list(), "EACCES"],
    [list("git"), list(), "EACCES"],
    [list("/bin/sh"), list(), "log"],
    [list("/bin/sh", "-c"), list(), "EACCES"],
    [list(), list(), "EACCES"],
    [list("git", "log"), list("A=1", "LD_PRELOAD=/x.so"), "kill-process"],
    [list("git", "log"), list("LD_PRELOADED=1"), "allow"],
  ])("%j", (argv, envp, wanted) => {
    expect(ask("execve", { argv, envp })).toBe(wanted);
  });
});

describe("bounds of argument lists", () => {
  const step = 'call.name === "execve" && call.args.argv.includes("a") ? log : allow';
  const boundsOf = (module: string) => {
    const { program, diagnostics } = loadPolicy("/p/main.ts", {
      architecture: "x86_64",
      readFile: () => `import { allow, log, policy } from "portcullis";\n${module}`,
    });
    const shapes = program?.observations.map(({ shape }) =>
      shape.is === "strings" ? [shape.entries, shape.bytes] : [],
    );
    return { shapes, messages: diagnostics.map(({ code, message }) => `${code}: ${message}`) };
  };

  it.each([
    ["", [1024, 131072]],
    ["{ lists: { entries: 64n } }, ", [64, 131072]],
    ["{ lists: { bytes: 4096n, entries: 1n } }, ", [1, 4096]],
    ["{ lists: {} }, ", [1024, 131072]],
  ])("policy(%s…)", (settings, wanted) => {
    expect(boundsOf(`export default policy(${settings}(call) => ${step});`)).toEqual({
      shapes: [wanted],
      messages: [],
    });
  });

  it("are the least of all policies that are combined, so that a list is read once", () => {
    const module = `
const one = policy({ lists: { entries: 100n } }, (call) => ${step});
const other = policy({ lists: { entries: 200n, bytes: 500n } }, () => allow);
export default policy({ extends: [one, other], lists: { entries: 150n } }, (call) => ${step});`;
    expect(boundsOf(module)).toEqual({ shapes: [[100, 500]], messages: [] });
  });

  it.each([
    ["{ entries: 0n }", "P0213: `entries` of the bounds of argument lists is 1 to 1024, and this is 0"],
    ["{ bytes: 131073n }", "P0213: `bytes` of the bounds of argument lists is 1 to 131072, and this is 131073"],
    ["{ entries: 64 }", "P0201: 64 is a floating-point number; the integers of a policy are bigint"],
    ["{ strings: 64n }", "P0106: the bounds of argument lists have no `strings`"],
    ["64n", "P0207: the bounds of argument lists are an object, not an integer"],
  ])("lists: %s is refused", (lists, message) => {
    expect(boundsOf(`export default policy({ lists: ${lists} }, (call) => ${step});`).messages[0]).toBe(message);
  });

  it("an entry that no list can have is refused", () => {
    const module =
      'export default policy({ lists: { entries: 2n } }, (call) => call.name === "execve" && call.args.argv.at(2n).is("a") ? log : allow);';
    expect(boundsOf(module).messages).toEqual(["P0213: `argv` has at most 2 entries"]);
  });
});

describe("structures", () => {
  const how = (flags: number, resolve: number): Memory => {
    const view = new DataView(new ArrayBuffer(24));
    view.setUint32(0, flags, true);
    view.setUint32(16, resolve, true);
    return { is: "bytes", bytes: new Uint8Array(view.buffer) };
  };

  it("openat2's", () => {
    const { ask } = compile(
      "",
      'return call.name === "openat2" && !call.args.how.flags.has("O_WRONLY") && call.args.how.resolve.has("RESOLVE_BENEATH") ? allow : deny("ENOSYS");',
    );
    expect(ask("openat2", { how: how(0, 8) })).toBe("allow");
    expect(ask("openat2", { how: how(1, 8) })).toBe("ENOSYS");
    expect(ask("openat2", { how: how(0, 4) })).toBe("ENOSYS");
  });

  it.each(['has("O_SYNC")', 'has("O_DSYNC")', "bits === 0x10_1000n", 'hasAny("O_DSYNC", "O_NOATIME")'])(
    "openat2's flags are those that the kernel uses: one bit of O_SYNC is O_SYNC (%s)",
    (test) => {
      const body = `return call.name === "openat2" && call.args.how.flags.${test} ? deny("EPERM") : allow;`;
      const { ask } = compile("", body);
      expect(ask("openat2", { how: how(0x10_0000, 0) })).toBe("EPERM");
      expect(ask("openat2", { how: how(0x10_1000, 0) })).toBe("EPERM");
      expect(ask("openat2", { how: how(0x4000, 0) })).toBe("allow");
    },
  );

  it("a short one is extended by zeros", () => {
    const { ask } = compile(
      "",
      'return call.name === "sched_setattr" && call.args.uattr.sched_util_max === 0n && call.args.uattr.sched_nice < 0n ? allow : deny("EPERM");',
    );
    const attributes = (...nice: number[]) =>
      bytes(...new Array<number>(16).fill(0), ...nice, ...new Array<number>(28).fill(0));
    expect(ask("sched_setattr", { uattr: attributes(0xff, 0xff, 0xff, 0xff) })).toBe("allow");
    expect(ask("sched_setattr", { uattr: attributes(1, 0, 0, 0) })).toBe("EPERM");
  });
});

describe("mistakes", () => {
  const messagesOf = (body: string, head = ""): string[] =>
    loadPolicy("/p/main.ts", { architecture: "x86_64", readFile: () => policyModule(head, body) }).diagnostics.flatMap(
      ({ code, severity, message }) => (severity === "error" ? [`${code} ${message}`] : []),
    );

  it.each([
    ['return call.name === "open" && call.args.path.text.matches("[a") ? allow : deny("EPERM");', "P0214"],
    ['return call.name === "open" && call.args.path.text.is() ? allow : deny("EPERM");', "P0212"],
    ['return call.name === "open" && call.args.path.text.is(1n) ? allow : deny("EPERM");', "P0207"],
    ['return call.name === "open" && call.args.path.text === "/etc" ? allow : deny("EPERM");', "P0208"],
    ['return call.name === "open" && call.args.path.resolved.is("etc") ? allow : deny("EPERM");', "P0214"],
    [
      'return call.name === "connect" && call.args.addr.kind === "ip" && cidr("10.1.2.3/8").has(call.args.addr.address) ? allow : log;',
      "P0206",
    ],
    [
      'return call.name === "connect" && call.args.addr.kind === "ip" && cidr("10.1.2/8").has(call.args.addr.address) ? allow : log;',
      "P0214",
    ],
    ['return call.name === "connect" && cidr("10.0.0.0/8").has(call.args.addr) ? allow : log;', "P0207"],
    ['return call.name === "connect" && call.args.addr.kind === "inet" ? allow : log;', "P0204"],
    ['return call.name === "execve" && call.args.argv.at(-1n).is("a") ? allow : log;', "P0213"],
    ['return call.name === "open" && call.args.path.text.matches("*a????????????????") ? allow : log;', "P0215"],
    ['return call.name === "read" && call.args.buf.text.is("a") ? allow : log;', "P0601"],
    ['return call.name === "recvmsg" && call.args.msg.controllen !== 0n ? deny("EPERM") : allow;', "P0601"],
    ['return call.name === "sendmmsg" && call.args.mmsg.name.kind === "ip" ? deny("EPERM") : allow;', "P0601"],
  ])("%s", (body, code) => {
    expect(messagesOf(body).map((message) => message.slice(0, 5))).toEqual([code]);
  });
});

describe("clone3", () => {
  const verdicts = (reads: string) => {
    const { program } = compile(
      "",
      `if (call.name === "clone3") return ${reads} ? allow : deny("EAGAIN"); return call.name === "fork" ? deny("EPERM") : allow;`,
    );
    const tree = new SimulatedTree(new InterpreterEvaluator(program));
    const flags = (value: bigint) => {
      const bytes = new Uint8Array(88);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      return new Map([["uargs", { is: "structure", bytes, unknown: new Uint8Array(88) } as const]]);
    };
    return [0x10000n, 0n].map((value) => {
      const call = { number: 435, arguments: [1n, 88n], memory: flags(value) };
      const { verdict, birth } = tree.command.call(call);
      return `${verdict} ${birth?.kind}`;
    });
  };

  it("fails with ENOSYS under a policy that names process creation", () => {
    expect(verdicts("call.args.size === 88n")).toEqual(["deny ENOSYS undefined", "deny ENOSYS undefined"]);
  });

  it("is decided by a policy that reads its structure", () => {
    expect(verdicts('call.args.uargs.flags.has("CLONE_THREAD")')).toEqual(["allow thread", "deny EAGAIN undefined"]);
    expect(verdicts("call.args.uargs.exit_signal === 0n")).toEqual(["allow thread", "allow process"]);
  });
});

describe("a call that the architecture lacks", () => {
  it("may be asked about, and nothing is read", () => {
    const body = 'return call.name === "unlink" && call.args.path.text.is("/a") ? deny("EPERM") : allow;';
    const { program, diagnostics } = loadPolicy("/p/main.ts", {
      architecture: "aarch64",
      readFile: () => policyModule("", body),
    });
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(program!.observations).toEqual([]);
  });
});
