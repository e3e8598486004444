/**
 * The confined tree lowers portcullis's limits on the size of files, so that lines for a regular file on standard error
 * are lost: the front writes about it, and where it cannot, the exit status shows it.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { asUser, copyFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { prepare, victim } from "./run.ts";

const folder = reachableFolder("silenced");
const program = join(folder, "bin/portcullis");
const policy = join(folder, "policy.ts");
/** With it the front raises a lowered hard limit again. */
const hasSysResource =
  ((BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]}`) >> 24n) & 1n) === 1n;

beforeAll(async () => {
  await prepare();
  for (const part of ["bin", "package.json", "policies"]) copyFor(folder, part);
  for (const file of readdirSync("dist"))
    if (/\.cjs$|^native$|^code-cache-node$/.test(file)) copyFor(folder, join("dist", file), join("dist", file));
  for (const part of ["node_modules/oxc-parser", "node_modules/@oxc-parser"]) copyFor(folder, part, part);
  writeFileSync(
    policy,
    `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "getppid" ? deny("EPERM") : allow));
`,
  );
  chmodSync(folder, 0o777);
});

const event = /^portcullis: .*getppid.* denied with EPERM/m;
const failed =
  /^portcullis: Node failed, or could not record all calls, or could not write all events and messages .*: the exit status is 125/m;
const ended = /^portcullis: Node was ended by signal 9 while the command ran/m;

for (const { name, uid } of users) {
  /** Standard error is a regular file. */
  const silence = (
    acts: readonly string[],
    verb: readonly string[] = ["run", "-p", policy],
    to: "file" | "pipe" = "file",
  ) => {
    const work = mkdtempSync(join(folder, "work-"));
    chmodSync(work, 0o777);
    const log = join(work, "log");
    const stderr = openSync(log, "a");
    const words = [program, ...verb, "--", victim("silence"), ...acts];
    const ran = spawnSync("setsid", ["-w", ...(uid === undefined ? words : asUser(uid, ...words))], {
      cwd: work,
      encoding: "utf8",
      env: { ...process.env, XDG_CACHE_HOME: join(work, "cache") },
      stdio: ["ignore", "pipe", to === "file" ? stderr : "pipe"],
      timeout: patience.command,
      killSignal: "SIGKILL",
    });
    closeSync(stderr);
    expect(ran.stdout).toBe("");
    const events = join(work, "events");
    return {
      status: statusInShell(ran),
      text: to === "file" ? readFileSync(log, "utf8") : ran.stderr,
      events: existsSync(events) ? readFileSync(events, "utf8") : "",
    };
  };
  const canRaise = hasSysResource && uid === undefined;

  describe(`a command of ${name} that lowers the limit of file sizes`, () => {
    test("of no process changes nothing", () => {
      const { status, text } = silence([]);
      expect({ status, text }).toEqual({ status: 3, text: expect.stringMatching(event) });
      expect(text).not.toMatch(failed);
    });

    test("of no process, and has a status of portcullis's, is not a failure", () => {
      const { status, text } = silence(["status-125"]);
      expect({ status, text }).toEqual({ status: 125, text: expect.stringMatching(event) });
      expect(text).not.toMatch(failed);
    });

    test("of the front alone changes nothing", () => {
      expect(silence(["front"])).toMatchObject({ status: 3, text: expect.stringMatching(event) });
    });

    test.each([
      ["events", ["run", "-p", policy]],
      ["events in a file, and the message that they are lost", ["run", "--events", "events", "-p", policy]],
      ["a recording, and the message that it is lost", ["record", "-o", "of.trace"]],
    ])("of Node does not silence %s", (_, verb) => {
      const { status, text, events } = silence(["node"], verb);
      expect({ status, text, events }).toEqual({ status: 125, text: expect.stringMatching(failed), events: "" });
      expect(text).not.toMatch(event);
    });

    test("of Node, which can write to a pipe, leaves the command's status", () => {
      const { status, text } = silence(["node"], ["run", "--events", "events", "-p", policy], "pipe");
      expect({ status, text }).toEqual({ status: 3, text: expect.stringContaining("events and is lost: EFBIG") });
      expect(text).not.toMatch(failed);
    });

    test.each([[["node", "front"]], [["front", "node"]]])("of Node and the front shows in the status (%s)", (acts) => {
      const text = canRaise ? expect.stringMatching(failed) : "";
      expect(silence(acts)).toMatchObject({ status: 125, text });
    });

    test("of the front, and kills Node, shows in the status, and the command gets no signal of it", () => {
      const raised = { status: 3, text: expect.stringMatching(ended) };
      expect(silence(["front", "kill"])).toMatchObject(canRaise ? raised : { status: 125, text: "" });
      expect(silence(["front-soft", "kill"])).toMatchObject(raised);
    });
  });
}
