/**
 * Policies that refuse the calls that set up a caller's window: arguments are pinned nevertheless, the caller's own calls
 * are refused as without pinning, and no descriptor stays open in the caller.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { numberOf } from "../../src/abi/calls.ts";
import { compiled, engine, type Guarded, guarded, portcullis } from "../support/run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-filters-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pins = `if (call.name === "openat") return call.args.path.text.is("/never") ? deny("EXFULL") : allow;`;
const rules = {
  "mmap of shared memory": (verdict: string) =>
    `if (call.name === "mmap" && call.args.flags.has("MAP_SHARED")) return ${verdict};`,
  madvise: (verdict: string) => `if (call.name === "madvise") return ${verdict};`,
  mseal: (verdict: string) => `if (call.name === "mseal") return ${verdict};`,
  "close of what is above 2": (verdict: string) =>
    `if (call.name === "close" && call.args.fd > 2n && call.args.fd !== 9n) return ${verdict};`,
} as const;
const verdicts = [`deny("EXFULL")`, `kill("process")`, `kill("thread")`] as const;

let count = 0;
function run(statements: string, quiet: boolean, ...command: readonly string[]) {
  const file = join(folder, `${count++}.ts`);
  const text = `import { allow, deny, kill, policy } from "portcullis";\nexport default policy((call) => {\n${statements}\nreturn allow;\n});\n`;
  writeFileSync(file, text);
  // With events, the filter reports denials instead of giving them.
  if (!quiet) return guarded(file, command);
  return { ...portcullis(["run", "-q", "--engine", engine, "-p", file, "--", ...command]), events: [] };
}

for (const quiet of [true, false]) {
  describe.each(verdicts)(`with %s${quiet ? ", quietly" : ""}`, (verdict) => {
    for (const [name, rule] of Object.entries(rules)) {
      it(`for ${name}`, () => {
        const attempt = compiled("test/live/pin/without-library.c", ["-nostdlib", "-static", "-ffreestanding"]);
        const { stdout, status, events } = run(`${pins}\n${rule(verdict)}`, quiet, attempt);
        expect({ stdout, status }).toEqual({ stdout: "opened 3 next 4\n", status: 0 });
        expect(events).toEqual([]);
      });
    }
  });
}

describe("a caller with a filter of its own", () => {
  /** The filter gives this call that value, and a child of its process opens a file twice. */
  const runWithFilter = (call: string, returned: number) => {
    writeFileSync(join(folder, "allowed"), "allowed");
    const policy = join(folder, "own.ts");
    const step = `export default policy((call) => {\n${pins}\nreturn allow;\n});`;
    writeFileSync(policy, `import { allow, deny, policy } from "portcullis";\n${step}\n`);
    const number = numberOf(call, hostArchitecture()!)!;
    const words = [compiled("test/live/victims/filters.c"), `${number}`, `${returned}`];
    return guarded(policy, words, [], { cwd: folder });
  };
  const traps = 0x3_0000;
  const refuses = 0x5_0026;

  it.each([
    ["mmap", traps, "cannot map memory"],
    ["madvise", traps, "cannot protect the memory"],
    ["mseal", traps, "cannot protect the memory"],
    ["mseal", refuses, "cannot protect the memory"],
  ])("is refused with the reason, and gets no signal: %s by %i", (call, returned, reason) => {
    const { stdout, status, decisions } = runWithFilter(call, returned);
    expect({ stdout, status }).toEqual({ stdout: `-1 -1, traps 0, ${returned === traps ? 1 : 0}\n`, status: 0 });
    const wanted = expect.stringContaining(reason);
    expect(decisions.map((one) => one.reason)).toEqual([wanted, wanted]);
  });

  it("which traps close is served", () => {
    expect(runWithFilter("close", traps).stdout).toBe("0 0, traps 0, 1\n");
  });
});

describe("a tracer inside the tree", () => {
  const strace = (context: TestContext, statements: string) => {
    if (spawnSync("strace", ["-V"]).error !== undefined) context.skip("strace is not installed");
    const output = join(folder, "trace");
    const script = "echo a; /bin/echo b; (echo c)";
    const ran = run(statements, false, "strace", "-f", "-e", "trace=write", "-o", output, "/bin/sh", "-c", script);
    return { ...ran, written: existsSync(output) ? readFileSync(output, "utf8").match(/write\(1/g)?.length : 0 };
  };

  it("works on programs whose calls are not pinned", (context) => {
    const statements = `if (call.name === "connect") return call.args.addr.kind === "vsock" ? deny("EXFULL") : allow;`;
    const { stdout, written, status, events } = strace(context, statements);
    expect({ stdout, written, status, events }).toEqual({ stdout: "a\nb\nc\n", written: 3, status: 0, events: [] });
  });

  it("makes the pinned calls of its tracees fail, and events say why", (context) => {
    const statements = `if (call.name === "execve") return call.args.path.text.is("/never") ? deny("EXFULL") : allow;`;
    const { stdout, decisions } = strace(context, statements) as Guarded & ReturnType<typeof strace>;
    expect(stdout).toBe("");
    expect(decisions[0]).toMatchObject({ call: "execve", verdict: "deny", errno: "EPERM" });
    expect(decisions[0]!.reason).toMatch(/could not be pinned: strace\[\d+\] traces the caller/);
    expect(decisions[0]!.advice).toContain("without conditions on the memory behind this call's pointers");
  });
});

describe("gdb inside the tree, attached to a program that opens a file on request", () => {
  const program = `
import os
print("ready", flush=True)
while os.read(0, 1):
    try:
        os.close(os.open("/dev/null", os.O_WRONLY))
        print("opened", flush=True)
    except OSError as error: print(error.strerror, flush=True)`;
  const script = `
cd $(mktemp -d -p "$1"); mkfifo in out
python3 -c "$2" < in > out & tracee=$!
exec 3> in 4< out; next() { read line <&4; echo "$1: $line"; }
next start; printf x >&3; next before
gdb -nx -batch -p $tracee -ex 'catch syscall openat' -ex 'shell printf x >&3' -ex continue -ex continue -ex detach > log 2>&1
grep -c '^Catchpoint 1 (.*syscall openat)' log
next traced; printf x >&3; next after
exec 3>&-; wait $tracee; echo $?`;
  const attached = (context: TestContext, statements: string) => {
    for (const tool of ["gdb", "python3"])
      if (spawnSync(tool, ["--version"]).error !== undefined) context.skip(`${tool} is not installed`);
    const { stdout, events } = run(statements, false, "bash", "-c", script, "bash", folder, program);
    return { lines: stdout.trim().split("\n"), events };
  };

  it("stops at calls that are not pinned, and at their return", (context) => {
    const statements = `if (call.name === "connect") return call.args.addr.kind === "vsock" ? deny("EXFULL") : allow;`;
    const { lines, events } = attached(context, statements);
    expect(lines).toEqual(["start: ready", "before: opened", "2", "traced: opened", "after: opened", "0"]);
    expect(events).toEqual([]);
  });

  it("makes a pinned call fail; earlier and later calls succeed", (context) => {
    const { lines, events } = attached(context, pins);
    const refused = "traced: Operation not permitted";
    expect(lines).toEqual(["start: ready", "before: opened", "2", refused, "after: opened", "0"]);
    expect(events).toMatchObject([{ kind: "decision", call: "openat", verdict: "deny", errno: "EPERM" }]);
    expect(events[0]).toHaveProperty("reason", expect.stringMatching(/gdb\[\d+\] traces the caller/));
  });
});

describe("a caller that makes the supervisor's calls itself", () => {
  const attempt = () => compiled("test/live/pin/without-library.c", ["-nostdlib", "-static", "-ffreestanding"]);
  it.each(["mmap", "madvise", "mseal", "close"])("is judged by the policy: %s", (call) => {
    const rule = `if (call.name === "${call}") return deny("EXFULL");`;
    const { stdout } = run(`${pins}\n${rule}`, true, attempt(), call);
    expect(stdout).toBe("opened 3 next 4\nown call -54\n");
  });
  it("is killed if the policy kills", () => {
    const { status } = run(`${pins}\nif (call.name === "mseal") return kill("process");`, true, attempt(), "mseal");
    expect(status).toBe(137);
  });
});
