import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { patience } from "../support/patience.ts";
import { eachInMachine, inMachine, type MachineOptions, unable } from "./vm.ts";

const reason = unable("stock");
const stock: MachineOptions = { kernel: "stock" };
const shell = (script: string, options: Partial<MachineOptions> = {}, input?: string) =>
  inMachine({ ...stock, ...options }, ["sh", "-c", script], input);

// Each test starts a machine, which takes seconds, or longer under load.
describe("the test machine", { timeout: patience.machineTest }, () => {
  it("passes standard input, output, errors and the status", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const text = `${"x".repeat(300_000)}\n`;
    const ran = await shell("cat; echo wrong >&2; exit 42", {}, text);
    expect({ ...ran, stdout: ran.stdout === text }).toEqual({ status: 42, stdout: true, stderr: "wrong\n" });
  });

  /** A folder with an emulator that is a shell script. Returns a function that runs `cat` in a machine of this emulator. */
  const emulated = () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-emulator-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const path = process.env["PATH"] ?? "";
    const env = { ...process.env, PATH: `${folder}:${path}` };
    return async (script: string, seconds = 60): Promise<{ readonly stdout: string; readonly stderr: string }> => {
      const text = `#!/bin/sh\ncd '${folder}'\nPATH='${path}'\n${script}\n`;
      writeFileSync(join(folder, "qemu-system-x86_64"), text, { mode: 0o755 });
      const words = ["run", "--kernel", "stock", "--boot-timeout", `${seconds}`, "--", "cat"];
      const running = promisify(execFile)("kernel/vm", words, { env });
      running.child.stdin!.end("input");
      return running;
    };
  };
  const real = 'exec qemu-system-x86_64 "$@"';

  it("is replaced by another if QEMU fails before the command begins", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const fault = "qemu-system-x86_64: system/physmem.c:2671: iotlb_to_section: Assertion 'section_index' failed.";
    const fails = `{ echo "${fault}" >&2; kill -6 $$; }`;
    const run = emulated();
    const said = `vm: the machine ended before the command began: ${fault}`;
    expect(await run(`mkdir first 2>/dev/null && ${fails}\n${real}`)).toEqual({
      stdout: "input",
      stderr: `${said}: starting another\n`,
    });
    await expect(run(fails)).rejects.toMatchObject({
      code: 125,
      stderr: `${said}: starting another\n${said}: starting another\n${said}\n`,
    });
    // Another machine would fail for the same reason.
    await expect(run("echo no such image >&2; exit 1")).rejects.toMatchObject({
      code: 125,
      stderr: "vm: the machine ended before the command did: no such image\n",
    });
  });

  it("is replaced by another if it does not boot in time", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const run = emulated();
    const late = (seconds: number) => `vm: the machine has not booted in ${seconds} s (--boot-timeout)`;
    await expect(run("exec sleep 1000", 1)).rejects.toMatchObject({
      code: 125,
      stderr: `${late(1)}: starting another\n${late(1)}: starting another\n${late(1)}\n`,
    });
    // The second machine must boot in this time, also beside busy processes.
    expect(await run(`mkdir first 2>/dev/null && exec sleep 1000\n${real}`, 60)).toEqual({
      stdout: "input",
      stderr: `${late(60)}: starting another\n`,
    });
  });

  it("loses no output that comes with the begin", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const zeros = (count: number) => "\\0".repeat(count);
    // Frames: the begin, output "hi", and the end with status 0.
    const frames = `b${zeros(4)}o\\2${zeros(3)}hix\\14${zeros(15)}`;
    expect(await emulated()(`printf '${frames}' >&4\nexec sleep 1000`)).toEqual({ stdout: "hi", stderr: "" });
  });

  it("passes bytes unchanged", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const hash = createHash("sha256")
      .update(Buffer.alloc(1 << 20, 0xff))
      .digest("hex");
    const ran = await shell(`head -c 1048576 /dev/zero | tr '\\0' '\\377' | sha256sum`);
    expect(ran.stdout.slice(0, 64)).toBe(hash);
  });

  it("runs many commands in one machine: users, signals, namespaces, files, the unprivileged mode", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const sh = (script: string, more = {}) => ({ words: ["sh", "-c", script], ...more });
    const [killed, missing, user, namespace, files, sysctl, waits, children, loopback] = await eachInMachine(stock, [
      sh("kill -SEGV $$"),
      { words: ["/nonexistent"] },
      sh("id -u; id -g", { uid: 65534 }),
      sh("unshare -Ur id -u", { uid: 65534 }),
      sh("echo text >made-in-the-machine; cat made-in-the-machine; ls package.json"),
      sh("cat /proc/sys/kernel/unprivileged_bpf_disabled"),
      sh("sleep 3600", { timeout: 1 }),
      // A background process ends with the machine.
      sh("sleep 3600 >/dev/null 2>&1 & echo done"),
      sh("ip addr show lo 2>/dev/null || cat /proc/net/fib_trie"),
    ]);
    expect(killed).toMatchObject({ status: null, signal: "SIGSEGV" });
    expect(missing?.stderr).toContain("ENOENT");
    expect(user).toMatchObject({ status: 0, stdout: "65534\n65534\n" });
    expect(namespace).toMatchObject({ status: 0, stdout: "0\n" });
    expect(files).toMatchObject({ status: 0, stdout: "text\npackage.json\n" });
    expect(sysctl?.stdout).toBe("0\n");
    expect(waits?.signal).toBe("SIGKILL");
    expect(children?.stdout).toBe("done\n");
    expect(loopback?.stdout).toContain("127.0.0.1");
  });

  it("accepts user, sysctl, environment and kernel command line", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const ran = await shell(
      "id -u; cat /proc/sys/kernel/unprivileged_bpf_disabled /proc/cmdline; echo $COLOUR; nproc",
      {
        user: "1000",
        sysctls: { "kernel.unprivileged_bpf_disabled": 2 },
        env: { COLOUR: "blue" },
        append: ["portcullis.word"],
        icount: true,
      },
    );
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^1000\n2\n.* mitigations=off portcullis\.word\nblue\n1\n$/);
  });

  it("counts time with the host's counter, whose frequency the kernel need not measure", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const { status, stdout } = await shell("cat /proc/cmdline; dmesg | grep 'tsc: Detected' | tail -n 1");
    expect(status).toBe(0);
    const [, given, found] = / tsc_early_khz=(\d+)\s.*Detected (\d+\.\d+) MHz/s.exec(stdout) ?? [];
    expect(Number(found) * 1000).toBeCloseTo(Number(given), 0);
    const measured = Number(execFileSync("build/kernel/tsc_khz", { encoding: "latin1" }));
    expect(Math.abs(measured / Number(given) - 1)).toBeLessThan(0.001);
  });

  it("builds its programs for several machines that start at once", async () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-machine-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const make = () => promisify(execFile)("make", ["-s", "-C", "kernel", `OUT=${folder}/programs`]);
    await Promise.all([make(), make(), make(), make()]);
    expect(readdirSync(`${folder}/programs`).sort()).toEqual(["init", "tsc_khz"]);
  });

  it("lets every user work in a folder that only root can reach on the host", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const closed = mkdtempSync(join(tmpdir(), "portcullis-closed-"));
    onTestFinished(() => rmSync(closed, { recursive: true }));
    const cwd = join(closed, "a b/ü");
    mkdirSync(cwd, { recursive: true });
    const ran = await shell("id -u; pwd; stat -c %a ../..", { user: "65534", cwd });
    expect(ran).toMatchObject({ status: 0, stdout: `65534\n${cwd}\n711\n`, stderr: "" });
    expect(statSync(closed).mode & 0o777).toBe(0o700);
  });

  it("refuses a sysctl that the kernel does not have", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const ran = await shell("true", { sysctls: { "kernel.nonsense": 1 } });
    expect(ran.status).toBe(125);
    expect(ran.stderr).toContain("the command was not started: sysctl kernel.nonsense: No such file or directory");
  });

  it("fails and shows the console when the kernel prints a warning, with any status of the command", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const ran = await shell("echo '<4>WARNING: suspicious RCU usage' >/dev/kmsg; echo out; exit 0");
    expect(ran).toMatchObject({ status: 125, stdout: "out\n" });
    expect(ran.stderr).toMatch(
      /^\[.*\] WARNING: suspicious RCU usage\nvm: the kernel reported an error: WARNING: suspicious RCU usage\n$/m,
    );
  });

  it("reports that the kernel crashed", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const ran = await shell("echo c >/proc/sysrq-trigger", { timeout: 300 });
    expect(ran.status).toBe(125);
    expect(ran.stderr).toMatch(/vm: the kernel reported an error: (Kernel panic|Oops|BUG)/i);
  });

  it("does not end a machine whose command prints", async (context) => {
    if (reason !== undefined) context.skip(reason);
    for (let timeout = 20; ; timeout *= 2) {
      const start = performance.now();
      const ran = await shell(`for line in $(seq ${2 * timeout}); do echo $line; sleep 1; done`, { timeout });
      // The start prints nothing, and on a busy machine it can take longer.
      if (ran.stdout === "" && timeout < 1000) continue;
      expect(ran).toMatchObject({ status: 0, stderr: "" });
      // The machine's clock is not faster than the host's.
      expect(performance.now() - start).toBeGreaterThan(0.99 * 2000 * timeout);
      break;
    }
  });

  it("ends a machine that hangs", async (context) => {
    if (reason !== undefined) context.skip(reason);
    // If the machine has not started its command in that time, try again with a longer one.
    for (let timeout = 20; ; timeout *= 2) {
      const ran = await shell("echo begun; sleep 36000", { timeout });
      expect(ran.status).toBe(124);
      expect(ran.stderr).toContain(`vm: neither output nor an end for ${timeout} s (--timeout)`);
      if (ran.stdout === "" && timeout < 1000) continue;
      // For each hanging task: its name, its state, and the functions of the kernel in which it waits.
      expect(ran.stderr).toMatch(/ \(sleep\) S .*\n.*\n(.*\n)*.*hrtimer_nanosleep/);
      expect(ran.stdout).toBe("begun\n");
      break;
    }
  });
});
