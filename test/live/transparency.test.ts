/** Compares the attributes that the command inherits, byte for byte, with those of a start without portcullis. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { getPriority } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { asUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { front, prepare, supervisor, users, victim } from "./run.ts";

const shell = resolve("bin/portcullis");
const root = process.getuid?.() === 0;
/** Only root can lower that of `nice make test`. */
const niceness = Math.min(19, getPriority() + 5);

const folder = reachableFolder("transparency");
beforeAll(async () => {
  await prepare();
  chmodSync(folder, 0o777);
});

/** The output of the program, started by these words in this situation. */
function inherited(situation: readonly string[], start: readonly string[], uid?: number): string {
  const file = join(folder, "facts");
  rmSync(file, { force: true });
  const own = [victim("situation"), ...situation, "--", ...start, victim("inherited"), file, "a word", ""];
  const [program, ...words] = uid === undefined ? own : asUser(uid, ...own);
  const ran = spawnSync(program!, words, {
    encoding: "utf8",
    timeout: patience.command,
    env: { ...process.env, HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: "" });
  // Each start has a separate pipe.
  return readFileSync(file, "utf8").replace(/^(descriptor 2 .*) inode \d+ .*$/m, "$1");
}

const situations: Readonly<Record<string, readonly string[]>> = {
  "an ordinary start": [],
  "ignored, blocked and pending signals, as nohup leaves them": [
    ...["ignore=1", "ignore=2", "ignore=13", "ignore=17", "ignore=25"],
    ...["block=10", "block=34", "pending=12", "pending=35"],
  ],
  "standard streams that are closed": ["close=0", "close=1", "close=2", "open=5:5"],
  "fifty descriptors, with 3 to 20 and some beyond 1000": ["open=3:40", "open=1000:1012"],
  "low limits": ["limit=7:777", "limit=4:0", "limit=3:4000000", "limit=11:100"],
  "timers, a parent-death signal, scheduling": [
    ...["alarm=10000", "virtual=50000", "profile=70000", "death=15", "subreaper=1", "slack=77777", `nice=${niceness}`],
    ...["umask=7", "personality=0x40000", "processor=0", "ioprio=0x4003", "oom=300", "reset=3"],
  ],
  "words and an environment that are not UTF-8": [
    "word=ff00",
    "environment=413dff",
    "environment=622d633d31",
    "word=c3",
  ],
  "an empty environment, and no PATH": ["clear=0"],
  "a variable that portcullis uses itself": ["environment=504f525443554c4c49535f4c41554e434845523d39"],
};

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
