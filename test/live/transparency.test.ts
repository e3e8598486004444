/** Compares the attributes that the command inherits, byte for byte, with those of a start without portcullis. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { reachableFolder } from "../support/ordinary-user.ts";
import { inherited as inheritedIn, situations } from "./inherited.ts";
import { front, prepare, supervisor, users } from "./run.ts";

const shell = resolve("bin/portcullis");
const root = process.getuid?.() === 0;

const folder = reachableFolder("transparency");
beforeAll(async () => {
  await prepare();
  chmodSync(folder, 0o777);
});

const inherited = (situation: readonly string[], start: readonly string[], uid?: number): string =>
  inheritedIn(folder, situation, start, { uid });

for (const { name, uid } of users) {
  describe(`as ${name}, a command inherits the same with portcullis`, () => {
    for (const [situation, settings] of Object.entries(situations)) {
      const changes = [...settings, ...(root && uid === undefined ? ["securebits=4"] : [])];
      test.each(["static-deny", "first-thousand"])(`after ${situation} (%s)`, (policy) => {
        const run = [...front(), JSON.stringify({ program: policy, supervisor })];
        expect(inherited(changes, run, uid)).toBe(inherited(changes, [], uid));
      });
    }
  });
}

// Another user may not be able to search the checkout.
describe("a command inherits the same with an installed portcullis", () => {
  const launcher = resolve("dist/native", process.arch, "launcher");

  test("under the launcher's other name", () => {
    const portcullis = join(folder, "portcullis");
    symlinkSync(launcher, portcullis);
    const run = [portcullis, "run", "-q", "-p", "children", "--"];
    for (const [situation, settings] of Object.entries(situations)) {
      if (settings.includes("clear=0")) continue; // without PATH, Node may not be found
      expect({ situation, facts: inherited(settings, run) }).toEqual({
        situation,
        facts: inherited(settings, []),
      });
    }
  });

  test("recorded under the launcher's other name", () => {
    const record = [join(folder, "recorder", "portcullis"), "record", "-q", "--recorder", "notifier", "--append"];
    mkdirSync(join(folder, "recorder"));
    symlinkSync(launcher, record[0]!);
    const settings = ["ignore=1", "ignore=17", "block=10", "pending=12", "open=5:20", "limit=7:777", "word=ff"];
    const run = [...record, "-o", join(folder, "one.trace"), "--"];
    expect(inherited(settings, run)).toBe(inherited(settings, []));
  });

  test("by the launcher alone, from a bundle", () => {
    const bundle = join(folder, "static.pcl");
    const policy = resolve("policies/exec-once.ts");
    const fixed = ["--set", "isolated=true", "--set", "deny-proc-mem=false"];
    execFileSync(shell, ["compile", "-p", policy, ...fixed, "-o", bundle], { stdio: "inherit" });
    for (const settings of Object.values(situations)) {
      const run = [launcher, "run", bundle, "--"];
      expect(inherited(settings, run)).toBe(inherited(settings, []));
    }
  });

  // A shell reorders the environment, and drops entries that are not valid variables.
  test("through bin/portcullis, except for the order of the environment", () => {
    const settings = ["ignore=1", "block=10", "pending=12", "open=5:20", "limit=7:777", "word=ff"];
    const sorted = (text: string) => text.split("\n").sort().join("\n");
    const run = [shell, "run", "-q", "-p", resolve("policies/exec-once.ts"), "--"];
    expect(sorted(inherited(settings, run))).toBe(sorted(inherited(settings, [])));
  });
});
