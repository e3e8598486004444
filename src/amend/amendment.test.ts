import { describe, expect, it } from "vitest";
import { addedLines } from "./diff.ts";
import type { Scope } from "./rules.ts";
import { compiled, refusalOf, sessionFor } from "./testing/refusals.ts";

const head = 'import { allow, calls, deny, kill, perProcess, policy } from "portcullis";\n';

/** The lines that a policy gets for one refused call, or why it gets none. */
function change(text: string, call: string, scope: Scope = "arguments", phases = {}): readonly string[] {
  const { groups, session } = sessionFor(text, [refusalOf(text, call, phases)]);
  const proposal = session.propose(groups[0]!, scope);
  if (proposal.is === "obstacle") return [`cannot: ${proposal.why}`];
  expect(session.accept(proposal.amended)).toEqual([]);
  compiled(session.textWith());
  return addedLines(text, session.textWith());
}

const comment = "// amend: 1 refused call of server, until 2023-11-14";

describe("a rule precedes the refusal", () => {
  it("as a statement", () => {
    const text = `${head}export default policy((call) => {
  if (call.name === "read") return allow;
  // The rest.
  return deny("EPERM");
});
`;
    expect(change(text, "socket(AF_INET, SOCK_STREAM, 6)")).toEqual([
      `  ${comment}`,
      "  if (",
      '    call.name === "socket" &&',
      '    call.args.family.is("AF_INET") &&',
      '    call.args.type.hasOnly("SOCK_STREAM") &&',
      '    call.args.type.has("SOCK_STREAM") &&',
      "    call.args.protocol === 6n",
      "  )",
      "    return allow;",
    ]);
    expect(change(text, "getppid()", "call")).toEqual([`  ${comment}`, '  if (call.name === "getppid") return allow;']);
  });

  it("in a block, where the refusal is the only statement of an if", () => {
    const text = `${head}export default policy((c) => {
  if (c.name === "listen" || c.name === "bind") return kill("process", "no server");
  return allow;
});
`;
    expect(change(text, "listen(3, 5)", "call")).toEqual([
      '  if (c.name === "listen" || c.name === "bind") {',
      `    ${comment}`,
      '    if (c.name === "listen") return allow;',
      '    return kill("process", "no server");',
      "  }",
    ]);
  });

  it("in a case, and in one of a single line", () => {
    const text = `${head}export default policy((call) => {
  switch (call.name) {
    case "ioctl":
      return deny("ENOTTY");
    case "prctl": return deny("EPERM");
  }
  return allow;
});
`;
    expect(change(text, "ioctl(0, TCGETS, 0)")).toEqual([
      `      ${comment}`,
      '      if (call.name === "ioctl" && call.args.cmd.is("TCGETS")) return allow;',
    ]);
    expect(change(text, "prctl(PR_SET_NAME, 0)")).toEqual([
      '    case "prctl":',
      `      ${comment}`,
      '      if (call.name === "prctl" && call.args.option.is("PR_SET_NAME")) return allow;',
      '      return deny("EPERM");',
    ]);
  });

  it("within an expression", () => {
    const text = `${head}const exec = calls("execve", "execveat");
export default policy((call) => (exec.has(call) ? deny("EACCES", "no program") : allow));
`;
    expect(change(text, "execve(0x1, 0x1, 0)", "call")).toEqual([
      'export default policy((call) => (exec.has(call) ? (call.name === "execve" ? allow : deny("EACCES", "no program")) : allow));',
    ]);
  });

  it("with the import that the rule needs", () => {
    const text = `import { deny, log, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "read") return log;
  return deny("EPERM");
});
`;
    expect(change(text, "write(1, 0x1, 2)", "call")).toEqual([
      'import { allow, deny, log, policy } from "portcullis";',
      `  ${comment}`,
      '  if (call.name === "write") return allow;',
    ]);
  });

  it("in the text's own blanks and line ends", () => {
    const text = `${head}export default policy((call) => {\n\tif (call.name === "read") return allow;\n\treturn deny("EPERM");\n});\n`;
    const windows = text.replaceAll("\n", "\r\n");
    expect(change(text, "getpid()", "call")).toEqual([`\t${comment}`, '\tif (call.name === "getpid") return allow;']);
    const { groups, session } = sessionFor(windows, [refusalOf(windows, "getpid()")]);
    const proposal = session.propose(groups[0]!, "call");
    expect(proposal.is === "change" && session.textWith(proposal.amended)).toContain(
      `{\r\n\tif (call.name === "read") return allow;\r\n\t${comment}\r\n\tif (call.name === "getpid") return allow;\r\n\treturn`,
    );
  });
});

describe("a list of calls that decides directly before the refusal gets the name", () => {
  const policy = (step: string, constants = "") => `${head}${constants}export default policy((call) => ${step});\n`;
  const statement = '{\n  if (everyday.has(call)) return allow;\n  return deny("EPERM");\n}';

  it("as a statement, an expression, and a constant", () => {
    const direct = policy('{\n  if (calls("read", "write").has(call)) return allow;\n  return deny("EPERM");\n}');
    expect(change(direct, "getppid()")).toEqual(['  if (calls("read", "write", "getppid").has(call)) return allow;']);
    const expression = policy('(calls("read").has(call) ? allow : deny("EPERM"))');
    expect(change(expression, "getppid()")).toEqual([
      'export default policy((call) => (calls("read", "getppid").has(call) ? allow : deny("EPERM")));',
    ]);
    const constant = policy(statement, 'const everyday = calls(\n  "read", // the usual one\n  "write",\n);\n');
    expect(change(constant, "getppid()")).toEqual(['  "write", "getppid",']);
    expect(change(constant, "kill(1, SIGTERM)", "call")).toEqual(['  "write", "kill",']);
  });

  it("with further names of other groups, in lines that are not too long", () => {
    const names = ["read", "write", "mmap", "munmap", "mprotect", "brk", "futex", "close", "openat", "newfstatat"];
    const long = `const everyday = calls(\n  ${names.map((name) => `"${name}"`).join(", ")}, "lseek",\n);\n`;
    const text = policy(statement, long);
    const { groups, session } = sessionFor(text, [refusalOf(text, "getppid()"), refusalOf(text, "sched_yield()")]);
    for (const group of groups) {
      const proposal = session.propose(group, "call");
      expect(proposal.is === "change" && session.accept(proposal.amended)).toEqual([]);
    }
    compiled(session.textWith());
    expect(addedLines(text, session.textWith()).join("\n")).toContain('"getppid", "sched_yield"');
  });

  it("not if the list decides elsewhere, too, or allows in another way, or the rule has conditions", () => {
    const counted = policy(
      '{\n  if (everyday.has(call) && made.add() > 5n) return kill("process");\n  if (everyday.has(call)) return allow;\n  return deny("EPERM");\n}',
      'const everyday = calls("read", "write");\nconst made = perProcess.counter();\n',
    );
    expect(change(counted, "getppid()", "call")).toContain('  if (call.name === "getppid") return allow;');
    const denied = policy('{\n  if (calls("read").has(call)) return deny("ENOSYS");\n  return deny("EPERM");\n}');
    expect(change(denied, "getppid()", "call")).toContain('  if (call.name === "getppid") return allow;');
    const plain = policy(statement, 'const everyday = calls("read");\n');
    expect(change(plain, "ioctl(0, TCGETS, 0)")).toContain(
      '  if (call.name === "ioctl" && call.args.cmd.is("TCGETS")) return allow;',
    );
  });
});

describe("a list that decides about the calls gets the item that they have", () => {
  const list = (written: string) => `import { allow, calls, deny, parameter, policy } from "portcullis";
const below = ${written};
export default policy((call) => {
  if (calls("open", "openat").has(call)) return call.args.path.text.under(...below) ? allow : deny("EACCES", "not below");
  return allow;
});
`;
  const open = 'openat(AT_FDCWD, "/srv/a", O_RDONLY)';
  const parameter = (items: string) => list(`parameter.paths("below", { default: ${items} })`);

  it("in the default of a parameter and in a constant, in the list's layout", () => {
    expect(change(parameter('["/usr", "/lib"]'), open, "general")).toEqual([
      'const below = parameter.paths("below", { default: ["/usr", "/lib", "/srv/a"] });',
    ]);
    const each = parameter("[]").replace(
      "call.args.path.text.under(...below)",
      'below.some((one) => call.args.path.text.is(one)) || call.args.path.text.is("/etc/hosts")',
    );
    expect(change(each, open, "general")).toEqual(['const below = parameter.paths("below", { default: ["/srv/a"] });']);
    expect(change(list('["/usr"] as const'), open, "general")).toEqual(['const below = ["/usr", "/srv/a"] as const;']);
    expect(change(parameter('[\n    "/usr", // programs\n  ]'), open, "general")).toEqual([`    "/srv/a", ${comment}`]);
  });

  it("for all paths of a group, and once for groups with the same", () => {
    const text = parameter('[\n    "/usr", // programs\n  ]');
    const { groups, session } = sessionFor(
      text,
      [
        open,
        open.replace("/srv/a", "/srv/b"),
        open.replace("RDONLY", "WRONLY"),
        open.replace("/srv/a", "/var/c").replace("O_RDONLY", "O_RDWR"),
      ].map((one) => refusalOf(text, one)),
    );
    for (const group of groups) {
      if (session.allows(group)) continue;
      const proposal = session.propose(group, "general");
      expect(proposal.is === "change" && session.accept(proposal.amended)).toEqual([]);
    }
    compiled(session.textWith());
    expect(addedLines(text, session.textWith()).map((line) => line.replace(/,? \/\/ amend.*/, ""))).toEqual([
      ...['    "/srv/a"', '    "/srv/b"', '    "/var/c"'],
    ]);
    expect(session.textWith()).toContain('"/usr", // programs\n');
  });

  it("with a note where the list decides about other arguments, too, and not for these arguments alone", () => {
    const text = parameter('["/usr"]');
    const { groups, session } = sessionFor(text, [refusalOf(text, open)]);
    const general = session.propose(groups[0]!, "general");
    expect(general.is === "change" && general.amended.notes).toEqual([
      "`below` decides: what it permits for its other items, it permits for this one",
    ]);
    const exact = change(text, open, "arguments");
    expect(exact.join(" ")).toContain('call.args.path.text.is("/srv/a")');
    expect(exact.join(" ")).not.toContain("parameter");
  });

  it("also an address, a port, a number, and an argument of a program", () => {
    const text = `import { allow, cidr, deny, parameter, policy } from "portcullis";
const hosts = cidr(...parameter.texts("hosts", { default: ["127.0.0.0/8"] }));
const ports = [80n, 443n];
const users = [0n];
const commands = parameter.texts("commands", { default: ["log"] });
export default policy((call) => {
  switch (call.name) {
    case "connect":
      if (call.args.addr.kind !== "ip") return deny("EACCES");
      if (!hosts.has(call.args.addr.address)) return deny("ENETUNREACH");
      return ports.includes(call.args.addr.port) ? allow : deny("ECONNREFUSED");
    case "setuid":
      return users.includes(call.args.uid) ? allow : deny("EPERM");
    case "execve":
      return call.args.argv.at(1n).is(...commands) ? allow : deny("EACCES");
  }
  return allow;
});
`;
    const connect = (to: string) => `connect(3, ${to}, 16)`;
    expect(change(text, connect("10.0.0.1:80"), "general")).toEqual([
      'const hosts = cidr(...parameter.texts("hosts", { default: ["127.0.0.0/8", "10.0.0.1"] }));',
    ]);
    expect(change(text, connect("127.0.0.1:22"), "general")).toEqual(["const ports = [80n, 443n, 22n];"]);
    expect(change(text, "setuid(33)", "arguments")).toEqual(["const users = [0n, 33n];"]);
    expect(change(text, 'execve("/usr/bin/git", ["git", "push"], [])', "general")).toEqual([
      'const commands = parameter.texts("commands", { default: ["log", "push"] });',
    ]);
  });

  it("in all phases, if the same line refuses in all", () => {
    const phased = parameter('["/usr"]')
      .replace("parameter,", "parameter, perProcess,")
      .replace(
        "  if (calls(",
        '  if (call.name === "listen") phase.enter("serving");\n  if (call.name === "bind" && phase.is("serving")) return deny("EPERM");\n  if (calls(',
      )
      .replace("const below", 'const phase = perProcess.phases(["starting", "serving"]);\nconst below');
    expect(change(phased, open, "general", { phase: "serving" })).toEqual([
      'const below = parameter.paths("below", { default: ["/usr", "/srv/a"] });',
    ]);
  });

  it("not if the list permits what lies below a directory, or any longer path", () => {
    for (const path of ["/srv/a.d", "/srv", "/"]) {
      const rule = change(parameter('["/usr"]'), open.replace("/srv/a", path), "general").join(" ");
      expect(rule).toContain(`call.args.path.text.is("${path}")`);
      expect(rule).not.toContain("parameter");
    }
    const beginnings = list('["/usr"]').replace("under(", "startsWith(");
    expect(change(beginnings, open, "general").join(" ")).toContain('call.args.path.text.is("/srv/a")');
    const names = list('["/etc/hosts"]').replace("under(", "is(");
    expect(change(names, open.replace("/srv/a", "/srv/a.d"), "general")).toEqual([
      'const below = ["/etc/hosts", "/srv/a.d"];',
    ]);
  });

  it("not if that allows another call, another phase, or a pattern", () => {
    const shared = parameter('["/usr"]').replace(
      "  return allow;\n});",
      '  if (call.name === "unlink") return call.args.path.text.under(...below) ? allow : deny("EACCES");\n  return allow;\n});',
    );
    expect(change(shared, open, "general").join(" ")).toContain('call.name === "openat"');
    const phased = `import { allow, deny, parameter, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
const below = parameter.paths("below", { default: ["/usr"] });
export default policy((call) => {
  if (call.name === "listen") phase.enter("serving");
  if (call.name === "unlink" && phase.is("starting")) return call.args.path.text.under(...below) ? allow : deny("EPERM");
  return call.name === "unlink" ? (call.args.path.text.is(...below) ? allow : deny("EROFS")) : allow;
});
`;
    const unlink = change(phased, 'unlink("/srv/a")', "general", { phase: "starting" });
    expect(unlink.join(" ")).toContain('(call.name === "unlink" && phase.is("starting") && ');
    expect(unlink.join(" ")).not.toContain("parameter");
    const pattern = change(parameter('["/usr"]'), open.replace("/srv/a", "/srv/*"), "general");
    expect(pattern.join(" ")).not.toContain('default: ["/usr", ');
  });
});

describe("phases", () => {
  const phased = (options: string, names = '"starting", "serving"') => `${head}
const phase = perProcess.phases([${names}]${options});
export default policy((call) => {
  if (call.name === "listen") phase.enter("serving");
  if (phase.is("starting") && call.name === "socket") return allow;
  if (calls("read", "write", "listen").has(call)) return allow;
  return deny("EPERM", "not recorded");
});
`;

  it("hold the rule to the phase of the call", () => {
    expect(change(phased(""), "getppid()", "call", { phase: "serving" })).toEqual([
      `  ${comment}`,
      '  if (call.name === "getppid" && phase.is("serving")) return allow;',
    ]);
  });

  it("are no condition of a frequent call, which a supervisor would then judge each time", () => {
    expect(change(phased(""), "epoll_wait(3, 0x1, 1, 0)", "call", { phase: "serving" })).toEqual([
      '  if (calls("read", "write", "listen", "epoll_wait").has(call)) return allow;',
    ]);
  });

  it("include the earlier ones if the policy promises tightening", () => {
    expect(change(phased(", { tightening: true }"), "getppid()", "call", { phase: "serving" })).toEqual([
      '  if (calls("read", "write", "listen", "getppid").has(call)) return allow;',
    ]);
    expect(change(phased(", { tightening: true }"), "getppid()", "call", { phase: "starting" })).toEqual([
      `  ${comment}`,
      '  if (call.name === "getppid" && phase.is("starting")) return allow;',
    ]);
  });
});

it("allows a call that a flag has refused, at the line of the event", () => {
  const text = `import { allow, calls, deny, perTree, policy } from "portcullis";
const serves = perTree.flag();
export default policy((call) => {
  if (call.name === "accept4") serves.set(true);
  if (calls("execve", "execveat").has(call) && serves.get()) return deny("EACCES", "no program");
  return allow;
});
`;
  const event = refusalOf(text.replace(" && serves.get()", ""), "execve(0x1, 0x1, 0)")!;
  const { groups, session } = sessionFor(text, [{ ...event, rule: "/p.ts:5:69" }]);
  const proposal = session.propose(groups[0]!, "call");
  expect(proposal.is === "change" && session.accept(proposal.amended)).toEqual([]);
  expect(addedLines(text, session.textWith())).toEqual([
    '  if (calls("execve", "execveat").has(call) && serves.get()) {',
    `    ${comment}`,
    '    if (call.name === "execve") return allow;',
    '    return deny("EACCES", "no program");',
    "  }",
  ]);
  const moved = sessionFor(text, [{ ...event, rule: "/p.ts:4:69" }]);
  expect(moved.groups[0]!.obstacle).toBeDefined();
});

describe("amend cannot change", () => {
  it("a function that does not have the call", () => {
    const text = `import { allow, deny, policy, type Verdict } from "portcullis";
function birth(): Verdict {
  return deny("EAGAIN");
}
export default policy((call) => (call.name === "fork" ? birth() : allow));
`;
    expect(change(text, "fork()")).toEqual(["cannot: /p.ts:3:10 is in a function that does not have the call"]);
  });

  it("a limit", () => {
    const text = `import { allow, deny, perTree, policy } from "portcullis";
const births = perTree.rate({ limit: 2n, per: "1s" });
export default policy((call) => (call.name === "fork" && !births.take() ? deny("EAGAIN") : allow));
`;
    const plain = refusalOf(
      `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "fork" ? deny("EAGAIN") : allow));`,
      "fork()",
    )!;
    const { groups } = sessionFor(text, [plain]);
    expect(groups[0]!.obstacle).toMatchObject({
      why: "the verdict depends on state or memory that the event does not have",
      help: "change the limit, or the condition",
    });
  });

  it("clone3 of unknown flags in a policy that follows processes, but names the call that programs make instead", () => {
    const text = `${head}const served = perProcess.flag();
export default policy((call) => {
  if (call.name === "listen") served.set(true);
  if (calls("read", "write").has(call) && !served.get()) return allow;
  return deny("EPERM");
});
`;
    const { groups, session } = sessionFor(text, [refusalOf(text, "clone3(0x1000, 88)")]);
    expect(session.propose(groups[0]!, "call")).toEqual({
      is: "obstacle",
      why: "no rule at the line that refuses it allows the call",
      help: 'write `if (call.name === "clone3") return deny("ENOSYS");` there: programs then make clone, for which amend can write a rule',
    });
  });

  it("a text that refuses the call in another way than the event", () => {
    const old = `${head}export default policy((call) => (call.name === "fork" ? deny("EAGAIN") : allow));`;
    const { groups } = sessionFor(old.replace("EAGAIN", "EPERM"), [refusalOf(old, "fork()")]);
    expect(groups[0]!.obstacle?.why).toBe("the policy has changed: the call was deny EAGAIN, and is now deny EPERM");
  });
});

describe("verification", () => {
  const text = `${head}export default policy((call) => {
  if (calls("read", "write").has(call)) return allow;
  return deny("EPERM");
});
`;

  it("keeps cases that pass", () => {
    const cases = [{ file: "/p.cases", text: "# Ours.\nmain getppid() deny EPERM\n" }];
    const { groups, session } = sessionFor(text, [refusalOf(text, "getppid()")], cases);
    const proposal = session.propose(groups[0]!, "call");
    expect(proposal.is === "change" && session.accept(proposal.amended)).toEqual([
      "the case /p.cases:2 expects deny EPERM of main getppid(), and gets allow: change that case first",
    ]);
    expect(session.isEmpty).toBe(true);
  });

  it("keeps what is refused for ever", () => {
    const refusals = [refusalOf(text, "ioctl(0, TCGETS, 0)"), refusalOf(text, "ioctl(0, TIOCSTI, 0)")];
    const { groups, session } = sessionFor(text, refusals);
    expect(session.refuse(groups[1]!, "types into the terminal")).toEqual([]);
    const wide = session.propose(groups[0]!, "call");
    expect(wide.is === "change" && session.accept(wide.amended)).toEqual([
      `${groups[1]!.id} (ioctl) is refused for ever, and would be allowed`,
    ]);
    const narrow = session.propose(groups[0]!, "arguments");
    expect(narrow.is === "change" && session.accept(narrow.amended)).toEqual([]);
    expect(session.outcome().cases.files).toEqual([
      {
        file: "/p.cases",
        text: `# amend: was deny EPERM
main ioctl(0, TCGETS, 0)  allow
# refused for ever: types into the terminal
main ioctl(0, TIOCSTI, 0)  deny EPERM
`,
      },
    ]);
  });
});
