/** Enforces every ready policy on real programs. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { freeAddress } from "../support/address.ts";
import { until } from "../support/patience.ts";
import { compiled, engine, guarded, portcullis } from "../support/run.ts";

let attempt: string;
let attemptStatic: string;
const folder = mkdtempSync(join(tmpdir(), "portcullis-policies-"));

beforeAll(() => {
  attempt = compiled("test/policies/victims/attempt.c");
  attemptStatic = compiled("test/policies/victims/attempt.c", ["-static"]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lines = (text: string): string[] => text.trim().split("\n");
/** SIGKILL by a supervisor, SIGSYS by the kernel. */
const killed = 128 + (engine === "notify" ? 9 : 31);
const EPERM = 1;
const EACCES = 13;

describe("exec-once", () => {
  const policy = "policies/exec-once.ts";

  it("runs the command, which cannot execute programs", () => {
    const ran = guarded(policy, ["/bin/sh", "-c", "echo started; /bin/true || echo refused"]);
    expect(lines(ran.stdout)).toEqual(["started", "refused"]);
    expect(ran.status).toBe(0);
    expect(ran.decisions).toHaveLength(1);
    expect(ran.decisions[0]).toMatchObject({ call: "execve", verdict: "deny", errno: "EACCES" });
    expect(ran.decisions[0]!.rule).toMatch(/^policies\/exec-once\.ts:\d+:\d+$/);
  });

  it("is enforced on a static binary, which ignores LD_PRELOAD", () => {
    expect(guarded(policy, [attempt, "exec"]).stdout).toBe(`exec ${EACCES}\n`);
    expect(guarded(policy, [attemptStatic, "exec"]).stdout).toBe(`exec ${EACCES}\n`);
  });
});

describe("children", () => {
  const policy = "policies/children.ts";

  it("allows exactly its limit, and another process after one has ended", () => {
    const ran = guarded(policy, [attempt, "crowd", "40"], ["--set", "most=16"]);
    expect(lines(ran.stdout)).toEqual(["made 15 refused 25", "after one ended ok"]);
  });

  it("is enforced on concurrent forks", () => {
    const ran = guarded(policy, [attempt, "rush", "14"], ["--set", "most=14", "-q"]);
    expect(ran.stdout).toBe("some refused, and never one too many\n");
    expect(ran.status).toBe(0);
  });

  it("stops a fork bomb", () => {
    const ran = guarded(policy, [attempt, "bomb"], ["--set", "most=12", "-q"]);
    expect(ran.stdout).toBe("refused until it gave up\n");
    expect(ran.status).toBe(0);
    expect(ran.decisions.length).toBeGreaterThan(0);
  });

  it("does not count threads", () => {
    const script = "new (require('worker_threads').Worker)('1', { eval: true }).on('exit', () => console.log('ended'))";
    const ran = guarded(policy, ["node", "-e", script], ["--set", "most=1"]);
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

  it("denies the second fork within a second", () => {
    const ran = guarded(policy, [attempt, "rate", "1"]);
    expect(lines(ran.stdout)).toEqual(said);
    expect(ran.status).toBe(0);
    expect(ran.reports[0]?.text).toBe("the fork rate was reached");
  });

  it("allows twenty forks at once", () => {
    const ran = guarded("policies/fork-rate.ts", [attempt, "forks", "20"]);
    expect(lines(ran.stdout)).toEqual(["made 20 refused 0"]);
  });
});

describe("order", () => {
  it("requires sockets before children and the identity before clients", () => {
    const ran = guarded("policies/order.ts", [attempt, "order"]);
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

  it("denies calls that no build makes", () => {
    const ran = guarded(policy, [attempt, "build"]);
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

  it("with a network: allows TCP and UDP, but no other protocol with the same types", () => {
    const ran = guarded(policy, [attempt, "transports"], ["--set", "network=true"]);
    expect(lines(ran.stdout)).toEqual(["tcp ok", "udp ok", `packet ${EACCES}`, `mptcp ${EACCES}`, `smc ${EACCES}`]);
  });

  it("lets a program switch off the randomization of addresses with isolated=false only", () => {
    const words = ["setarch", "-R", "cat", "/proc/self/personality"];
    expect(guarded(policy, words, ["--set", "isolated=false"]).stdout).toBe("00040000\n");
    const ran = guarded(policy, words);
    expect(ran.stdout).toBe("");
    expect(new Set(ran.decisions.map(({ call }) => call))).toEqual(new Set(["personality"]));
  });

  it("lets gdb start a program with isolated=false", (context) => {
    if (spawnSync("gdb", ["--version"]).error !== undefined) context.skip("this machine has no gdb");
    const ran = guarded(
      policy,
      // A shell between them can read a start-up file and fork, which a traced task may not here.
      ["gdb", "-nx", "-batch", "-iex", "set startup-with-shell off", "-ex", "run", "--args", "/bin/true"],
      ["--set", "isolated=false"],
    );
    expect(ran.stdout, ran.stderr).toContain("exited normally");
    expect(ran.stderr).not.toContain("address space randomization");
    expect(ran.decisions).toEqual([]);
  });

  it("allows a package's script to compile, link, run and pack", () => {
    const project = join(folder, "project");
    mkdirSync(project);
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
    const ran = guarded(join(process.cwd(), policy), npm, [], { cwd: project });
    expect(ran.stdout).toBe("built\n");
    expect(ran.status).toBe(0);
    // The C library tries clone3 for threads, which is not an event; any other denied call would be missing in a build.
    expect(ran.decisions).toEqual([]);
  });
});

describe("call-flow", () => {
  it("is drawn from a trace by `flow`, and enforced on the program", () => {
    const flow = compiled("test/policies/victims/flow.c", ["-static"]);
    const trace = join(folder, "flow.strace");
    execFileSync("strace", ["-f", "-n", "-ttt", "-e", "raw=all", "-o", trace, flow]);
    const drawn = portcullis(["flow", trace]);
    expect(drawn.stderr).toBe("");
    copyFileSync("policies/call-flow.ts", join(folder, "call-flow.ts"));
    const text = readFileSync("policies/call-flow.ts", "utf8");
    const [, name, imported] = /import \{ (\w+) \} from "\.\/(.*\.flow\.ts)"/.exec(text)!;
    writeFileSync(join(folder, imported!), drawn.stdout.replace(/export const \w+/, `export const ${name}`));

    const honest = guarded(join(folder, "call-flow.ts"), [flow]);
    expect(honest.stdout).toBe("done\n");
    expect(honest.decisions).toEqual([]);
    const twisted = guarded(join(folder, "call-flow.ts"), [flow, "twisted"]);
    expect(twisted.stdout).toBe("");
    expect(twisted.status).toBe(killed);
    expect(twisted.decisions[0]).toMatchObject({ call: "getuid", verdict: "kill-process" });
  });
});

describe("isolated", () => {
  const attacks = ["process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise", "ptrace"];
  const outcomes = (outcome: string) => [...attacks.map((attack) => `${attack} ${outcome}`), "signal ok"];

  // The control is the host's: the machine's kernel lacks some of these calls.
  if (engine === "notify") {
    it("is needed: without it a worker can trace its master", (context) => {
      const reach = compiled("test/policies/victims/reach.c");
      const ran = spawnSync(reach, { encoding: "utf8" });
      const denied = lines(ran.stdout).filter((line) => line !== "signal ok" && !line.endsWith(" ok"));
      if (denied.length > 0) context.skip(`this machine denies a process of the same user ${denied.join(", ")}`);
      expect(lines(guarded("policies/server.ts", [reach], ["--set", "isolated=false"]).stdout)).toEqual(outcomes("ok"));
    });
  }

  for (const name of ["nginx", "exec-once", "build-step", "server"]) {
    it(`prevents a worker from tracing its master under ${name}`, () => {
      const ran = guarded(`policies/${name}.ts`, [compiled("test/policies/victims/reach.c")]);
      expect(lines(ran.stdout)).toEqual(outcomes(`${EPERM}`));
      const denied = ran.decisions.filter(({ errno }) => errno === "EPERM").map(({ call }) => call);
      expect(denied.filter((call) => attacks.includes(call))).toEqual(attacks);
    });
  }

  const isRoot = process.getuid?.() === 0;
  if (isRoot || engine === "notify") {
    it("prevents debugging under exec-once, unless --set isolated=false", (context) => {
      const trace = ["strace", "-o", "/dev/null", "-p", `${process.pid}`, "-e", "trace=none"];
      if (!isRoot) context.skip("to trace this process takes root where Yama is on");
      const ran = guarded("policies/exec-once.ts", trace, ["-q"]);
      expect(ran.stderr).toContain("Operation not permitted");
      expect(ran.decisions).toContainEqual(
        expect.objectContaining({ call: "ptrace", verdict: "deny", errno: "EPERM" }),
      );
    });
  }
});

describe("read-only-proc", () => {
  const source = "test/policies/victims/proc_mem.c";
  const open = ["--set", "read-only-proc=false"];
  const successes = (text: readonly string[]) => text.filter((line) => line.endsWith(" ok"));
  /** Lines of a worker that opens its master's memory in all ways, and then of the master. */
  function attacks(policy: string, options: readonly string[] = []): string[] {
    const place = mkdtempSync(join(folder, "memory-"));
    chmodSync(place, 0o777);
    return lines(guarded(policy, [compiled(source), place], ["-q", ...options]).stdout);
  }
  /** No way succeeds, and Landlock has refused more than `least`. */
  function expectRefused(text: readonly string[], least = 15): void {
    expect(successes(text)).toEqual([]);
    expect(text.filter((line) => line.endsWith(` ${EACCES}`)).length).toBeGreaterThan(least);
  }

  it("is needed: without it a worker makes its master bind", (context) => {
    const text = attacks("policies/server.ts", open);
    if (successes(text).length === 0) context.skip("this machine denies a process the memory of its user's others");
    expect(successes(text).length).toBeGreaterThan(15);
    expect(text.at(-1)).toBe("master bound");
  });

  it.each(["nginx", "exec-once", "build-step", "server"])("refuses each way under %s", (policy) => {
    const text = attacks(`policies/${policy}.ts`);
    expectRefused(text);
    expect(text.at(-1)).toBe("master untouched");
  });

  it("refuses each way without any other rule, also to io_uring, mounts and user namespaces", () => {
    const policy = join(folder, "read-only-proc.ts");
    writeFileSync(
      policy,
      `import { allow, calls, policy } from "portcullis";
const ring = calls("io_uring_setup", "io_uring_enter");
export default policy({ readOnlyProc: true }, (call) => (ring.has(call) ? allow : allow));
`,
    );
    const text = attacks(policy);
    expectRefused(text, 19);
    expect(text.at(-1)).toBe("master untouched");
    const inside = ["--pid", "--fork", "--mount-proc"];
    const mounts = spawnSync("unshare", ["-Urm", ...inside, "true"], { encoding: "utf8" }).status === 0;
    const ran = guarded(policy, ["unshare", "-Urm", ...inside, "true"], ["-q"]);
    if (mounts) expect(ran.stderr).toMatch(/^unshare: .*(Operation not permitted|Permission denied)$/m);
    expect(ran.status).not.toBe(0);
  });

  it("refuses a hijacked worker of nginx the memory of its master", async () => {
    const place = mkdtempSync(join(folder, "hijacked-"));
    // LD_PRELOAD takes no path with blanks, which the checkout's may have.
    const library = join(place, "hijack.so");
    copyFileSync(compiled(source, ["-shared", "-fPIC"]), library);
    const user = process.getuid?.() === 0 ? "user root;" : "";
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${place}/${n};`);
    const socket = `unix:${place}/socket`;
    writeFileSync(
      join(place, "nginx.conf"),
      `${user} daemon off; worker_processes 1; pid ${place}/pid; error_log ${place}/error.log; events {}
       http { access_log off; ${temporary.join("")} server { listen ${socket}; } }`,
    );
    const run = async (options: readonly string[]): Promise<string[]> => {
      const out = join(place, "out");
      const said = openSync(out, "w");
      const words = ["run", "-q", "--engine", engine, "-p", "policies/nginx.ts", ...options, "--"];
      const child = spawn("bin/portcullis", [...words, "nginx", "-c", `${place}/nginx.conf`], {
        stdio: ["ignore", said, said],
        env: { ...process.env, LD_PRELOAD: library, HIJACK: place },
      });
      closeSync(said);
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");
      const master = await until("its pid", () => Number(read(`${place}/pid`)) || undefined);
      onTestFinished(() => void spawnSync("kill", ["-TERM", `${master}`]));
      const worker = await until(
        "a worker",
        () => Number(read(`/proc/${master}/task/${master}/children`)) || undefined,
      );
      // It has its handler from its start on, and its loop.
      await until(
        "its loop",
        () => read(`/proc/${worker}/wchan`) !== "0" && read(`/proc/${worker}/comm`) === "nginx\n",
      );
      process.kill(worker, "SIGURG");
      const text = await until("its attacks", () => (read(out).endsWith("end\n") ? lines(read(out)) : undefined));
      process.kill(master, "SIGTERM");
      await ended;
      return text;
    };
    expectRefused(await run([]));
    // 15 of them always succeed; "race" does only if its other thread runs in time.
    expect(successes(await run(open)).length).toBeGreaterThan(14);
  });
});

describe("nginx", () => {
  it("serves as a daemon, and run waits for it", async () => {
    const place = join(folder, "nginx");
    mkdirSync(join(place, "www"), { recursive: true });
    cpSync("README.md", join(place, "www", "README.md"));
    execFileSync("chmod", ["755", folder, place]);
    const { host, port } = await freeAddress();
    const where = `${host}:${port}`;
    const user = process.getuid?.() === 0 ? "user www-data;" : "";
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((n) => `${n}_temp_path ${place}/${n};`)
      .join("");
    // At this level nginx logs the start and exit of workers.
    writeFileSync(
      join(place, "nginx.conf"),
      `${user} worker_processes 2; pid ${place}/pid; error_log ${place}/error.log notice; events {}
       http { access_log ${place}/access.log; keepalive_timeout 0; ${temporary}
              server { listen ${where}; root ${place}/www; } }`,
    );
    const events = join(place, "events");
    const words = [
      "run",
      "--engine",
      engine,
      "-p",
      "policies/nginx.ts",
      "--events",
      events,
      "--",
      "nginx",
      "-c",
      `${place}/nginx.conf`,
    ];
    const said = openSync(join(place, "said"), "w");
    const child = spawn("bin/portcullis", words, { stdio: ["ignore", said, said] });
    closeSync(said);
    let isOver = false;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve)).finally(() => {
      isOver = true;
    });
    const read = (name: string) => (existsSync(join(place, name)) ? readFileSync(join(place, name), "utf8") : "");
    /** Waits for a condition, and fails if nginx exits. */
    const comes = <T>(what: string, condition: () => T | Promise<T>) =>
      until(what, () => {
        if (isOver) throw new Error(`nginx has ended\n${read("said")}\n${read("error.log")}`);
        return condition();
      });
    const ask = () =>
      fetch(`http://${where}/README.md`).then(
        (answer) => answer.text(),
        () => undefined,
      );
    onTestFinished(() => {
      const master = Number(read("pid"));
      if (!isOver && master > 0) process.kill(master, "SIGTERM");
    });

    expect(await comes("a first page", ask)).toContain("portcullis");
    // Not 0, which would be this process's group.
    const master = await comes("its pid", () => Number(read("pid")) || undefined);
    process.kill(master, "SIGHUP");
    const gone = () => read("error.log").match(/worker process \d+ exited with code 0/g)?.length === 2;
    await comes("the workers of before the reload are gone", gone);
    expect(await comes("a page by the workers of after the reload", ask)).toContain("portcullis");
    process.kill(master, "SIGQUIT");
    expect(await ended).toBe(0);
    expect(read("events")).not.toContain('"kind":"decision"');
  });

  it("ends a hijacked worker that starts a shell or opens a port", () => {
    const hijacked = compiled("demo/hijacked.c");
    for (const [how, call] of [
      ["shell", "execve"],
      ["listen", "bind"],
    ] as const) {
      expect(spawnSync(hijacked, [how]).status).toBe(0);
      const ran = guarded("policies/nginx.ts", [hijacked, how]);
      expect(ran.status).toBe(1);
      expect(ran.decisions).toContainEqual(
        expect.objectContaining({
          call,
          verdict: "kill-process",
          // The eBPF program does not report its state.
          ...(engine === "notify" ? { phases: { phase: "serving" } } : {}),
        }),
      );
    }
  });
});

describe("a rule on mount's flags", () => {
  it("is not bypassed by bits that the kernel drops", () => {
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
    const command = ["unshare", "-Urm", attempt, "magic"];
    expect(lines(spawnSync(command[0]!, command.slice(1), { encoding: "utf8" }).stdout)).toEqual([
      "private ok",
      "tmpfs ok",
      "bind ok",
    ]);
    expect(lines(guarded(policy, command).stdout)).toEqual(["private ok", `tmpfs ${EACCES}`, `bind ${EACCES}`]);
  });
});

describe("calls that are newer than the kernel of the tables", () => {
  const answers = () => lines(execFileSync(attempt, ["newer"], { encoding: "utf8" }));

  it("get the kernel's result if the policy allows them", () => {
    expect(lines(guarded("policies/exec-once.ts", [attempt, "newer"]).stdout)).toEqual(answers());
  });

  it("by an OCI profile, which names some of them", () => {
    const profile = join(folder, "newer.json");
    const refused = ["setxattrat", "file_getattr", "fchroot"];
    writeFileSync(
      profile,
      JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: refused, action: "SCMP_ACT_ERRNO", errnoRet: EACCES }],
      }),
    );
    expect(lines(guarded(profile, [attempt, "newer"]).stdout)).toEqual(
      answers().map((line) => (refused.includes(line.split(" ")[0]!) ? `${line.split(" ")[0]} ${EACCES}` : line)),
    );
  });
});

describe("an OCI profile with errnoRet 0", () => {
  const silent = (names: readonly string[]) => ({ names, action: "SCMP_ACT_ERRNO", errnoRet: 0 });
  const script = 'mkdir "$1" && echo made; test -d "$1" || echo missing';

  it.each([[[]], [["--no-denial-events"]]])("returns 0 and makes no call, with %j", (options) => {
    const made = join(folder, `made${options.length}`);
    const profile = join(folder, "silent.json");
    writeFileSync(
      profile,
      JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [silent(["mkdir", "mkdirat"])] }),
    );
    const ran = guarded(profile, ["/bin/sh", "-c", script, "sh", made], options);
    expect(lines(ran.stdout)).toEqual(["made", "missing"]);
    expect(existsSync(made)).toBe(false);
    expect(ran.decisions.map(({ verdict, errno, returns }) => ({ verdict, errno, returns }))).toEqual(
      options.length === 0 ? [{ verdict: "deny", errno: "0", returns: 0 }] : [],
    );
  });

  it("holds within a policy that has state, until another denial is the stricter or the extending one", () => {
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
    const ran = guarded(policy, ["/bin/sh", "-c", twice, "sh", made], [], { env: { ...process.env, LC_ALL: "C" } });
    expect(lines(ran.stdout)).toEqual(["made", "missing", "Permission denied"]);
    expect(existsSync(made)).toBe(false);
    expect(ran.decisions.map(({ errno }) => errno)).toEqual(["0", "EACCES"]);
  });
});
