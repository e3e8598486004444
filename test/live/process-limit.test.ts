/** `limits`: the kernel's count of processes where the tree has a user namespace, the step's where the kernel exempts it. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { asUser, ordinaryUser, programFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";

const folder = reachableFolder("limits");
chmodSync(folder, 0o777);
const policy = join(folder, "limited.ts");
writeFileSync(
  policy,
  `import { allow, parameter, policy } from "portcullis";
const most = parameter.integer("most", { default: 16n });
export default policy({ files: { private: ["/tmp"] }, limits: { processes: most, privateSize: 1_048_576n } }, () => allow);
`,
);
const most = 16;

/** What a hostile program needs; each test adds its attempt. Forked processes last until the tree ends. */
const common = `
import ctypes, errno, os, resource, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def bomb(most=100):
    made = 0
    try:
        while made < most:
            if os.fork() == 0:
                signal.pause()
                os._exit(0)
            made += 1
    except OSError as error: return made, errno.errorcode[error.errno]
    return made, "none"
def say(*words): print(*words, flush=True)
def end(): os.killpg(0, signal.SIGKILL)
`;

for (const { name, uid } of users) {
  describe(`as ${name}`, () => {
    const program = uid === undefined ? [resolve("bin/portcullis")] : programFor(folder);
    const byKernel = uid !== undefined || process.getuid?.() !== 0;
    const environment = { PATH: process.env["PATH"], HOME: join(folder, "home"), LANG: "C" };
    const line = (script: string, started = program, options: readonly string[] = []) => [
      ...["setsid", "--wait", ...started, "run", "-q", "-p", policy, "--kill-tree", ...options, "--"],
      ...["/usr/bin/python3", "-W", "ignore", "-c", common + script],
    ];
    function run(script: string, started = program, options: readonly string[] = []): string {
      const [file, ...words] = line(script, started, options);
      const { stdout, stderr } = spawnSync(file!, words, {
        cwd: "/",
        env: environment,
        encoding: "utf8",
        timeout: patience.command,
        killSignal: "SIGKILL",
      });
      return `${stdout}${stderr}`;
    }

    it("a fork bomb ends at the limit, and each generation counts", () => {
      expect(run("say(*bomb()); end()")).toBe(`${most - 1} EAGAIN\n`);
      const generations = `
r, w = os.pipe()
def grow():
    os.write(w, b"x")
    while True:
        try:
            if os.fork() == 0: os.write(w, b"x")
        except OSError:
            time.sleep(0.02)
if os.fork() == 0: grow()
seen = 0
while seen < ${most - 1}: seen += len(os.read(r, 100))
time.sleep(0.3)
os.set_blocking(r, False)
try: seen += len(os.read(r, 100))
except BlockingIOError: pass
say(seen)
end()`;
      expect(run(generations)).toBe(`${most - 1}\n`);
    });

    it("a process that has ended makes room for another one", () => {
      expect(
        run(`
for n in range(100):
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
say("made", *bomb()); end()`),
      ).toBe(`made ${most - 1} EAGAIN\n`);
    });

    it("a tree at its limit limits neither another tree nor processes outside", async () => {
      const [file, ...words] = line("say(*bomb()); time.sleep(100)");
      const full = spawn(file!, words, { cwd: "/", env: environment, stdio: ["ignore", "pipe", "ignore"] });
      try {
        const said = await new Promise<string>((resolved) => full.stdout.once("data", (text) => resolved(`${text}`)));
        expect(said).toBe(`${most - 1} EAGAIN\n`);
        expect(run("say(*bomb()); end()")).toBe(`${most - 1} EAGAIN\n`);
        const outside = ["/usr/bin/python3", "-c", `${common}os.setsid()\nsay(*bomb(40)); end()`];
        const [shell, ...rest] = uid === undefined ? outside : asUser(uid, ...outside);
        expect(spawnSync(shell!, rest, { encoding: "utf8" }).stdout).toBe("40 none\n");
      } finally {
        full.kill("SIGKILL");
      }
    });

    it("0 is no limit", () => {
      expect(run("say(*bomb(40)); end()", program, ["--set", "most=0"])).toBe("40 none\n");
    });

    it("a private directory holds so many bytes and files", () => {
      const fill = `
size = count = 0
try:
    with open("/tmp/size", "wb", buffering=0) as file:
        while size < 1 << 24: size += file.write(bytes(4096))
except OSError as error: say(size, errno.errorcode[error.errno])
os.unlink("/tmp/size")
try:
    while count < 5000: os.mknod("/tmp/%d" % count); count += 1
except OSError as error: say(count < 1024, errno.errorcode[error.errno])`;
      expect(run(fill)).toBe("1048576 ENOSPC\nTrue ENOSPC\n");
    });

    const told = (
      script: string,
      without: readonly string[] = ["-q"],
    ): { readonly status: number | null; readonly stderr: string } => {
      const [file, ...words] = line(script).filter((word) => !without.includes(word));
      const options = { cwd: "/", env: environment, encoding: "utf8", timeout: patience.command } as const;
      return spawnSync(file!, words, { ...options, killSignal: "SIGKILL" });
    };
    const reached = /permits no more: .*|as many processes and threads as .*\(16\).*/g;

    it("a tree that has reached its limits is told once of each, with the option", () => {
      const { stderr } = told("say(*bomb()); open('/tmp/x', 'wb').write(bytes(1 << 20)); time.sleep(3); end()");
      const full = stderr.match(/\/tmp of the tree was full \(`limits\.privateSize`\): .*/g);
      expect(full).toHaveLength(1);
      expect(stderr.match(reached)).toHaveLength(1);
      expect(stderr.match(reached)?.[0]).toMatch(/; to permit (?:it|more): --set most=32$/);
    });

    it("a tree that stays below its limits is told nothing", () => {
      const { stderr } = told("say(*bomb(8)); open('/tmp/x', 'wb').write(bytes(1 << 19)); time.sleep(1.5); end()");
      expect(stderr).toBe("");
    });

    it("processes that leave their parents and sessions, under any name, are in the count", () => {
      const { stderr } = told(`
for _ in range(20):
    try: pid = os.fork()
    except OSError: break
    if pid == 0:
        os.setsid()
        open("/proc/self/comm", "wb").write(b")\\n1 (x\\x1b[2K")
        try:
            if os.fork() == 0: signal.pause()
        except OSError: pass
        os._exit(0)
    os.waitpid(pid, 0)
try: os.fork() or signal.pause()
except OSError: pass
time.sleep(2.5)`);
      // Each fork that the step refuses is an event.
      expect(stderr.match(reached)?.length).toSatisfy((count: number) => (byKernel ? count === 1 : count >= 1));
      expect([...stderr].filter((one) => one < " " && one !== "\n")).toEqual([]);
    });

    it("a tree that takes the descriptors from the launcher ends as usual", () => {
      // With --kill-tree the shield refuses this prlimit.
      const { status, stderr } = told(
        `
resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))
made = []
try:
    for _ in range(100):
        pid = os.fork()
        if pid == 0: signal.pause()
        made.append(pid)
except OSError: pass
time.sleep(1.5)
for pid in made: os.kill(pid, signal.SIGKILL)
os._exit(3)`,
        ["-q", "--kill-tree"],
      );
      expect({ status, crashed: /internal error|launcher was killed|Traceback/.test(stderr) }).toEqual({
        status: 3,
        crashed: false,
      });
    });

    if (!byKernel) return;

    it("threads count, too", () => {
      const threads = `
made = 0
try:
    while made < 100: threading.Thread(target=time.sleep, args=(100,), daemon=True).start(); made += 1
except RuntimeError: say(made)
say(*bomb()); end()`;
      expect(run(threads)).toBe(`${most - 1}\n0 EAGAIN\n`);
    });

    it("no process raises the limit, its own or another's", () => {
      const raise = `
def attempt(pid, limit):
    try: resource.prlimit(pid, resource.RLIMIT_NPROC, limit); say("raised", pid)
    except (OSError, ValueError): pass
child = os.fork()
if child == 0: signal.pause()
for limit in ((${most + 1}, ${most + 1}), (-1, -1), (${most}, 1000)):
    for pid in (0, child): attempt(pid, limit)
say(*bomb()); end()`;
      expect(run(raise)).toBe(`${most - 2} EAGAIN\n`);
    });

    it("a user namespace of the tree has the same limit, as root of it and after a change of users", () => {
      const nested = `
uid, gid = os.getuid(), os.getgid()
pid = os.fork()
if pid > 0:
    os.waitpid(pid, 0)
    end()
if libc.unshare(0x10000000) != 0: say("no namespace")
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write("0 %d 1" % uid)
open("/proc/self/gid_map", "w").write("0 %d 1" % gid)
os.setuid(0)
for limit in ((1000, 1000), (-1, -1)):
    try: resource.setrlimit(resource.RLIMIT_NPROC, limit); say("raised")
    except (OSError, ValueError): pass
try: os.setuid(1000); say("changed")
except OSError: pass
if libc.unshare(0x10000000) != 0: say("no second namespace")
say(os.getuid() != 0, *bomb())`;
      expect(run(nested)).toBe(`True ${most - 2} EAGAIN\n`);
    });

    it("a lower limit that the command's user had stays", () => {
      const limits = "say(*resource.getrlimit(resource.RLIMIT_NPROC))";
      const started = ["prlimit", "--nproc=900:1000", ...program];
      expect(run(limits, started)).toBe(`${most} ${most}\n`);
      expect(run(limits, started, ["--set", "most=950"])).toBe("900 950\n");
      expect(run(limits, started, ["--set", "most=4000000"])).toBe("900 1000\n");
    });
  });
}

if (process.getuid?.() === 0)
  describe("where the kernel exempts the user, the step counts", () => {
    const mapped = (...ids: readonly string[]) => ["unshare", "--user", ...ids];
    it.each([
      ["root of the first namespace under another number", [...mapped("--map-user=1000", "--map-group=1000")]],
      ["root of a namespace", asUser(ordinaryUser, ...mapped("--map-root-user"))],
    ])("%s", (_, before) => {
      const program = programFor(folder);
      const own =
        before[0] === "setpriv"
          ? [...before, ...program.slice(program.indexOf("env"))]
          : [...before, resolve("bin/portcullis")];
      const [file, ...words] = [
        ...[...own, "run", "-q", "-p", policy, "--kill-tree", "--", "/usr/bin/python3", "-c"],
        `${common}os.setsid()\nsay(*bomb()); end()`,
      ];
      const { stdout, stderr } = spawnSync(file!, words, {
        cwd: "/",
        env: { PATH: process.env["PATH"], LANG: "C", HOME: "/nonexistent" },
        encoding: "utf8",
        timeout: patience.command,
        killSignal: "SIGKILL",
      });
      expect(`${stdout}${stderr}`).toBe(`${most - 1} EAGAIN\n`);
    });
  });
