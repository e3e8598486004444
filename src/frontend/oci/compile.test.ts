import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { callByName } from "../../abi/calls.ts";
import type { Program } from "../../ir/program.ts";
import { firstVerdict } from "../../ir/testing/parts.ts";
import { compileOciProfile, type OciHost } from "./compile.ts";

const host: OciHost = { architecture: "x86_64", kernelVersion: "6.12" };

function compile(profile: unknown, where: OciHost = host) {
  return compileOciProfile(typeof profile === "string" ? profile : JSON.stringify(profile), "profile.json", where);
}

/** The verdict of a program on a call: "allow", "deny 1", "kill-thread". */
function verdictOf(program: Program, name: string, ...registers: bigint[]): string {
  const number = callByName(name)!.number[program.architecture]!;
  const { action, errno } = firstVerdict(program, { number, arguments: registers });
  return action === "deny" ? `deny ${errno}` : action;
}

function programOf(profile: unknown, where: OciHost = host): Program {
  const { program, diagnostics } = compile(profile, where);
  if (program === undefined) throw new Error(JSON.stringify(diagnostics));
  return program;
}

function fixture(name: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../test/fixtures/oci/${name}.json`, import.meta.url)), "utf8");
}

const rule = (names: string[], action: string, more: object = {}) => ({ names, action: `SCMP_ACT_${action}`, ...more });
const test = (index: number, op: string, value: number, valueTwo = 0) => ({
  index,
  op: `SCMP_CMP_${op}`,
  value,
  valueTwo,
});

describe("actions", () => {
  it.each([
    [{ action: "SCMP_ACT_KILL" }, "kill-thread"],
    [{ action: "SCMP_ACT_KILL_THREAD" }, "kill-thread"],
    [{ action: "SCMP_ACT_KILL_PROCESS" }, "kill-process"],
    [{ action: "SCMP_ACT_TRAP" }, "trap"],
    [{ action: "SCMP_ACT_ERRNO" }, "deny 1"],
    [{ action: "SCMP_ACT_ERRNO", errnoRet: 4095 }, "deny 4095"],
    [{ action: "SCMP_ACT_ERRNO", errnoRet: 0 }, "deny 0"],
    [{ action: "SCMP_ACT_ERRNO", errno: "0" }, "deny 0"],
    [{ action: "SCMP_ACT_ERRNO", errno: "ENOSYS" }, "deny 38"],
    [{ action: "SCMP_ACT_ERRNO", errno: "38", errnoRet: 38 }, "deny 38"],
    [{ action: "SCMP_ACT_ERRNO", errno: "", errnoRet: 7 }, "deny 7"],
    [{ action: "SCMP_ACT_ERRNO", errnoRet: 12345 }, "deny 4095"],
    [{ action: "SCMP_ACT_ERRNO", errnoRet: 65535 }, "deny 4095"],
    [{ action: "SCMP_ACT_TRACE", errnoRet: 7 }, "deny 38"],
    [{ action: "SCMP_ACT_NOTIFY" }, "deny 38"],
    [{ action: "SCMP_ACT_LOG" }, "log"],
    [{ action: "SCMP_ACT_ALLOW" }, "allow"],
  ])("%j", (action, verdict) => {
    // The default must differ from the action, or the rule has no effect.
    const defaultAction = verdict === "allow" ? "SCMP_ACT_KILL" : "SCMP_ACT_ALLOW";
    const program = programOf({ defaultAction, syscalls: [{ names: ["read"], ...action }] });
    expect(verdictOf(program, "read")).toBe(verdict);
    expect(verdictOf(program, "open")).toBe(verdict === "allow" ? "deny 38" : "allow");
  });

  it("gives each verdict its location and reason", () => {
    const text = JSON.stringify(
      { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule(["read"], "TRAP", { comment: "no reading" })] },
      null,
      2,
    );
    const program = programOf(text);
    const trap = program.verdicts.find(({ action }) => action === "trap")!;
    expect(trap).toEqual({
      action: "trap",
      errno: 0,
      reason: "no reading",
      at: { file: 0, line: 8, column: 17, length: 15 },
    });
    expect(program).toMatchObject({ name: "profile", files: ["profile.json"] });
  });
});

describe("operators", () => {
  const five = 0x1_0000_0005n;
  it.each([
    ["read", 0, 10, [five - 1n, five + 1n, 5n], [five]],
    ["write", 1, 11, [0n, five - 1n, 5n], [five, five + 1n, 2n ** 64n - 1n]],
    ["close", 2, 12, [0n, five, 5n], [five + 1n, 1n << 63n]],
    ["lseek", 0, 13, [five], [5n, five + (1n << 40n)]],
    ["dup", 1, 14, [five, five + 1n, 1n << 63n], [five - 1n, 0n]],
    ["dup2", 2, 15, [five + 1n, 1n << 63n], [five, 0n]],
    ["fcntl", 1, 20, [0x1200340056007800n, 0x12ff34ff56ff78ffn], [0x1200340056007900n, 0n]],
  ] as const)("%s", (name, register, errno, holds, fails) => {
    const program = programOf(fixture("operators"));
    const registers = (value: bigint) => [0, 1, 2].map((place) => (place === register ? value : 0n));
    for (const value of holds) expect(verdictOf(program, name, ...registers(value))).toBe(`deny ${errno}`);
    for (const value of fails) expect(verdictOf(program, name, ...registers(value))).toBe("allow");
  });

  it("all comparisons of a rule must hold; of two on one argument, either", () => {
    const program = programOf(fixture("operators"));
    expect(verdictOf(program, "mmap", 0n, 4097n, 7n, 0x22n)).toBe("deny 13");
    expect(verdictOf(program, "mmap", 0n, 4096n, 7n, 0x22n)).toBe("allow");
    expect(verdictOf(program, "mmap", 0n, 4097n, 5n, 0x22n)).toBe("allow");
    expect(verdictOf(program, "mmap", 0n, 4097n, 7n, 0x02n)).toBe("allow");
    expect([4n, 6n, 5n].map((prot) => verdictOf(program, "mprotect", 0n, 0n, prot))).toEqual(["log", "log", "allow"]);
  });

  it("a mask of 0 matches everything, as in libseccomp", () => {
    expect(verdictOf(programOf(fixture("operators")), "flock", 0n, 123n)).toBe("kill-process");
    // So the rule matches every call and replaces the other one, although that is stricter.
    const always = rule(["read"], "ERRNO", { args: [test(0, "MASKED_EQ", 0, 9), test(1, "MASKED_EQ", 0)] });
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [rule(["read"], "TRAP", { args: [test(0, "EQ", 1)] }), always],
    };
    expect(verdictOf(programOf(profile), "read", 1n)).toBe("deny 1");
  });

  it("values have 64 bits", () => {
    const program = programOf(fixture("wide-values"));
    const at = (name: string, place: number, value: bigint) =>
      verdictOf(program, name, ...[0, 1, 2, 3].map((other) => (other === place ? value : 0n)));
    expect(at("read", 2, 2n ** 53n + 1n)).toBe("allow");
    expect(at("read", 2, 2n ** 53n)).toBe("kill-thread");
    expect(at("read", 2, 2n ** 53n + 2n)).toBe("kill-thread");
    expect(at("write", 2, 2n ** 64n - 1n)).toBe("allow");
    expect(at("write", 2, 2n ** 64n - 2n)).toBe("kill-thread");
    expect(at("lseek", 1, 2n ** 63n + 1n)).toBe("allow");
    expect(at("lseek", 1, 2n ** 63n)).toBe("kill-thread");
    expect(at("pread64", 3, 2n ** 64n - 2n)).toBe("allow");
    expect(at("pread64", 3, 2n ** 64n - 1n)).toBe("kill-thread");
    expect(at("pwrite64", 3, 0x0123_4567_0000_ffffn)).toBe("allow");
    expect(at("pwrite64", 3, 0x0123_4568_0000_0000n)).toBe("kill-thread");
  });
});

describe("precedence", () => {
  it("a rule without comparisons wins over rules with them, the first over later ones; rules with the default action are dropped", () => {
    const program = programOf(fixture("precedence"));
    expect(verdictOf(program, "openat", 0n, 0n, 0n)).toBe("log");
    expect(verdictOf(program, "openat", 0n, 0n, 1n)).toBe("log");
    expect(verdictOf(program, "close", 3n)).toBe("allow");
    expect(verdictOf(program, "close", 2n)).toBe("deny 1");
    expect(verdictOf(program, "dup", 1n)).toBe("allow");
  });

  it("says so", () => {
    const { diagnostics } = compile(fixture("precedence"));
    expect(diagnostics.map(({ code }) => code)).toEqual(["P0709", "P0709", "P0706", "P0709"]);
  });

  it("the strictest of contradicting rules wins, with a warning", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        rule(["lseek"], "ERRNO", { errnoRet: 5, args: [test(1, "GT", 5)] }),
        rule(["lseek"], "TRAP", { args: [test(1, "GT", 9)] }),
        rule(["lseek"], "LOG", { args: [test(1, "EQ", 3)] }),
      ],
    };
    const { program, diagnostics } = compile(profile);
    expect(diagnostics.filter(({ code }) => code === "P0705")).toHaveLength(1);
    const verdicts = [3n, 5n, 6n, 9n, 10n].map((offset) => verdictOf(program!, "lseek", 0n, offset));
    expect(verdicts).toEqual(["log", "allow", "deny 5", "deny 5", "trap"]);
  });
});

describe("conditions of a rule", () => {
  it.each<[string, OciHost, [string, string][]]>([
    [
      "no capability",
      host,
      [
        ["mount", "deny 1"],
        ["clone3", "deny 38"],
        ["ptrace", "allow"],
        ["arch_prctl", "allow"],
        ["reboot", "deny 1"],
      ],
    ],
    [
      "CAP_SYS_ADMIN",
      { ...host, capabilities: new Set(["CAP_SYS_ADMIN"]) },
      [
        ["mount", "allow"],
        ["clone3", "allow"],
        ["reboot", "deny 1"],
      ],
    ],
    [
      "both capabilities for reboot",
      { ...host, capabilities: new Set(["CAP_SYS_ADMIN", "CAP_SYS_BOOT"]) },
      [["reboot", "allow"]],
    ],
    ["arm64", { ...host, architecture: "aarch64" }, [["read", "allow"]]],
    ["the same kernel", { ...host, kernelVersion: "4.8" }, [["ptrace", "allow"]]],
    ["an old kernel", { ...host, kernelVersion: "4.7.9-generic" }, [["ptrace", "deny 1"]]],
    ["a newer kernel", { ...host, kernelVersion: "7.0" }, [["io_uring_setup", "allow"]]],
  ])("%s", (_, where, wanted) => {
    const program = programOf(fixture("docker-like"), where);
    expect(wanted.map(([name]) => [name, verdictOf(program, name)])).toEqual(wanted);
  });

  it("clone by its flags, socket by its family", () => {
    const program = programOf(fixture("docker-like"));
    expect([0n, 0x1000_0000n, 0x2_0000n, 17n].map((flags) => verdictOf(program, "clone", flags))).toEqual([
      "allow",
      "deny 1",
      "deny 1",
      "allow",
    ]);
    expect([1n, 40n].map((family) => verdictOf(program, "socket", family))).toEqual(["allow", "deny 1"]);
    expect([8n, 9n].map((persona) => verdictOf(program, "personality", persona))).toEqual(["allow", "deny 1"]);
  });

  it("for an unknown kernel, the strict reading, with a warning", () => {
    const { program, diagnostics } = compile(fixture("docker-like"), { architecture: "x86_64" });
    // Every kernel that an engine supports is newer than 4.8, but not every one is newer than 6.99.
    expect(verdictOf(program!, "ptrace")).toBe("allow");
    const losses = diagnostics.filter(({ message }) => message.includes("the kernel is unknown"));
    expect(losses.map(({ code, message }) => [code, /dropped/.test(message)])).toEqual([["P0701", true]]);
  });

  const sometimes = (which: "includes" | "excludes", action: string, more: object = {}) =>
    rule(["ptrace"], action, { [which]: { minKernel: "6.5" }, ...more });
  it.each([
    // A denial that applies on some kernels applies on all; a permission that applies only on some applies on none.
    ["ALLOW", [sometimes("includes", "KILL")], "kill-thread"],
    ["ALLOW", [sometimes("excludes", "KILL")], "kill-thread"],
    ["ERRNO", [sometimes("includes", "ALLOW"), rule(["tee"], "ALLOW")], "deny 1"],
    ["ERRNO", [sometimes("excludes", "ALLOW"), rule(["tee"], "ALLOW")], "deny 1"],
    ["ERRNO", [sometimes("includes", "KILL_PROCESS"), rule(["tee"], "ALLOW")], "kill-process"],
    // Neither rule hides the other.
    ["ALLOW", [rule(["ptrace"], "KILL_PROCESS"), sometimes("includes", "ERRNO")], "kill-process"],
    ["ALLOW", [sometimes("includes", "ERRNO"), rule(["ptrace"], "KILL_PROCESS")], "kill-process"],
    ["ALLOW", [rule(["ptrace"], "LOG"), sometimes("includes", "ERRNO")], "deny 1"],
    ["ALLOW", [sometimes("includes", "ERRNO"), rule(["ptrace"], "TRAP", { args: [test(0, "EQ", 0)] })], "trap"],
  ] as const)("on an unknown kernel, by default %s, %j: %s", (defaultAction, syscalls, verdict) => {
    const profile = { defaultAction: `SCMP_ACT_${defaultAction}`, syscalls };
    const { program } = compile(profile, { architecture: "x86_64" });
    expect(verdictOf(program!, "ptrace")).toBe(verdict);
    // Never weaker than on any known kernel.
    for (const kernelVersion of ["5.9", "6.4", "6.5", "7.1"]) {
      const { program: known } = compile(profile, { architecture: "x86_64", kernelVersion });
      const strict = (one: string) =>
        ["allow", "log", "deny 1", "trap", "kill-thread", "kill-process"].indexOf(one.replace("deny 38", "deny 1"));
      expect(strict(verdict)).toBeGreaterThanOrEqual(strict(verdictOf(known!, "ptrace")));
    }
  });

  it("an empty minKernel has no effect", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [rule(["read"], "KILL", { includes: { minKernel: "" } })],
    };
    expect(verdictOf(programOf(profile), "read")).toBe("kill-thread");
  });

  it("warns of capabilities that a profile tests, unless they are given", () => {
    const lossesOf = (capabilities?: ReadonlySet<string>) =>
      compile(fixture("docker-like"), { ...host, capabilities }).diagnostics.filter(({ message }) =>
        message.includes("no capability"),
      );
    expect(lossesOf()).toMatchObject([{ code: "P0701", message: expect.stringContaining("CAP_SYS_ADMIN") }]);
    expect(lossesOf(new Set())).toEqual([]);
    expect(lossesOf(new Set(["CAP_SYS_BOOT"]))).toEqual([]);
  });

  it("denies numbers above the newest named call with ENOSYS, unless the default action lets calls pass", () => {
    const older = (defaultAction: string, more: object = {}) =>
      programOf({ defaultAction, syscalls: [rule(["read", "clone", "statx"], "ALLOW")], ...more });
    const errno = older("SCMP_ACT_ERRNO");
    expect(["statx", "open", "clone3", "openat2"].map((name) => verdictOf(errno, name))).toEqual([
      "allow",
      "deny 1",
      "deny 38",
      "deny 38",
    ]);
    expect(verdictOf(older("SCMP_ACT_KILL_PROCESS"), "clone3")).toBe("deny 38");
    expect(verdictOf(older("SCMP_ACT_KILL_PROCESS"), "open")).toBe("kill-process");
    for (const action of ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"]) {
      const program = programOf({ defaultAction: action, syscalls: [rule(["read"], "KILL")] });
      expect(verdictOf(program, "clone3")).toBe(action === "SCMP_ACT_LOG" ? "log" : "allow");
    }
    // A rule with the default action counts as naming its calls.
    const named = programOf({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [rule(["clone3"], "ERRNO"), rule(["read"], "ALLOW")],
    });
    expect([verdictOf(named, "clone3"), verdictOf(named, "openat2")]).toEqual(["deny 1", "deny 38"]);
    expect(verdictOf(programOf({ defaultAction: "SCMP_ACT_KILL" }), "clone3")).toBe("kill-thread");
  });

  it("warns of rules with a surprising meaning", () => {
    const notes = (args: object[], more: object = {}) =>
      compile({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [rule(["read"], "ERRNO", { args, ...more })],
      }).diagnostics.filter(({ code }) => code === "P0710");
    expect(notes([test(0, "GE", 1), test(0, "LE", 5)])).toMatchObject([
      { message: expect.stringMatching(/if any one of them holds/) },
    ]);
    expect(notes([test(0, "GE", 1), test(1, "LE", 5)])).toEqual([]);
    expect(notes([test(0, "MASKED_EQ", 0, 5)])).toMatchObject([{ message: expect.stringMatching(/a mask of 0/) }]);
    expect(notes([], { errnoRet: 12345 })).toMatchObject([{ message: expect.stringMatching(/by 4095/) }]);
  });

  it("errno 0 makes a program believe that the call succeeded", () => {
    const zero = { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 0, syscalls: [rule(["openat2"], "ALLOW")] };
    const { program, diagnostics } = compile(zero);
    expect(verdictOf(program!, "mount")).toBe("deny 0");
    expect(diagnostics).toContainEqual(
      expect.objectContaining({ code: "P0701", message: expect.stringMatching(/returns 0 without being made/) }),
    );
  });

  it("io_uring is judged only if a rule names it", () => {
    const judges = (profile: unknown, number: bigint) =>
      programOf(profile).admission.judged.some(({ from, to }) => from <= number && number <= to);
    expect(judges({ defaultAction: "SCMP_ACT_ALLOW" }, 425n)).toBe(false);
    expect(judges({ defaultAction: "SCMP_ACT_KILL", syscalls: [rule(["io_uring_setup"], "ALLOW")] }, 425n)).toBe(true);
  });

  it("reads Docker's older form with one name for each rule", () => {
    const program = programOf(fixture("one-name"));
    expect([verdictOf(program, "read"), verdictOf(program, "close")]).toEqual(["allow", "deny 1"]);
  });
});

describe("losses", () => {
  it("are listed, each at its place", () => {
    const { program, diagnostics } = compile(fixture("losses"));
    expect(
      diagnostics.map(({ code, span, message }) => `${span!.line} ${code} ${message.slice(0, 60)}`),
    ).toMatchInlineSnapshot(`
      [
        "2 P0701 io_uring_setup, io_uring_enter, io_uring_register fail with ",
        "3 P0701 programs of X86 and X32 are refused: each of their calls fai",
        "9 P0701 refusals are not written to the kernel's audit log",
        "11 P0701 the mitigation of speculative store bypass stays as the kern",
        "13 P0701 no engine supports the listener of \`listenerPath\`",
        "14 P0701 no engine supports the listener of \`listenerMetadata\`",
        "20 P0701 there is no listener: the call fails with ENOSYS, as in the ",
        "26 P0701 there is no tracer: the call fails with ENOSYS, as in the ke",
        "31 P0701 the profile refuses exit_group: it is always allowed here, b",
        "37 P0704 no system call is named "openatt": it is ignored, as in cont",
        "43 P0707 rules test the flags of clone, but clone3 passes with any fl",
        "63 P0706 the kernel uses the low 32 bits of socket's family, and this",
        "72 P0705 a socket can match both this rule and another one with a dif",
        "76 P0706 the kernel uses the low 32 bits of socket's type, and this c",
      ]
    `);
    expect(verdictOf(program!, "mount")).toBe("deny 38");
    expect(verdictOf(program!, "socket", 16n, 3n)).toBe("kill-thread");
  });
});

describe("refused profiles", () => {
  const allow = { defaultAction: "SCMP_ACT_ALLOW" };
  const withRule = (one: object) => ({ ...allow, syscalls: [one] });
  const withTest = (one: object) => withRule(rule(["read"], "ERRNO", { args: [one] }));
  it.each<[string, unknown, string, RegExp]>([
    ["nothing", "", "P0702", /the text ends/],
    ["no JSON", "{ defaultAction: 1 }", "P0702", /double quotes/],
    [
      "a duplicate name",
      '{"defaultAction":"SCMP_ACT_KILL","defaultAction":"SCMP_ACT_ALLOW"}',
      "P0702",
      /duplicate name/,
    ],
    ["a list", [], "P0703", /an object, not a list/],
    ["no default action", {}, "P0703", /no `defaultAction`/],
    ["null as default action", { defaultAction: null }, "P0703", /no `defaultAction`/],
    ["an unknown action", { defaultAction: "SCMP_ACT_ALOW" }, "P0703", /no action "SCMP_ACT_ALOW"/],
    ["an action in lower case", { defaultAction: "scmp_act_allow" }, "P0703", /no action/],
    ["NOTIFY by default", { defaultAction: "SCMP_ACT_NOTIFY" }, "P0703", /default action/],
    ["a rule without an action", withRule({ names: ["read"] }), "P0703", /no `action`/],
    ["a rule without names", withRule({ action: "SCMP_ACT_KILL" }), "P0703", /no `names`/],
    ["a rule with an empty list of names", withRule(rule([], "KILL")), "P0703", /names no call/],
    ["a number as a name", withRule({ names: [1], action: "SCMP_ACT_KILL" }), "P0703", /must be a string/],
    ["name and names", withRule({ ...rule(["read"], "KILL"), name: "read" }), "P0703", /not both/],
    ["a mistyped member", withRule({ ...rule(["read"], "KILL"), arg: [] }), "P0703", /no member `arg`/],
    ["a member in another case", withRule({ ...rule(["read"], "KILL"), Args: [] }), "P0703", /no member `Args`/],
    ["an errno of 17 bits", withRule(rule(["read"], "ERRNO", { errnoRet: 65536 })), "P0703", /at most 65535/],
    ["an errno that is allowed", withRule(rule(["read"], "ALLOW", { errnoRet: 1 })), "P0703", /takes no errno/],
    ["an errno that kills", withRule(rule(["read"], "KILL", { errno: "EPERM" })), "P0703", /takes no errno/],
    ["an errno of an allowing default", { ...allow, defaultErrnoRet: 1 }, "P0703", /takes no errno/],
    ["metadata without a listener", { ...allow, listenerMetadata: "x" }, "P0703", /listenerPath/],
    ["metadata for no listener", { ...allow, listenerPath: "", listenerMetadata: "x" }, "P0703", /listenerPath/],
    ["an unknown errno", withRule(rule(["read"], "ERRNO", { errno: "EPREM" })), "P0703", /no error named/],
    ["two errnos", withRule(rule(["read"], "ERRNO", { errno: "EPERM", errnoRet: 2 })), "P0703", /`errno` is 1/],
    ["a seventh argument", withTest({ ...test(6, "EQ", 1) }), "P0703", /at most 5/],
    ["a negative value", withTest(test(0, "EQ", -1)), "P0703", /not negative/],
    ["a fraction", withTest(test(0, "EQ", 1.5)), "P0703", /whole number/],
    ["an exponent", withTest(test(0, "EQ", 1e30)), "P0703", /whole number/],
    ["a value as text", withTest({ ...test(0, "EQ", 1), value: "1" }), "P0703", /must be a number/],
    ["no value", withTest({ index: 0, op: "SCMP_CMP_EQ" }), "P0703", /no `value`/],
    ["an unknown operator", withTest({ ...test(0, "EQ", 1), op: "EQ" }), "P0703", /no operator "EQ"/],
    ["a mistyped valueTwo", withTest({ ...test(0, "EQ", 1), valuetwo: 1 }), "P0703", /no member `valuetwo`/],
    ["architectures and archMap", { ...allow, architectures: ["SCMP_ARCH_X86"], archMap: [] }, "P0703", /not both/],
    ["an unknown architecture", { ...allow, architectures: ["SCMP_ARCH_X87"] }, "P0703", /no architecture/],
    ["an unknown flag", { ...allow, flags: ["SECCOMP_FILTER_FLAG_LOGG"] }, "P0703", /no flag/],
    [
      "an unknown capability",
      withRule(rule(["read"], "KILL", { includes: { caps: ["SYS_ADMIN"] } })),
      "P0703",
      /capability/,
    ],
    ...["new", "0.0", "3", ".3", "3.", '3.12.1"', "4.15abc"].map((minKernel): [string, unknown, string, RegExp] => [
      `an invalid version: ${minKernel}`,
      withRule(rule(["read"], "KILL", { includes: { minKernel } })),
      "P0703",
      /version/,
    ]),
    ["a mistyped include", withRule(rule(["read"], "KILL", { includes: { cap: [] } })), "P0703", /no member `cap`/],
  ])("%s", (_, profile, code, message) => {
    const { program, diagnostics } = compile(profile);
    expect(program).toBeUndefined();
    expect(diagnostics.map((one) => `${one.code} ${one.severity} ${one.message}`).join("\n")).toMatch(
      new RegExp(`${code} error .*${message.source}`),
    );
    for (const one of diagnostics) expect(one.span).toMatchObject({ file: "profile.json", line: expect.any(Number) });
  });

  it("a value of 65 bits, to the digit", () => {
    const text = (value: string) =>
      `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL",
        "args":[{"index":0,"op":"SCMP_CMP_EQ","value":${value}}]}]}`;
    expect(compile(text("18446744073709551615")).program).toBeDefined();
    for (const value of ["18446744073709551616", "9".repeat(100_000)]) {
      const { program, diagnostics } = compile(text(value));
      expect(program).toBeUndefined();
      expect(diagnostics[0]).toMatchObject({ code: "P0703", span: { line: 2, column: 55 } });
    }
  });

  it("an unknown member of the profile itself is a warning", () => {
    const { program, diagnostics } = compile({ ...allow, defaultErnoRet: 2 });
    expect(program).toBeDefined();
    expect(diagnostics).toContainEqual(expect.objectContaining({ code: "P0709", help: "write `defaultErrnoRet`" }));
  });

  it("oversized profiles, in bounded time", () => {
    const many = (count: number, one: (index: number) => object) =>
      Array.from({ length: count }, (_, index) => one(index));
    const texts = [
      {
        ...allow,
        syscalls: many(20_000, (index) =>
          rule(["read"], index % 2 ? "KILL" : "TRAP", { args: [test(0, "EQ", index)] }),
        ),
      },
      { ...allow, syscalls: many(70_000, () => rule(["read"], "KILL")) },
      {
        ...allow,
        syscalls: [
          rule(
            Array.from({ length: 200_000 }, (_, index) => `name${index}`),
            "KILL",
          ),
        ],
      },
      { ...allow, syscalls: many(60_000, () => ({ nmaes: [] })) },
      {
        ...allow,
        syscalls: [
          rule(
            Array.from({ length: 200_000 }, () => "read"),
            "KILL",
            { args: [test(0, "EQ", 1)] },
          ),
        ],
      },
    ];
    for (const text of texts) {
      const { program, diagnostics } = compile(text);
      expect(diagnostics.length).toBeLessThan(210);
      expect(program === undefined).toBe(diagnostics.some(({ severity }) => severity === "error"));
    }
  });
});

describe("unused bits", () => {
  it.each([
    ["permits an equal value", "KILL", "ALLOW", test(0, "EQ", 16), false],
    ["permits an unequal value", "KILL", "ALLOW", test(0, "NE", 16), true],
    ["permits up to", "KILL", "ALLOW", test(0, "LE", 16), false],
    ["permits from", "KILL", "ALLOW", test(0, "GE", 16), true],
    ["permits by flags of the low half", "KILL", "ALLOW", test(0, "MASKED_EQ", 0xff, 1), false],
    ["refuses an equal value", "ALLOW", "KILL", test(0, "EQ", 16), true],
    ["refuses an unequal value", "ALLOW", "KILL", test(0, "NE", 16), false],
    ["refuses up to", "ALLOW", "KILL", test(0, "LE", 16), true],
    ["refuses from", "ALLOW", "KILL", test(0, "GE", 16), false],
    ["refuses by flags of the low half", "ALLOW", "KILL", test(0, "MASKED_EQ", 0xff, 1), false],
    ["refuses all", "ALLOW", "KILL", test(0, "MASKED_EQ", 0xffff_ffff, 16), false],
    ["permits a value of the upper half", "KILL", "ALLOW", test(0, "EQ", 2 ** 32), true],
  ] as const)("a rule that %s", (_, defaultAction, action, one, walkedRound) => {
    const profile = {
      defaultAction: `SCMP_ACT_${defaultAction}`,
      syscalls: [
        rule(["socket"], action, { args: [one] }),
        // The kernel uses the whole register.
        rule(["lseek"], action, { args: [{ ...one, index: 1 }] }),
        rule(["exit", "exit_group", "rt_sigreturn", "restart_syscall"], "ALLOW"),
      ],
    };
    const { diagnostics } = compile(profile);
    expect(diagnostics.filter(({ code }) => code === "P0706")).toHaveLength(walkedRound ? 1 : 0);
  });
});
