import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { leavesOf } from "../explain/paths.ts";
import { sortAccepted } from "./accepted.ts";
import { lintPolicy } from "./lint.ts";
import { View } from "./view.ts";

const root = new URL("../../../", import.meta.url).pathname;

/** The lints' messages, or those of one code. */
function lint(text: string, code = "P", architecture: ArchitectureName = "x86_64"): string[] {
  const loaded = loadPolicy("/policy.ts", { architecture, readFile: () => text });
  expect(loaded.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return lintPolicy(loaded.program!, loaded)
    .filter((one) => one.code.startsWith(code))
    .map((one) => `${one.span?.line}:${one.span?.column} ${one.code}: ${one.message}`);
}

/** A policy's step with all imports; `before` starts at line 2. */
function step(body: string, before = ""): string {
  return `import { allow, calls, deny, kill, log, perProcess, perThread, perTree, policy, strictest, tree } from "portcullis";\n${before}\nexport default policy((call) => {\n${body}\n});\n`;
}

describe("no false alarms", () => {
  const policies = readdirSync(`${root}policies`).filter((name) => name.endsWith(".ts") && !name.endsWith(".flow.ts"));
  it.each(policies)("%s", (name) => {
    for (const architecture of ["x86_64", "aarch64"] as const) {
      const loaded = loadPolicy(`${root}policies/${name}`, { architecture });
      expect(sortAccepted(lintPolicy(loaded.program!, loaded), loaded.sources).left).toEqual([]);
    }
  });

  it.each(["nginx", "exec-once", "build-step", "server", "no-secrets"])("%s with deny-proc-mem", (name) => {
    const set = new Map([["deny-proc-mem", "true"]]);
    const loaded = loadPolicy(`${root}policies/${name}.ts`, { architecture: "x86_64", set });
    expect(lintPolicy(loaded.program!, loaded)).toEqual([]);
  });

  it.each([
    'files: { read: ["/usr"], write: [], execute: ["/usr/bin"], except: ["/usr/src"], runtime: true }',
    "tcp: { connect: [443n] }, udp: { bind: [] }",
    'unix: { connect: ["/run/a"] }, scope: ["signal"]',
    "tcp: { bind: [0n] }, unix: { connect: [] }",
  ])("does not warn of declarations: %s", (settings) => {
    const text = `import { allow, policy } from "portcullis";\nexport default policy({ ${settings} }, () => allow);\n`;
    expect(lint(text)).toEqual([]);
  });

  it("does not warn of an allow-list with ENOSYS for clone3", () => {
    expect(
      lint(
        step(
          `  if (call.name === "clone3") return deny("ENOSYS");\n  return calls("read", "clone", "openat").has(call) ? allow : deny("EPERM");`,
        ),
      ),
    ).toEqual([]);
  });
});

describe("rooms (P0418 to P0420)", () => {
  const rooms = `const r = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });`;
  const both = `if (call.name === "mkdirat" || call.name === "mkdir") r.enter("a"); if (call.name === "fchdir") r.enter("b");`;

  it("are not refusals: a late call is no sibling of a denied one", () => {
    expect(lint(step(`${both} return allow;`, rooms)).filter((one) => one.includes("P0501"))).toEqual([]);
  });

  it("have sides that no call enters, and calls of one effect outside", () => {
    expect(lint(step(`if (call.name === "mkdir") r.enter("a"); return allow;`, rooms), "P04")).toEqual([
      '2:7 P0418: no call enters the side "b" of `r`',
      "2:7 P0420: mkdir enters `r`, and mkdirat does the same outside of it",
    ]);
    expect(lint(step(`${both} return allow;`, rooms), "P04")).toEqual([
      "2:7 P0420: fchdir enters `r`, and chdir does the same outside of it",
    ]);
    expect(lint(step(`${both} return call.name === "chdir" ? deny("EPERM") : allow;`, rooms), "P04")).toEqual([]);
  });

  it("have no effect on a call that is denied", () => {
    const denied = `return calls("chdir", "fchdir").has(call) ? deny("EPERM") : allow;`;
    expect(lint(step(`${both} ${denied}`, rooms), "P0419")).toEqual([
      "2:7 P0419: fchdir is denied in any case: the room `r` has no effect on it",
    ]);
    const sometimes = `return call.name === "fchdir" && call.args.fd === 3n ? deny("EPERM") : allow;`;
    expect(lint(step(`${both} ${sometimes}`, rooms), "P0419")).toEqual([]);
  });
});

describe("denials by the text of a path (P0502)", () => {
  const opens = `if (call.name === "openat") return call.args.path.text.matches("mem", "**/mem") ? deny("EPERM") : allow;`;
  const links = `if (call.name === "symlink" || call.name === "symlinkat") return call.args.oldpath.matches("mem", "**/mem") ? deny("EACCES") : allow;`;
  const found = [
    '4:83 P0502: openat is denied by the text of a path, which "..", a symbolic link or a directory descriptor bypasses',
  ];

  it("are sound for a last name, if links to it are denied as well", () => {
    expect(lint(step(`${opens} ${links} return allow;`), "P0502")).toEqual([]);
    expect(lint(step(`${opens} ${links} return allow;`), "P0502", "aarch64")).toEqual([]);
    expect(lint(step(`${opens} return allow;`), "P0502")).toEqual(found);
    expect(lint(step(`${opens} ${links.replace('deny("EACCES")', "log")} return allow;`), "P0502")).toEqual(found);
  });

  it.each([
    ["only in the working directory", '"mem"'],
    ["only in other directories", '"**/mem"'],
    ["in one directory", '"/proc/1/mem"'],
    ["below any directory", '"proc/**", "**/proc/**"'],
  ])("are not sound %s", (_, globs) => {
    const narrower = opens.replace('"mem", "**/mem"', globs);
    expect(lint(step(`${narrower} ${links.replace('"mem", "**/mem"', globs)} return allow;`), "P0502")).toHaveLength(1);
  });

  it("are not sound with links of one call, or to other names", () => {
    const one = links.replace('call.name === "symlink" || ', "");
    expect(lint(step(`${opens} ${one} return allow;`), "P0502")).toEqual(found);
    expect(lint(step(`${opens} ${links.replaceAll("mem", "x")} return allow;`), "P0502")).toEqual(found);
  });
});

describe("tightening (P0402)", () => {
  const phase = `const phase = perProcess.phases(["init", "ready", "serving"], { tightening: true });`;

  it("names the call and the phases that break the promise, at the lenient verdict", () => {
    const body = `  if (call.name === "accept4") phase.enter("ready");\n  if (call.name === "listen") phase.enter("serving");\n  return call.name !== "socket" || phase.is("serving") ? allow : deny("EACCES");`;
    expect(lint(step(body, phase))).toEqual([
      '6:58 P0402: the promise `tightening` is broken: socket is denied in "ready" and allowed in "serving"',
    ]);
  });

  it("is proved if other state decides too, equally in both phases", () => {
    const body = `  if (call.name === "accept4") phase.enter("ready");\n  if (call.name === "listen") phase.enter("serving");\n  if (call.name === "ptrace" && (trusted.get() || phase.is("serving"))) return trusted.get() && !phase.is("serving") ? allow : deny("EPERM");\n  return call.name === "socket" && !trusted.get() ? deny("EACCES") : allow;`;
    // Without trust, ptrace is allowed in ready and denied in serving; with trust it is allowed, then denied.
    expect(lint(step(body, `${phase} const trusted = perProcess.flag();`), "P0402")).toEqual([]);
  });

  it("considers arguments, counters and tables", () => {
    const before = `${phase} const opened = perProcess.counter(); const seen = perProcess.set({ capacity: 8n, full: deny("ENOMEM") });`;
    const body = `  if (call.name === "accept4") phase.enter("ready");\n  if (call.name === "listen") phase.enter("serving");\n  if (call.name === "openat") {\n    seen.add(call.args.mode);\n    if (opened.add() > (phase.is("serving") ? 5n : 10n)) return deny("EMFILE");\n  }\n  return allow;`;
    expect(lint(step(body, before)).filter((line) => line.includes("P0402"))).toEqual([]);
    expect(
      lint(step(body.replace("5n : 10n", "10n : 5n"), before)).filter((line) => line.includes("P0402")),
    ).toHaveLength(1);
  });
});

describe("phases that no rule enters (P0405)", () => {
  it("is found at the declaration", () => {
    const phases = `const phase = perProcess.phases(["init", "ready", "serving"], { onFork: { init: "ready" } });`;
    expect(
      lint(step(`  return phase.is("serving") && call.name === "ptrace" ? deny("EPERM") : allow;`, phases)),
    ).toContainEqual(expect.stringMatching(/^2:\d+ P0405: no rule enters the phase "serving" of `phase`$/));
  });
});

describe("protocols that a rule on types lets pass (P0508)", () => {
  const socket = (condition: string) =>
    lint(step(`  return call.name !== "socket" || (${condition}) ? allow : deny("EACCES");`), "P0508");
  const family = `call.args.family.is("AF_INET", "AF_INET6")`;

  it("is found if the type is tested and the protocol is not", () => {
    const found =
      /^4:\d+ P0508: this refuses some types of internet sockets but allows every protocol: MPTCP, SCTP and SMC have the type of TCP$/;
    expect(socket(`${family} && !call.args.type.has("SOCK_RAW")`)).toEqual([expect.stringMatching(found)]);
    expect(socket(`${family} && call.args.type.hasAny("SOCK_STREAM", "SOCK_DGRAM")`)).toHaveLength(1);
  });

  it("is not found if the protocol is tested, no type is refused, or no such socket is allowed", () => {
    const types = `${family} && call.args.type.hasAny("SOCK_STREAM", "SOCK_DGRAM")`;
    expect(socket(`${types} && [0n, 6n, 17n].includes(call.args.protocol)`)).toEqual([]);
    expect(socket(`${types} && [0n, 6n, 17n, 262n].includes(call.args.protocol)`)).toEqual([]);
    expect(socket(family)).toEqual([]);
    expect(socket(`call.args.family.is("AF_UNIX") && !call.args.type.has("SOCK_RAW")`)).toEqual([]);
  });
});

describe("questions that hide what they are about (P0511)", () => {
  const asking = (body: string) => step(body).replace("allow, calls", "allow, ask, calls");

  it("are those about calls whose paths and texts the policy does not read", () => {
    expect(lint(asking(`  return call.name === "mkdir" ? ask("why") : allow;`), "P0511")).toEqual([
      "4:34 P0511: the question about mkdir shows an address in place of `path`",
    ]);
    const execution = (argv: string) => {
      const condition = `call.name === "execve" && call.args.path.text.is("/bin/git")${argv}`;
      return lint(asking(`  return ${condition} ? ask("why") : allow;`), "P0511");
    };
    expect(execution("")).toEqual([expect.stringMatching(/P0511: the question about execve .* `argv`$/)]);
    expect(execution(' && call.args.argv.includes("push")')).toEqual([]);
    expect(lint(asking(`  return call.name === "socket" ? ask("why") : allow;`), "P0511")).toEqual([]);
  });

  it("and those that a caller can avoid are like refusals", () => {
    const body = `  return call.name === "mkdir" && call.args.path.text.under("/a") ? ask("why") : allow;`;
    expect(lint(asking(body))).toEqual([
      expect.stringMatching(/P0501: mkdir asks here, and mkdirat does the same and is allowed/),
      expect.stringMatching(/P0502: mkdir asks by the text of a path/),
    ]);
  });
});

describe("calls that bypass filters (P0509)", () => {
  it("is found if a rule refuses one, and not if everything is refused", () => {
    const refused = `  return calls("uprobe", "uretprobe", "bpf").has(call) ? deny("EPERM") : allow;`;
    expect(lint(step(refused))).toEqual([
      "4:58 P0509: uprobe and uretprobe: the kernel makes these calls without running a filter, so this verdict has no effect (uretprobe from Linux 6.14 and in the stable series before it, uprobe from 6.18)",
    ]);
    expect(lint(step(`  return call.name === "uretprobe" ? kill("process") : allow;`), "P0509")).toHaveLength(1);
    expect(lint(step(`  return calls("@default").has(call) ? allow : deny("EPERM");`), "P0509")).toEqual([]);
    expect(lint(step(`  return calls("read").has(call) ? allow : deny("EPERM");`), "P0509")).toEqual([]);
    expect(lint(step(refused), "P0509", "aarch64")).toEqual([]);
  });
});

describe("sibling calls (P0501)", () => {
  it("is found if one of a family is refused by name, on a condition or by state", () => {
    const found = `P0501: openat is refused here, and creat, open and openat2 do the same and are allowed`;
    expect(
      lint(
        step(
          `  if (call.name === "openat" && !call.args.flags.hasOnly("O_RDONLY")) return deny("EACCES");\n  return allow;`,
        ),
      )[0],
    ).toContain(found);
    expect(
      lint(step(`  if (call.name === "openat" && tree.alive() > 3n) return deny("EACCES");\n  return allow;`))[0],
    ).toContain(found);
  });

  it("is not found if the siblings are refused too, or fall back", () => {
    expect(
      lint(
        step(
          `  if (call.name === "openat2") return deny("ENOSYS");\n  if (calls("open", "openat", "creat").has(call)) return deny("EACCES");\n  return allow;`,
        ),
      ),
    ).toEqual([]);
  });
});

describe("siblings of clone", () => {
  const namespaces = `call.args.flags.hasAny("CLONE_NEWUSER", "CLONE_NEWNET")`;

  it("do not include fork and vfork if only the flags of namespaces lead to the refusal", () => {
    expect(
      lint(
        step(
          `  if (calls("unshare", "setns").has(call)) return deny("EPERM");\n  if (call.name === "clone3") return deny("ENOSYS");\n  return call.name === "clone" && ${namespaces} ? deny("EPERM") : allow;`,
        ),
      ),
    ).toEqual([]);
  });

  it("include fork and vfork if clone is also refused without those flags", () => {
    expect(
      lint(
        step(
          `  if (call.name === "clone3") return deny("ENOSYS");\n  return call.name === "clone" && (${namespaces} || call.args.flags.has("CLONE_VM")) ? deny("EPERM") : allow;`,
        ),
      ).join(),
    ).toContain("clone is refused here, and fork and vfork do the same");
  });
});

it("an allow of an extended policy is not an unreachable verdict (P0504)", () => {
  const base = `const base = policy((call) => (call.name === "ptrace" ? deny("EPERM") : allow));`;
  const whole = step(`  return call.name === "kcmp" ? deny("EPERM") : allow;`, base);
  expect(lint(whole.replace("policy((call) => {", "policy({ extends: [base] }, (call) => {"), "P0504")).toEqual([]);
});

describe("errnos that break a fallback (P0503)", () => {
  it("is found for clone3 even if it is not named", () => {
    expect(lint(step(`  return calls("clone", "read").has(call) ? allow : deny("EPERM");`))).toEqual([
      "4:53 P0503: clone3 fails with EPERM here: glibc falls back to clone on ENOSYS only, so threads will not start",
    ]);
  });

  it("is not found if clone is refused too", () => {
    expect(lint(step(`  return call.name === "read" ? allow : deny("EPERM");`))).toEqual([]);
  });
});

it("a refusal that two extended policies have is not unreachable in either (P0504)", () => {
  const text = `import { allow, deny, policy } from "portcullis";
const one = policy((call) => (call.name === "openat2" ? deny("ENOSYS") : allow));
const other = policy((call) => (call.name === "openat2" ? deny("ENOSYS") : allow));
export default policy({ extends: [one, other] }, () => allow);`;
  const loaded = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
  expect(lintPolicy(loaded.program!, loaded)).toEqual([]);
});

describe("unreachable verdicts (P0504)", () => {
  it("is found after rules that decide all calls", () => {
    const body = `  if (phase.is("a")) return allow;\n  if (phase.is("b", "c")) return deny("EPERM");\n  return kill("process");`;
    const phases = `const phase = perProcess.phases(["a", "b", "c"], { onFork: { a: "b", b: "c" } });`;
    expect(lint(step(body, phases), "P0504")).toEqual([
      "6:10 P0504: this refusal is never reached: no call, no argument and no state leads here",
    ]);
  });

  it("is no finding in a declaration about objects, whose refusals the step's rules have already", () => {
    const text = `import { allow, deny, policy } from "portcullis";
export default policy({ tcp: { bind: [] } }, (call) => (call.name === "getpid" ? allow : deny("EPERM")));
`;
    expect(lint(text, "P0504")).toEqual([]);
  });

  it("is found if conditions on an argument exclude each other", () => {
    const body = `  if (call.name === "ioctl" && call.args.cmd.is("TIOCSTI")) return call.args.cmd.is("TIOCLINUX") ? kill("process") : deny("EPERM");\n  return allow;`;
    expect(lint(step(body))).toContainEqual(expect.stringContaining("P0504"));
  });

  it("is reported for a function only if none of its copies is reachable", () => {
    const helper = `function refuse(soft: boolean) { return soft ? deny("EPERM") : kill("process"); }`;
    const body = `  if (call.name === "ptrace") return refuse(true);\n  if (call.name === "bpf") return refuse(false);\n  return allow;`;
    expect(lint(step(body, helper), "P0504")).toEqual([]);
  });
});

describe("hot calls (P0602)", () => {
  it("is found if they only change state", () => {
    expect(
      lint(
        step(
          `  if (call.name === "read") count.add();\n  return call.name === "ptrace" && count.get() > 3n ? deny("EPERM") : allow;`,
          `const count = perTree.counter();`,
        ),
        "P06",
      ),
    ).toEqual([expect.stringMatching(/^2:\d+ P0602: read changes `count` at every call, and is called very often$/)]);
  });
});

describe("rules on calls that are already denied (P0603)", () => {
  const base = `const base = policy((call) => (calls("mount", "ptrace", "umount2").has(call) ? deny("EPERM") : allow));`;
  const extending = (body: string, more = "") =>
    `import { allow, calls, deny, kill, log, perProcess, policy } from "portcullis";\n${base}${more}\nexport default policy({ extends: [base] }, (call) => {\n${body}\n});\n`;

  it("names the call at the milder rule, and the place of the denial", () => {
    const loaded = loadPolicy("/policy.ts", {
      architecture: "x86_64",
      readFile: () => extending(`  if (call.name === "mount") return log;\n  return allow;`),
    });
    const [found] = lintPolicy(loaded.program!, loaded).filter((one) => one.code === "P0603");
    expect(found).toMatchObject({
      message: "mount is already denied by a policy that this one extends: a rule here has no effect",
      span: { line: 4, column: 21 },
      related: { message: "denied here", span: { line: 2, column: 80 } },
    });
  });

  it("handles cases of a switch, and reports each call once", () => {
    const body = `  switch (call.name) {\n    case "mount":\n    case "ptrace":\n      return call.name === "ptrace" ? log : allow;\n    default:\n      return allow;\n  }`;
    expect(lint(extending(body), "P0603")).toEqual([
      expect.stringMatching(/^5:\d+ P0603: mount is already denied/),
      expect.stringMatching(/^6:\d+ P0603: ptrace is already denied/),
    ]);
  });

  it.each([
    ["stricter", `  if (call.name === "mount") return kill("process");\n  return allow;`],
    ["as strict, with its own errno", `  if (call.name === "mount") return deny("ENOSYS");\n  return allow;`],
    ["about another call", `  if (call.name === "listen") return log;\n  return allow;`],
    ["a trigger", `  if (call.name === "mount") mounted.set(true);\n  return mounted.get() ? log : allow;`],
  ])("is silent if the rule is %s", (_, body) => {
    expect(lint(extending(body, " const mounted = perProcess.flag();"), "P0603")).toEqual([]);
  });

  it("is silent if the base denies only some arguments", () => {
    const text = `import { allow, deny, log, policy } from "portcullis";\nconst base = policy((call) => (call.name === "socket" && call.args.family.is("AF_NETLINK") ? deny("EPERM") : allow));\nexport default policy({ extends: [base] }, (call) => (call.name === "socket" ? log : allow));`;
    expect(lint(text, "P0603")).toEqual([]);
  });

  it("covers an extended profile", () => {
    const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mount"], action: "SCMP_ACT_ERRNO" }] };
    const text = `import { allow, log, oci, policy } from "portcullis";\nimport profile from "./profile.json" with { type: "json" };\nexport default policy({ extends: [oci(profile)] }, (call) => (call.name === "mount" ? log : allow));`;
    const loaded = loadPolicy("/policy.ts", {
      architecture: "x86_64",
      readFile: (path) => (path.endsWith(".json") ? JSON.stringify(profile) : text),
    });
    expect(lintPolicy(loaded.program!, loaded).map((one) => one.code)).toContain("P0603");
  });
});

describe("policies with many independent conditions", () => {
  const independent = (count: number) =>
    Array.from({ length: count }, (_, bit) => `(call.raw.arg0 & ${1n << BigInt(bit)}n) !== 0n`);
  const load = (text: string) => loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text }).program!;

  it("are split exactly, because the conditions of a verdict need not be remembered", () => {
    const verdicts = independent(20).map((one, index) => `${one} ? ${index % 2 ? "log" : 'deny("EPERM")'} : allow`);
    const view = new View(load(step(`return strictest(${verdicts.join(", ")});`)));
    expect(view.possible("write").length).toBe(21);
    const reasons = leavesOf(view.decisions.get(1)!).flatMap(({ stateful }) => stateful);
    expect(reasons).toEqual([]);
  });

  it("may extend thousands of others", () => {
    const chain = Array.from(
      { length: 5_000 },
      (_, at) => `const p${at + 1} = policy({ extends: [p${at}] }, () => allow);`,
    );
    const head = `import { allow, log, policy } from "portcullis";\nconst p0 = policy((call) => call.number === 3n ? log : allow);`;
    expect(lint(`${head}\n${chain.join("\n")}\nexport default p5000;`)).toEqual([]);
  });
});
