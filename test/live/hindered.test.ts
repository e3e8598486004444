/** Tests the start and doctor inside another supervisor and under a tracer. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/engines/engine/finding.ts";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";

let folder = "";
/** Has a supervisor, but none of the test's calls needs it. */
let outer = "";
/** Needs a supervisor for getppid, but not for mkdir. */
let inner = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-hindered-"));
  outer = join(folder, "outer.ts");
  inner = join(folder, "inner.ts");
  writeFileSync(
    outer,
    `import { allow, perTree, policy } from "portcullis";
const asked = perTree.counter();
export default policy((call) => {
  if (call.name === "acct") asked.add(1n);
  return allow;
});
`,
  );
  writeFileSync(
    inner,
    `import { allow, deny, perProcess, policy } from "portcullis";
const used = perProcess.flag();
export default policy((call) => {
  if (call.name === "mkdir") return deny("EROFS");
  if (call.name === "getppid") {
    if (used.get()) return deny("EPERM");
    used.set(true);
  }
  return allow;
});
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = join(process.cwd(), "bin/portcullis");
const insideAnother = (...words: readonly string[]) => portcullis(["run", "-q", "-p", outer, "--", program, ...words]);
const findingsOf = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Finding);

describe("inside another supervisor", () => {
  it("refuses to start a policy that needs its own supervisor", () => {
    const ran = insideAnother("run", "-p", inner, "--", "/bin/true");
    expect(ran.status).toBe(125);
    expect(ran.stderr).toContain("error P0911: another supervisor already listens here");
  });

  it("names the cause if the other one cannot follow its processes", () => {
    // Root can trace a process that is not dumpable, so the program runs without that capability.
    const plain = process.getuid?.() === 0 ? ["setpriv", "--inh-caps=-sys_ptrace", "--bounding-set=-sys_ptrace"] : [];
    const words = [...plain, program, "run", "-q", "-p", inner, "--", program, "run", "-p", inner, "--", "/bin/true"];
    const { status, stderr } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", timeout: patience.command });
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr:
        "portcullis: a process cannot be created\n  help: an outer sandbox refuses it, such as another portcullis whose policy follows new processes (docs/engines.md)\n",
    });
  });

  it.each(["sendmsg", "sendto"])("ends with a message if the other one refuses %s", (refused) => {
    const silent = join(folder, `${refused}.ts`);
    const verdict = `call.name === "${refused}" ? deny("EPERM") : allow`;
    writeFileSync(
      silent,
      `import { allow, deny, policy } from "portcullis";\nexport default policy((call) => (${verdict}));\n`,
    );
    const ran = portcullis(["run", "-q", "-p", silent, "--", program, "run", "-p", inner, "--", "/bin/true"]);
    expect(ran.status).toBe(125);
    expect(ran.stderr).toContain(
      refused === "sendmsg"
        ? "error P0911: the launcher cannot pass descriptors to its parent (EPERM)\n  help: an outer sandbox refuses sendmsg"
        : "error P0911: the launcher ended before it had started the command",
    );
  });

  it("enforces the static part with --best-effort, and reports it", () => {
    const made = join(folder, "made");
    const command = ["/bin/sh", "-c", `mkdir ${made}; echo $?`];
    const ran = insideAnother("run", "--best-effort", "-p", inner, "--", ...command);
    expect({ status: ran.status, stdout: ran.stdout }).toEqual({ status: 0, stdout: "1\n" });
    expect(ran.stderr).toContain("Read-only file system");
    expect(ran.stderr).toContain("BEST EFFORT: only the policy's static part is enforced");
  });

  it("is detected by doctor", () => {
    const ran = insideAnother("doctor", "--json");
    expect(ran.status).toBe(1);
    const missing = findingsOf(ran.stdout).filter((finding) => finding.state === "missing");
    expect(missing.map((finding) => finding.what)).toContain(
      "engine notify: an outer sandbox already has a supervisor (EBUSY)",
    );
    for (const finding of missing) expect(finding.help).toBeTruthy();
  });
});

describe("a bundle on a kernel without the series", () => {
  it.for([[], ["--engine", "notify"], ["--best-effort"]])("is refused with the reason: %s", (options, context) => {
    const bundle = join(folder, "inner.pcl");
    expect(portcullis(["compile", "-p", inner, "-o", bundle]).status).toBe(0);
    const { status, stderr } = portcullis(["run", "-q", ...options, "-p", bundle, "--", "/bin/true"]);
    if (status === 0) context.skip("this kernel has the series, and runs the bundle");
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining("error P0911: ") as string });
    expect(stderr).toContain("help: run the policy that it was compiled from; `launcher run --best-effort`");
  });
});

describe("under a tracer", () => {
  it("reports in doctor that processes cannot be followed", () => {
    const ran = spawnSync("strace", ["-f", "-o", "/dev/null", program, "doctor", "--json"], {
      encoding: "utf8",
      timeout: patience.command,
    });
    expect(ran.status).toBe(1);
    const missing = findingsOf(ran.stdout).filter((finding) => finding.state === "missing");
    expect(missing.map((finding) => finding.what)).toEqual(
      expect.arrayContaining([
        "engine notify: this process is traced",
        "engine notify: new processes cannot be followed",
      ]),
    );
  });
});
