/** `portcullis/testing`, as a user of the package sees it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as published from "./frontend/types/testing.d.ts";
import * as testing from "./testing.ts";

/** The published types fit the implementation. */
const simulate: typeof published.simulate = testing.simulate;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-testing-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const x86_64 = { architecture: "x86_64" } as const;

describe.each(["interpreter", "wasm"] as const)("simulate, by %s", (compiled) => {
  const options = { ...x86_64, compiled };

  test("calls that go on, and hold their rooms", async () => {
    const policy = file(
      "rooms.ts",
      `import { allow, deny, perTree, policy } from "portcullis";
       const r = perTree.rooms({ sides: ["a", "b"], timeout: "10ms", late: deny("EDEADLK") });
       export default policy((call) => {
         if (call.name === "mkdir") r.enter("a");
         if (call.name === "rmdir") r.enter("b");
         return allow;
       });`,
    );
    const run = await simulate(policy, options);
    const other = run.command.fork();
    expect([run.command.begin("mkdir").verdict, run.command.begun]).toEqual(["allow", "runs"]);
    expect([other.call("rmdir").verdict, other.begun]).toEqual(["waits", undefined]);
    expect([other.begin("rmdir").verdict, other.begun]).toEqual(["waits", "waits"]);
    run.advance("10ms");
    expect(other.begun).toMatchObject({ verdict: "deny EDEADLK" });
    expect(other.begin("rmdir").verdict).toBe("waits");
    other.interrupt();
    run.command.end();
    expect(other.call("rmdir").verdict).toBe("allow");
  });

  test("twenty forks a second, with a clock to move", async () => {
    const run = await simulate("policies/fork-rate.ts", options);
    const fork = () => run.command.call("clone").verdict;
    expect(Array.from({ length: 21 }, fork)).toEqual([...Array(20).fill("allow"), "deny EAGAIN"]);
    run.advance("50ms");
    expect([fork(), fork()]).toEqual(["allow", "deny EAGAIN"]);
    expect(run.reports.map(({ text }) => text)).toEqual(["the fork rate was reached"]);
  });

  test("processes fork, and their phases with them", async () => {
    const run = await simulate("policies/nginx.ts", options);
    const master = run.command;
    expect(run.neverEntered.length).toBeGreaterThan(0);
    expect(master.call("listen", { fd: 4n, backlog: 511n }).verdict).toBe("allow");
    const worker = master.fork();
    expect(worker.call("eventfd2").verdict).toBe("allow");
    const decision = worker.call("execve");
    expect(decision.verdict).toBe("kill process");
    expect(decision.reason).toContain("hijacked");
    expect(decision.rule).toMatch(/^policies\/nginx\.ts:\d+:\d+$/);
    expect(run.neverEntered).toEqual([]);
    expect([run.alive, worker.thread().pid]).toEqual([2n, worker.pid]);
    worker.exit();
  });

  test("a fork that the policy refuses throws an error with the line", async () => {
    const run = await simulate("policies/children.ts", { ...options, set: { most: "2" } });
    run.command.fork();
    expect(() => run.command.fork()).toThrow(testing.RefusedError);
    expect(() => run.command.fork()).toThrow(/deny EAGAIN .*policies\/children\.ts:\d+/);
  });
});

describe.each(["interpreter", "wasm"] as const)("memory behind pointers, by %s", (compiled) => {
  const options = { ...x86_64, compiled };
  const policy = (name: string, body: string) =>
    file(
      name,
      `import { allow, cidr, deny, policy } from "portcullis";\nexport default policy((call) => {\n${body}\nreturn allow;\n});`,
    );

  test("is given by value", async () => {
    const path = policy(
      "memory.ts",
      `if (call.name === "openat" && !call.args.path.text.under("/srv")) return deny("EACCES");
       if (call.name === "openat2") return call.args.path.resolved.under("/srv") && call.args.how.flags.has("O_CREAT") ? allow : deny("EPERM");
       if (call.name === "execve" && call.args.argv.includes("-x")) return deny("EPERM");
       if (call.name === "connect") return call.args.addr.kind === "ip" && cidr("10.0.0.0/8").has(call.args.addr.address) ? allow : deny("ENETUNREACH");
       if (call.name === "sendmsg" && call.args.msg.name.kind !== "none") return deny("EISCONN");
       if (call.name === "sendmsg" && call.args.msg.controllen !== 0n) return deny("EPERM");`,
    );
    const { command } = await simulate(path, options);
    const verdicts = [
      command.call("openat", { path: "/srv/a" }),
      command.call("openat", { path: new TextEncoder().encode("/etc/a") }),
      command.call("openat", { path: null }),
      command.call("openat", { path: { fails: "EFAULT" } }),
      command.call("openat2", { path: { text: "a", resolved: "/srv/a" }, how: { flags: ["O_CREAT", "O_WRONLY"] } }),
      command.call("openat2", { path: { text: "a", resolved: "/srv/a" }, how: {} }),
      command.call("execve", { argv: ["a", "-x"] }),
      command.call("execve", { argv: [] }),
      command.call("connect", { addr: "10.0.0.1:443" }),
      command.call("connect", { addr: "unix:/run/agent" }),
      command.call("sendmsg", { msg: { name: null } }),
      command.call("sendmsg", { msg: { name: "[::1]:1" } }),
      command.call("sendmsg", { msg: { name: null, controllen: 24n } }),
    ].map(({ verdict }) => verdict);
    expect(verdicts).toEqual([
      ...["allow", "deny EACCES", "fails EFAULT", "fails EFAULT", "allow", "deny EPERM"],
      ...["deny EPERM", "allow", "allow", "deny ENETUNREACH", "allow", "deny EISCONN", "deny EPERM"],
    ]);
    const lacks = "the policy asks about the memory behind `path`, and the call of openat does not give it";
    expect(() => command.call("openat")).toThrow(lacks);
    expect(() => command.call("openat", { path: 0x1000n })).toThrow(lacks);
    expect(() => command.call("openat2", { path: "a", how: { flags: ["O_CREAT"] } })).toThrow(
      "the policy asks about the object that `path` leads to (`resolved`), and the call of openat2 does not give it",
    );
  });

  test("of the wrong form is refused", async () => {
    const { command } = await simulate(policy("plain.ts", ""), options);
    const wrong = (name: string, given: object) => () => command.call(name as "openat", given);
    expect(wrong("openat", { path: ["/a"] })).toThrow("`path` of openat is a string, bytes");
    expect(wrong("openat", { path: { text: "a", resolved: "b" } })).toThrow("`path` of openat is");
    expect(wrong("connect", { addr: "10.0.0.1" })).toThrow('`addr` of connect is a socket address ("10.0.0.1:443"');
    expect(wrong("execve", { argv: "git" })).toThrow("`argv` of execve is a list of strings");
    expect(wrong("openat2", { how: { flag: 1n } })).toThrow("open_how has no field `flag`");
    expect(wrong("openat2", { how: { flags: ["O_CRAET"] } })).toThrow("O_CRAET");
    expect(wrong("openat", { path: { fails: "E1" } })).toThrow("`path` of openat is");
  });
});

describe("a recorded trace", () => {
  test("is evaluated by the policy", async () => {
    const trace = file(
      "exec.trace",
      [
        '{"v":1,"kind":"start","tid":10,"architecture":"x86_64"}',
        '{"v":1,"kind":"call","tid":10,"call":"getpid"}',
        '{"v":1,"kind":"call","tid":10,"call":"execve"}',
      ].join("\n"),
    );
    const { decisions } = await simulate("policies/exec-once.ts", trace, x86_64);
    expect(decisions.map(({ call, verdict, pid }) => [call, verdict, pid])).toEqual([
      ["getpid", "allow", 10n],
      ["execve", "deny EACCES", 10n],
    ]);
  });
});

describe("mistakes", () => {
  test("all diagnostics of a policy are in one error", async () => {
    const policy = file(
      "bad.ts",
      'import { allow, policy } from "portcullis";\nexport default policy((call) => {\n  if (call.name === "openatt") return allow;\n});\n',
    );
    const failure = await simulate(policy, x86_64).then(
      () => undefined,
      (fault: unknown) => fault,
    );
    expect(failure).toBeInstanceOf(testing.PolicyError);
    const { message, diagnostics } = failure as testing.PolicyError;
    expect(diagnostics.map(({ code }) => code)).toEqual(expect.arrayContaining(["P0101", "P0305"]));
    expect(message).toContain('no system call is named "openatt"');
    expect(message).toContain("bad.ts:3:");
  });

  test("of a test: a call, an argument", async () => {
    const run = await simulate("policies/exec-once.ts", x86_64);
    const call = run.command.call.bind(run.command) as (name: string, given?: object) => unknown;
    expect(() => call("openatt")).toThrow("did you mean openat?");
    expect(() => call("openat", { pathname: 0n })).toThrow("did you mean `path`?");
    expect(() => run.advance("5 parsecs" as "5s")).toThrow("is not a duration");
    await expect(simulate("policies/none.ts")).rejects.toThrow();
  });

  test.each([
    [[5], "the policy is the name of a file, or a URL, not 5"],
    [["p.ts", null], "the options of simulate are an object, not null"],
    [["p.ts", "t.trace", "wasm"], 'the options of simulate are an object, not "wasm"'],
    [["p.ts", { sets: {} }], "simulate has no option `sets`; did you mean `set`?"],
    [["p.ts", { set: ["most=2"] }], '`set` is an object of strings, { most: "16" }, not a list'],
    [["p.ts", { set: { most: 999 } }], 'the parameter "most" is set to a string, not 999'],
    [["p.ts", { set: { most: 2n } }], 'the parameter "most" is set to a string, not 2n'],
    [["p.ts", { compiled: "WASM" }], '`compiled` is "interpreter" or "wasm", not "WASM"'],
    [["p.ts", { architecture: "arm64" }], '`architecture` is "x86_64" or "aarch64", not "arm64"'],
    [["p.ts", { uid: 0 }], "`uid` is a bigint from 0n to 4294967294n, not 0"],
    [["p.ts", { gid: -1n }], "`gid` is a bigint from 0n to 4294967294n, not -1n"],
  ])("of a test in JavaScript: simulate(...%o)", async (given, message) => {
    const call = simulate as (...given: readonly unknown[]) => Promise<unknown>;
    await expect(call(...given)).rejects.toThrow(new TypeError(message));
  });

  test("of a test in JavaScript: the members of a run", async () => {
    const { command, advance, run } = await simulate("policies/exec-once.ts", x86_64).then((made) => ({
      command: made.command as unknown as Record<"uid" | "gid", unknown> & {
        call(...given: readonly unknown[]): unknown;
      },
      advance: made.advance.bind(made) as (time: unknown) => void,
      run: made,
    }));
    expect(() => command.call(5)).toThrow(new TypeError("the name of a call is a string, not 5"));
    expect(() => command.call("openat", null)).toThrow(
      new TypeError("the arguments of openat are an object, not null"),
    );
    expect(() => advance(50)).toThrow(new TypeError('a duration is a string, "50ms", not 50'));
    expect(() => {
      command.uid = 0;
    }).toThrow(new TypeError("`uid` is a bigint, not 0"));
    expect(run.command.uid).toBe(1000n);
  });
});
