/** Limits of resources with which portcullis is started: which of them are for the command alone, and what it says of others. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describePinObstacle } from "../../src/events/obstacles.ts";
import type { JudgementRecord } from "../../src/events/record.ts";
import { patience } from "../support/patience.ts";
import { Conversation, prepare } from "./run.ts";

type PinRefusal = NonNullable<JudgementRecord["pin"]>;
const program = resolve("bin/portcullis");
let folder = "";
beforeAll(async () => {
  await prepare();
  folder = mkdtempSync(join(tmpdir(), "portcullis-limits-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("limits", () => {
  const paths = () => {
    const file = join(folder, "paths.ts");
    const rule = 'call.name === "openat" && call.args.path.text.is("/never") ? deny("EPERM") : allow';
    const library = 'import { allow, deny, policy } from "portcullis";';
    writeFileSync(file, `${library}\nexport default policy((call) => (${rule}));\n`);
    return file;
  };
  const limited = (limit: string, command: string) =>
    // bash reads ~/.bashrc if its input is a socket, as here, and that may write files.
    spawnSync(
      "bash",
      [
        ...["--norc", "-c", `ulimit ${limit}; exec "$@"`, "bash"],
        ...[program, "run", "-p", paths(), "--", "bash", "--norc", "-c", command],
      ],
      {
        encoding: "utf8",
        timeout: patience.command,
      },
    );

  test.each([
    ["of file sizes", "-S -f 1024", "1024"],
    ["of file sizes, 0,", "-S -f 0", "0"],
    ["of data", "-S -d 1000", "1000"],
    ["of the address space", "-S -v 300000", "300000"],
    ["of processor time", "-S -t 1", "1"],
    ["of the stack", "-S -s 128", "128"],
  ])("a soft limit %s is for the command, not for the supervisor", (_, limit, value) => {
    const { status, stdout, stderr } = limited(limit, `ulimit ${limit.split(" ")[1]}`);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${value}\n`, stderr: "" });
  });

  test("a hard limit of file sizes below 1 MiB prevents the start of a policy about memory only", () => {
    const { status, stdout, stderr } = limited("-f 1000", "echo ran");
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toContain("the limit of file sizes is too low (ulimit -f)");
    expect(
      spawnSync("bash", ["-c", 'ulimit -f 0; exec "$0" run -q -p children -- echo ran', program], { encoding: "utf8" }),
    ).toMatchObject({
      status: 0,
      stdout: "ran\n",
    });
  });

  test("if another process lowers the supervisor's limit of file sizes, the event says so", async (context) => {
    if (spawnSync("prlimit", ["--version"]).error !== undefined) context.skip("prlimit is not installed");
    const one = new Conversation({ program: "paths" }, "sh", "-c", "echo ready; read line; cat /dev/null; exit 6");
    try {
      expect(await one.line()).toBe("ready");
      execFileSync("prlimit", ["--fsize=900000:900000", "--pid", String(one.supervisor)]);
      one.end();
      expect(await one.ended).toEqual({ status: 6, signal: null });
      const pins = one.events.flatMap(({ pin }) => (pin === undefined ? [] : [pin as PinRefusal]));
      expect(pins).toContainEqual(expect.objectContaining({ why: "no-window", errno: constants.errno.EFBIG }));
      expect(describePinObstacle(pins[0]!).cause).toBe(
        "portcullis cannot make the memory that it shares with the caller (EFBIG)",
      );
    } finally {
      one.close();
    }
  });

  test("a hard limit of processor time that ends Node is named", () => {
    const script = join(folder, "busy.cjs");
    const launcher = resolve("dist/native", process.arch, "launcher");
    writeFileSync(script, "for (;;);");
    const words = [
      "-c",
      'ulimit -t 1; exec "$@"',
      "bash",
      launcher,
      "supervise",
      process.execPath,
      script,
      "run",
      "true",
    ];
    const { status, stderr } = spawnSync("bash", words, { encoding: "utf8", timeout: patience.command });
    expect(status).toBe(125);
    expect(stderr).toContain("help: its processor time is limited: ulimit -t unlimited");
  });
});
