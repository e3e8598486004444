/** `portcullis/testing`, as a user of the package sees it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as published from "./language/types/testing.d.ts";
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
});
