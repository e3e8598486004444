/** Enforces every ready policy on real programs, in a place. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freeAddress } from "../support/address.ts";
import { compiled, portcullis } from "../support/run.ts";
import type { Place } from "./place.ts";

const lines = (text: string): string[] => text.trim().split("\n");
const EPERM = 1;
const EACCES = 13;
const victim = (name: string): string => `test/policies/victims/${name}`;
const attempt = (): string => compiled(victim("attempt.c"));

/** A folder that exists while tests run, and that each user can search. */
function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-policies-"));
  chmodSync(folder, 0o755);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder below it that each user can write to. */
function openFolder(folder: string, name: string): string {
  const path = mkdtempSync(join(folder, name));
  chmodSync(path, 0o777);
  return path;
}

const successes = (text: readonly string[]) => text.filter((line) => line.endsWith(" ok"));
/** No way succeeds, and Landlock has refused more than `least`. */
function expectRefused(text: readonly string[], least = 15): void {
  expect(successes(text)).toEqual([]);
  expect(text.filter((line) => line.endsWith(` ${EACCES}`)).length).toBeGreaterThan(least);
}

/** The ready policies on programs of this checkout and on nginx. */
export function testPrograms(place: Place): void {
  const folder = testFolder();
  /** SIGKILL by a supervisor, SIGSYS by the kernel. */
  const killed = 128 + (place.engine === "notify" ? 9 : 31);

  describe("exec-once", () => {
    const policy = "policies/exec-once.ts";

    it("runs the command, which cannot execute programs", async () => {
      const ran = await place.guarded(policy, ["/bin/sh", "-c", "echo started; /bin/true || echo refused"]);
      expect(lines(ran.stdout)).toEqual(["started", "refused"]);
      expect(ran.status).toBe(0);
      expect(ran.decisions).toHaveLength(1);
      expect(ran.decisions[0]).toMatchObject({ call: "execve", verdict: "deny", errno: "EACCES" });
      expect(ran.decisions[0]!.rule).toMatch(/^policies\/exec-once\.ts:\d+:\d+$/);
    });

    it("is enforced on a static binary, which ignores LD_PRELOAD", async () => {
      expect((await place.guarded(policy, [attempt(), "exec"])).stdout).toBe(`exec ${EACCES}\n`);
      expect((await place.guarded(policy, [compiled(victim("attempt.c"), ["-static"]), "exec"])).stdout).toBe(
        `exec ${EACCES}\n`,
      );
    });
  });

  describe("children", () => {
    const policy = "policies/children.ts";

    it("allows exactly its limit, and another process after one has ended", async () => {
      const ran = await place.guarded(policy, [attempt(), "crowd", "40"], ["--set", "most=16"]);
      expect(lines(ran.stdout)).toEqual(["made 15 refused 25", "after one ended ok"]);
    });

    it("is enforced on concurrent forks", async () => {
      const ran = await place.guarded(policy, [attempt(), "rush", "14"], ["--set", "most=14", "-q"]);
      expect(ran.stdout).toBe("some refused, and never one too many\n");
      expect(ran.status).toBe(0);
    });

    it("stops a fork bomb", async () => {
      const ran = await place.guarded(policy, [attempt(), "bomb"], ["--set", "most=12", "-q"]);
      expect(ran.stdout).toBe("refused until it gave up\n");
      expect(ran.status).toBe(0);
      expect(ran.decisions.length).toBeGreaterThan(0);
    });

    // Node takes seconds to start in the machine.
    const worker = "new (require('worker_threads').Worker)('1', { eval: true }).on('exit', () => console.log('ended'))";
    const threads = [[attempt(), "thread"], ...(place.engine === "notify" ? [["node", "-e", worker]] : [])];
    it.each(threads)("does not count threads of %s", async (...command) => {
      const ran = await place.guarded(policy, command, ["--set", "most=1"]);
      expect(ran.stdout).toBe("ended\n");
    });
  });

  describe("fork-rate", () => {
    /** The policy with a limit of one, which no machine is too slow to exceed. */
    const policy = join(folder, "fork-rate.ts");
    const said = ["made 1 refused 0", "once more than may be, refused"];
    beforeAll(() => {
      const text = readFileSync("policies/fork-rate.ts", "utf8");
      expect(text).toContain("limit: 20n,");
      writeFileSync(policy, text.replace("limit: 20n,", "limit: 1n,"));
    });

    it("denies the second fork within a second", async () => {
      const ran = await place.guarded(policy, [attempt(), "rate", "1"]);
      expect(lines(ran.stdout)).toEqual(said);
      expect(ran.status).toBe(0);
      expect(ran.reports[0]?.text).toBe("the fork rate was reached");
    });

    it("allows twenty forks at once", async () => {
      const ran = await place.guarded("policies/fork-rate.ts", [attempt(), "forks", "20"]);
      expect(lines(ran.stdout)).toEqual(["made 20 refused 0"]);
    });
  });

  describe("order", () => {
    it("requires sockets before children and the identity before clients", async () => {
      const ran = await place.guarded("policies/order.ts", [attempt(), "order"]);
      expect(lines(ran.stdout)).toEqual([
        "setgid before ok",
        "accept ok",
        `setgid after ${EPERM}`,
        `child socket ${EACCES}`,
        `child socket, high bits ${EACCES}`,
        "child unix socket ok",
        `parent socket ${EACCES}`,
      ]);
    });
  });

  describe("build-step", () => {
    const policy = "policies/build-step.ts";

    it("denies calls that no build makes", async () => {
      const ran = await place.guarded(policy, [attempt(), "build"]);
      expect(lines(ran.stdout)).toEqual([
        "exec ok",
        `listen ${EPERM}`,
        `socket ${EACCES}`,
        "unix socket ok",
        `ptrace ${EPERM}`,
        `mount ${EPERM}`,
        `unshare ${EPERM}`,
        `module ${EPERM}`,
        "fifo ok",
        `device ${EPERM}`,
      ]);
      expect(ran.decisions.map((decision) => decision.call)).toContain("mknodat");
    });

    it("with a network: allows TCP and UDP, but no other protocol with the same types", async () => {
      const ran = await place.guarded(policy, [attempt(), "transports"], ["--set", "network=true"]);
      expect(lines(ran.stdout)).toEqual(["tcp ok", "udp ok", `packet ${EACCES}`, `mptcp ${EACCES}`, `smc ${EACCES}`]);
    });

    it("lets a program switch off the randomization of addresses with isolated=false only", async () => {
      const words = ["setarch", "-R", "cat", "/proc/self/personality"];
      expect((await place.guarded(policy, words, ["--set", "isolated=false"])).stdout).toBe("00040000\n");
      const ran = await place.guarded(policy, words);
      expect(ran.stdout).toBe("");
      expect(new Set(ran.decisions.map(({ call }) => call))).toEqual(new Set(["personality"]));
    });
  });

  describe("call-flow", () => {
    it("is drawn from a trace by `flow`, and enforced on the program", async () => {
      const flow = compiled("test/policies/victims/flow.c", ["-static"]);
      const trace = join(folder, "flow.strace");
      execFileSync("strace", ["-f", "-n", "-ttt", "-e", "raw=all", "-o", trace, flow]);
      const drawn = portcullis(["flow", trace]);
      expect(drawn.stderr).toBe("");
      copyFileSync("policies/call-flow.ts", join(folder, "call-flow.ts"));
      const text = readFileSync("policies/call-flow.ts", "utf8");
      const [, name, imported] = /import \{ (\w+) \} from "\.\/(.*\.flow\.ts)"/.exec(text)!;
      writeFileSync(join(folder, imported!), drawn.stdout.replace(/export const \w+/, `export const ${name}`));

      const honest = await place.guarded(join(folder, "call-flow.ts"), [flow]);
      expect(honest.stdout).toBe("done\n");
      expect(honest.decisions).toEqual([]);
      const twisted = await place.guarded(join(folder, "call-flow.ts"), [flow, "twisted"]);
      expect(twisted.stdout).toBe("");
      expect(twisted.status).toBe(killed);
      expect(twisted.decisions[0]).toMatchObject({ call: "getuid", verdict: "kill-process" });
    });
  });

  describe("nginx", () => {
    const user = (name: string) => (place.isRoot ? `user ${name};` : "");
    const temporary = (site: string) =>
      ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${site}/${n};`).join("");
    const script = (name: string, ...words: readonly string[]) => place.run(["sh", victim(name), ...words]);

    it("serves as a daemon, and run waits for it", async () => {
      const site = openFolder(folder, "daemon-");
      mkdirSync(join(site, "www"));
      cpSync("README.md", join(site, "www", "README.md"));
      const { host, port } = await freeAddress();
      const where = `${host}:${port}`;
      // At this level nginx logs the start and exit of workers.
      writeFileSync(
        join(site, "nginx.conf"),
        `${user("www-data")} worker_processes 2; pid ${site}/pid; error_log ${site}/error.log notice; events {}
       http { access_log ${site}/access.log; keepalive_timeout 0; ${temporary(site)}
              server { listen ${where}; root ${site}/www; } }`,
      );
      const words = place.under("policies/nginx.ts", [], join(site, "events"));
      const ran = await script("nginx_daemon.sh", site, `http://${where}/README.md`, ...words);
      expect(lines(ran.stdout), ran.stderr).toEqual([
        "a first page",
        "the workers of before the reload are gone",
        "a page by the workers of after the reload",
        "status 0",
      ]);
      expect((await place.run(["grep", "-c", '"kind":"decision"', join(site, "events")])).stdout).toBe("0\n");
    });

    it("ends a hijacked worker that starts a shell or opens a port", async () => {
      const hijacked = compiled("demo/hijacked.c");
      for (const [how, call] of [
        ["shell", "execve"],
        ["listen", "bind"],
      ] as const) {
        expect((await place.run([hijacked, how])).status).toBe(0);
        const ran = await place.guarded("policies/nginx.ts", [hijacked, how]);
        expect(ran.status).toBe(1);
        expect(ran.decisions).toContainEqual(
          expect.objectContaining({
            call,
            verdict: "kill-process",
            // The eBPF program does not report its state.
            ...(place.engine === "notify" ? { phases: { phase: "serving" } } : {}),
          }),
        );
      }
    });

    it("has a worker that cannot open the memory of its master, although it is hijacked", async () => {
      const attacksOf = async (options: readonly string[]): Promise<string[]> => {
        const site = openFolder(folder, "hijacked-");
        // LD_PRELOAD takes no path with blanks, which the checkout's may have.
        copyFileSync(compiled(victim("proc_mem.c"), ["-shared", "-fPIC"]), join(site, "hijack.so"));
        writeFileSync(
          join(site, "nginx.conf"),
          `${user("root")} daemon off; worker_processes 1; pid ${site}/pid; error_log ${site}/error.log; events {}
         http { access_log off; ${temporary(site)} server { listen unix:${site}/socket; } }`,
        );
        const ran = await script("hijacked_nginx.sh", site, ...place.under("policies/nginx.ts", options));
        expect(ran.stdout, ran.stderr).toMatch(/\nend\n/);
        return lines(ran.stdout);
      };
      expectRefused(await attacksOf([]));
      // 15 of them always succeed; "race" does only if its other thread runs in time.
      expect(successes(await attacksOf(["--set", "read-only-proc=false"])).length).toBeGreaterThan(14);
    });
  });

  describe("calls that are newer than the kernel of the tables", () => {
    const answers = async () => lines((await place.run([attempt(), "newer"])).stdout);

    it("get the kernel's result if the policy allows them", async () => {
      expect(lines((await place.guarded("policies/exec-once.ts", [attempt(), "newer"])).stdout)).toEqual(
        await answers(),
      );
    });

    it("by an OCI profile, which names some of them", async () => {
      const profile = join(folder, "newer.json");
      const refused = ["setxattrat", "file_getattr", "fchroot"];
      writeFileSync(
        profile,
        JSON.stringify({
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: refused, action: "SCMP_ACT_ERRNO", errnoRet: EACCES }],
        }),
      );
      expect(lines((await place.guarded(profile, [attempt(), "newer"])).stdout)).toEqual(
        (await answers()).map((line) =>
          refused.includes(line.split(" ")[0]!) ? `${line.split(" ")[0]} ${EACCES}` : line,
        ),
      );
    });
  });

  describe("an OCI profile with errnoRet 0", () => {
    const silent = (names: readonly string[]) => ({ names, action: "SCMP_ACT_ERRNO", errnoRet: 0 });
    const script = 'mkdir "$1" && echo made; test -d "$1" || echo missing';

    it.each([[[]], [["--no-denial-events"]]])("returns 0 and makes no call, with %j", async (options) => {
      const made = join(folder, `made${options.length}`);
      const profile = join(folder, "silent.json");
      writeFileSync(
        profile,
        JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [silent(["mkdir", "mkdirat"])] }),
      );
      const ran = await place.guarded(profile, ["/bin/sh", "-c", script, "sh", made], options);
      expect(lines(ran.stdout)).toEqual(["made", "missing"]);
      expect(ran.decisions.map(({ verdict, errno, returns }) => ({ verdict, errno, returns }))).toEqual(
        options.length === 0 ? [{ verdict: "deny", errno: "0", returns: 0 }] : [],
      );
    });

    it("holds within a policy that has state, until another denial is the stricter or the extending one", async () => {
      writeFileSync(
        join(folder, "silent.json"),
        JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [silent(["mkdir", "mkdirat", "umask"])] }),
      );
      const policy = join(folder, "silent.ts");
      writeFileSync(
        policy,
        `import { allow, calls, deny, oci, perTree, policy } from "portcullis";
import profile from "./silent.json" with { type: "json" };
const made = perTree.counter();
export default policy({ extends: [oci(profile)] }, (call) =>
  calls("mkdir", "mkdirat").has(call) && made.add() > 1n ? deny("EACCES") : allow,
);
`,
      );
      const twice = `${script}; mkdir "$1" 2>&1 | sed s/.*:.//`;
      const made = join(folder, "made-by-state");
      const ran = await place.guarded(policy, ["/bin/sh", "-c", twice, "sh", made], [], { env: { LC_ALL: "C" } });
      expect(lines(ran.stdout)).toEqual(["made", "missing", "Permission denied"]);
      expect(ran.decisions.map(({ errno }) => errno)).toEqual(["0", "EACCES"]);
    });
  });
}

/** Tests in which the kernel asks for the rights of the user, under these policies. */
export function testRights(
  place: Place,
  policies: readonly string[] = ["nginx", "exec-once", "build-step", "server"],
): void {
  const folder = testFolder();

  describe("isolated", () => {
    const attacks = ["process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise", "ptrace"];
    const outcomes = (outcome: string) => [...attacks.map((attack) => `${attack} ${outcome}`), "signal ok"];

    // The control is the host's: the machine's kernel lacks some of these calls.
    if (place.engine === "notify") {
      it("is needed: without it a worker can trace its master", async (context) => {
        const reach = compiled(victim("reach.c"));
        const ran = await place.run([reach]);
        const denied = lines(ran.stdout).filter((line) => line !== "signal ok" && !line.endsWith(" ok"));
        if (denied.length > 0) context.skip(`this machine denies a process of the same user ${denied.join(", ")}`);
        expect(lines((await place.guarded("policies/server.ts", [reach], ["--set", "isolated=false"])).stdout)).toEqual(
          outcomes("ok"),
        );
      });
    }

    for (const name of policies) {
      it(`prevents a worker from tracing its master under ${name}`, async () => {
        const ran = await place.guarded(`policies/${name}.ts`, [compiled(victim("reach.c"))]);
        expect(lines(ran.stdout)).toEqual(outcomes(`${EPERM}`));
        const denied = ran.decisions.filter(({ errno }) => errno === "EPERM").map(({ call }) => call);
        expect(denied.filter((call) => attacks.includes(call))).toEqual(attacks);
      });
    }

    if (place.isRoot || place.engine === "notify") {
      it("prevents debugging under exec-once, unless --set isolated=false", async (context) => {
        // In the machine, its first process.
        const other = place.engine === "notify" ? process.pid : 1;
        if (!place.isRoot) context.skip("to trace this process takes root where Yama is on");
        const trace = ["strace", "-o", "/dev/null", "-p", `${other}`, "-e", "trace=none"];
        const ran = await place.guarded("policies/exec-once.ts", trace, ["-q"]);
        expect(ran.stderr).toContain("Operation not permitted");
        expect(ran.decisions).toContainEqual(
          expect.objectContaining({ call: "ptrace", verdict: "deny", errno: "EPERM" }),
        );
      });
    }
  });

  describe("read-only-proc", () => {
    const source = victim("proc_mem.c");
    const open = ["--set", "read-only-proc=false"];
    /** Lines of a worker that opens its master's memory in all ways, and then of the master. */
    async function attacks(policy: string, options: readonly string[] = []): Promise<string[]> {
      const site = openFolder(folder, "memory-");
      return lines((await place.guarded(policy, [compiled(source), site], ["-q", ...options])).stdout);
    }

    it("is needed: without it a worker makes its master bind", async (context) => {
      const text = await attacks("policies/server.ts", open);
      if (successes(text).length === 0) context.skip("this machine denies a process the memory of its user's others");
      expect(successes(text).length).toBeGreaterThan(15);
      expect(text.at(-1)).toBe("master bound");
    });

    it.each(policies)("refuses each way under %s", async (policy) => {
      const text = await attacks(`policies/${policy}.ts`);
      expectRefused(text);
      expect(text.at(-1)).toBe("master untouched");
    });

    it("refuses each way without any other rule, also to io_uring, mounts and user namespaces", async () => {
      const policy = join(folder, "read-only-proc.ts");
      writeFileSync(
        policy,
        `import { allow, calls, policy } from "portcullis";
const ring = calls("io_uring_setup", "io_uring_enter");
export default policy({ readOnlyProc: true }, (call) => (ring.has(call) ? allow : allow));
`,
      );
      const text = await attacks(policy);
      expectRefused(text, 19);
      expect(text.at(-1)).toBe("master untouched");
      const inside = ["--pid", "--fork", "--mount-proc"];
      const mounts = (await place.run(["unshare", "-Urm", ...inside, "true"])).status === 0;
      const ran = await place.guarded(policy, ["unshare", "-Urm", ...inside, "true"], ["-q"]);
      if (mounts) expect(ran.stderr).toMatch(/^unshare: .*(Operation not permitted|Permission denied)$/m);
      expect(ran.status).not.toBe(0);
    });
  });

  describe("a rule on mount's flags", () => {
    it("is not bypassed by bits that the kernel drops", async () => {
      const policy = join(folder, "private.ts");
      writeFileSync(
        policy,
        `import { allow, deny, policy } from "portcullis";
export default policy((call) =>
  call.name === "mount" && !call.args.flags.has("MS_PRIVATE") ? deny("EACCES") : allow,
);
`,
      );
      // The kernel makes both mounts, neither of them private.
      const command = ["unshare", "-Urm", attempt(), "magic"];
      expect(lines((await place.run(command)).stdout)).toEqual(["private ok", "tmpfs ok", "bind ok"]);
      expect(lines((await place.guarded(policy, command)).stdout)).toEqual([
        "private ok",
        `tmpfs ${EACCES}`,
        `bind ${EACCES}`,
      ]);
    });
  });
}

/** The longest builds. They need no state. */
export function testBuilds(place: Place): void {
  const folder = testFolder();

  describe("build-step", () => {
    const policy = "policies/build-step.ts";

    it("lets gdb start a program with isolated=false", async (context) => {
      if (spawnSync("gdb", ["--version"]).error !== undefined) context.skip("this machine has no gdb");
      const ran = await place.guarded(
        policy,
        // A shell between them can read a start-up file and fork, which a traced task may not here.
        ["gdb", "-nx", "-batch", "-iex", "set startup-with-shell off", "-ex", "run", "--args", "/bin/true"],
        ["--set", "isolated=false"],
      );
      expect(ran.stdout, ran.stderr).toContain("exited normally");
      expect(ran.stderr).not.toContain("address space randomization");
      expect(ran.decisions).toEqual([]);
    });

    it("allows a package's script to compile, link, run and pack", async () => {
      const project = openFolder(folder, "project-");
      writeFileSync(join(project, "hello.c"), '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n');
      writeFileSync(
        join(project, "package.json"),
        JSON.stringify({
          name: "x",
          version: "1.0.0",
          scripts: {
            build:
              "cc -c hello.c && ar rcs libhello.a hello.o && cc -o hello hello.o && ./hello && tar -cf out.tar hello",
          },
        }),
      );
      // In a long build, npm looks for newer versions of itself on the network.
      const npm = ["npm", "--no-update-notifier", "run", "--silent", "build"];
      const ran = await place.guarded(join(process.cwd(), policy), npm, [], { cwd: project });
      expect(ran.stdout).toBe("built\n");
      expect(ran.status).toBe(0);
      // The C library tries clone3 for threads, which is not an event; any other denied call would be missing in a build.
      expect(ran.decisions).toEqual([]);
    });
  });
}
