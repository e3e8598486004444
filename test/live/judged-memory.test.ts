/** Policies about the memory behind pointers, enforced by `notify` on unmodified programs. */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { multiplying } from "../../src/patterns/testing/multiplying.ts";
import { portcullis } from "../support/run.ts";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-memory-"));
  writeFileSync(join(folder, "allowed"), "allowed\n");
  writeFileSync(join(folder, "refused"), "refused\n");
  symlinkSync(join(folder, "refused"), join(folder, "link"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command under a policy with this step. */
function run(step: string, ...command: readonly string[]) {
  return runWith({}, step, ...command);
}

function runWith(
  { state = "", options = [] }: { readonly state?: string; readonly options?: readonly string[] },
  step: string,
  ...command: readonly string[]
) {
  const file = join(folder, "policy.ts");
  const imports = "allow, calls, cidr, deny, perProcess, perTree, policy, tree";
  writeFileSync(
    file,
    `import { ${imports} } from "portcullis";\n${state}export default policy((call) => {\n${step}\n});\n`,
  );
  return portcullis(["run", ...(options.length > 0 ? options : ["-q"]), "-p", file, "--", ...command]);
}

describe("paths", () => {
  const step = (path: string) => `
  if (call.name === "openat2" || call.name === "creat") return deny("ENOSYS");
  if (call.name !== "open" && call.name !== "openat") return allow;
  return call.args.path.text.startsWith(${JSON.stringify(path)}) ? deny("EACCES") : allow;`;

  it("are judged as the call uses them", () => {
    const { stdout, stderr, status } = run(
      step(join(folder, "refused")),
      "/bin/cat",
      join(folder, "allowed"),
      join(folder, "refused"),
      join(folder, "link"),
    );
    // A refusal by text does not follow links (P0502 says so).
    expect(stdout).toBe("allowed\nrefused\n");
    expect(stderr).toContain("Permission denied");
    expect(status).toBe(1);
  });

  it("are judged by several automata where one would be too large", () => {
    const globs = multiplying.filter(({ kind }) => kind === "matches").map(({ text }) => JSON.stringify(text));
    for (const name of [".git", ".github", ".é"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "file"), `${name}\n`);
    }
    const files = [".git/file", ".github/file", ".é/file", ".github/../allowed"].map((name) => `${folder}/${name}`);
    const { stdout, stderr } = run(
      `if (call.name === "openat2" || call.name === "creat") return deny("ENOSYS");
      if (call.name !== "open" && call.name !== "openat") return allow;
      return call.args.path.text.matches(${globs.join(", ")}) ? deny("EACCES") : allow;`,
      "/bin/cat",
      ...files,
    );
    expect(stdout).toBe(".github\n");
    expect(stderr.match(/Permission denied/g)).toHaveLength(3);
  });

  it("are pinned for every call of a shell script, in every process", () => {
    const script = `for i in 1 2 3 4 5; do (cat ${join(folder, "allowed")} & wait); done`;
    expect(run(step(join(folder, "refused")), "/bin/sh", "-c", script).stdout).toBe("allowed\n".repeat(5));
  });

  it("fail as in the kernel if they are too long", () => {
    const { stderr } = run(step("/nowhere"), "/bin/cat", `/${"a".repeat(5000)}`);
    expect(stderr).toContain("File name too long");
  });
});

describe("a tracer in the tree", () => {
  const file = () => join(folder, "allowed");
  const step = () => `if (call.name !== "openat") return allow;
  return call.args.path.text.is("/nowhere") ? deny("EACCES") : allow;`;
  const script = "cat $1 && : > $2";
  const words = () => ["sh", "-c", script, "sh", file(), join(folder, "written")] as const;
  const traced = () => ["strace", "-f", "-qq", "-e", "trace=none", "-e", "signal=none", ...words()] as const;

  it("still traces its tracee, whose pinned calls are refused", (context) => {
    if (!existsSync("/usr/bin/strace")) return context.skip("strace is not installed");
    // An open for reading gets its result without a pin.
    expect(run(step(), ...traced())).toMatchObject({ status: 2, stdout: "allowed\n" });
    expect(existsSync(join(folder, "written"))).toBe(false);
  });

  it("still traces its tracee, whose calls pass in an audit", (context) => {
    if (!existsSync("/usr/bin/strace")) return context.skip("strace is not installed");
    const events = join(folder, "events");
    const { status, stdout } = runWith({ options: ["--audit", "--events", events] }, step(), ...traced());
    expect({ status, stdout }).toEqual({ status: 0, stdout: "allowed\n" });
    expect(existsSync(join(folder, "written"))).toBe(true);
    const audited = readFileSync(events, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ reason }) => String(reason).includes("could not be pinned"));
    expect(audited.length).toBeGreaterThan(0);
    expect(audited[0]).toMatchObject({ call: "openat", verdict: "deny", audit: true });
  });
});

describe("objects", () => {
  const step = () => `
  if (call.name === "openat2") return deny("ENOSYS");
  if (call.name !== "open" && call.name !== "openat") return allow;
  const { path, flags } = call.args;
  if (path.resolved.under(${JSON.stringify(join(folder, "closed"))})) return deny("EACCES");
  return flags.has("O_PATH") ? deny("EDOM") : allow;`;

  it("are opened and judged for reading if cp and mv open a directory with O_PATH", () => {
    const [from, to, closed] = [join(folder, "allowed"), join(folder, "open"), join(folder, "closed")];
    mkdirSync(to);
    mkdirSync(closed);
    const script = `cp ${from} ${to}/ && mv ${to}/allowed ${to}/moved && cp -t ${to} ${from} && ls ${to}; cp ${from} ${closed}/`;
    const { stdout, status } = run(step(), "/bin/sh", "-c", script);
    expect({ stdout, status }).toEqual({ stdout: "allowed\nmoved\n", status: 1 });
    expect(readdirSync(closed)).toEqual([]);
  });
});

describe("objects in a Landlock domain", () => {
  it("are served if portcullis and the command are in the same one", (context) => {
    const help = spawnSync("setpriv", ["--help"], { encoding: "utf8" }).stdout;
    if (!help.includes("--landlock-access")) return context.skip("setpriv is older than util-linux 2.40");
    const [work, other] = [join(folder, "work"), join(folder, "other")];
    mkdirSync(work);
    mkdirSync(other);
    const policy = join(folder, "landlock.ts");
    const rule = `call.args.path.resolved.is(${JSON.stringify(join(folder, "refused"))}) ? deny("EXFULL") : allow`;
    writeFileSync(
      policy,
      `import { allow, deny, policy } from "portcullis";
export default policy((call) => call.name === "openat" ? ${rule} : allow);`,
    );
    const writes = "write-file,make-reg,make-dir,remove-file,remove-dir";
    const rules = [`path-beneath:${writes}:${work}`, "path-beneath:write-file:/dev"];
    const script = `echo a > ${work}/a; cat ${work}/a; echo b > ${other}/b; cat ${folder}/refused; true`;
    const portcullis = [join(process.cwd(), "bin/portcullis"), "run", "-q", "--engine", "notify", "-p", policy];
    const words = rules.flatMap((one) => ["--landlock-rule", one]);
    const ran = spawnSync(
      "setpriv",
      ["--landlock-access", `fs:${writes}`, ...words, ...portcullis, "--", "/bin/sh", "-c", script],
      { encoding: "utf8" },
    );
    if (ran.stderr.startsWith("setpriv:")) return context.skip("the kernel has no Landlock");
    expect(ran.stdout, ran.stderr).toBe("a\n");
    expect(ran.stderr).toContain(`cannot create ${other}/b: Permission denied`);
    expect(ran.stderr).toContain("Exchange full");
    expect(readdirSync(other)).toEqual([]);
  });
});

describe("argument lists", () => {
  it("decide which command of a program is run", () => {
    const { stdout, stderr } = run(
      `if (call.name === "execveat") return deny("ENOSYS");
  if (call.name !== "execve") return allow;
  return call.args.argv.startsWith(["/bin/echo", "yes"]) && !call.args.envp.has("SECRET") ? allow : deny("EPERM");`,
      "/bin/sh",
      "-c",
      "/bin/echo yes 1; /bin/echo no 2; /bin/echo yes 3; SECRET=1 /bin/echo yes 4; true",
    );
    expect(stdout).toBe("yes 1\nyes 3\n");
    expect(stderr.match(/Operation not permitted|Permission denied/g)).toHaveLength(2);
  });
});

describe("argument lists longer than the policy's bounds", () => {
  const bounded = (...command: readonly string[]) => {
    const file = join(folder, "bounded.ts");
    writeFileSync(
      file,
      `import { allow, deny, policy } from "portcullis";
export default policy({ lists: { entries: 4n, bytes: 40n } }, (call) =>
  call.name === "execve" && call.args.argv.includes("no") ? deny("EACCES") : allow);`,
    );
    return portcullis(["run", "-q", "--engine", "notify", "-p", file, "--", "/bin/sh", "-c", ...command]);
  };

  it.each([
    ["/bin/echo a b c", "a b c\n"],
    ["/bin/echo a b no", "", "Permission denied"],
    ["/bin/echo a b c d", "", "Argument list too long"],
    // /bin/echo and its NUL are 10 bytes.
    [`/bin/echo ${"x".repeat(29)}`, `${"x".repeat(29)}\n`],
    [`/bin/echo ${"x".repeat(30)}`, "", "Argument list too long"],
    ["exec /bin/echo a no c d", "", "Argument list too long"],
  ])("fail and are not judged: %s", (script, wanted, error = "") => {
    const { stdout, stderr } = bounded(`${script}; true`);
    expect(stdout).toBe(wanted);
    expect(stderr).toContain(error);
  });
});

describe("clone3", () => {
  /** posix_spawn is a clone3 whose child shares its parent's memory; threads are made by it, too. */
  const program = `
import os, threading
threads = [threading.Thread(target=os.getpgid, args=(0,)) for _ in range(20)]
[one.start() for one in threads]; [one.join() for one in threads]
for _ in range(4):
    try:
        child = os.posix_spawn("/bin/cat", ["cat", "FILE"], os.environ)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    except OSError as error: print(error.strerror, flush=True)
    os.getpgid(0)
`;
  const step = (file: string, alive: string) => `
  switch (call.name) {
    case "clone3":
      return call.args.uargs.flags.has("CLONE_THREAD") || (spawned.add() <= 3n${alive}) ? allow : deny("EAGAIN");
    case "getpgid":
      marked.set(call.caller.pid === call.caller.tid || marked.get());
      return allow;
    case "openat":
      return marked.get() && call.args.path.text.is(${JSON.stringify(file)}) ? deny("EACCES") : allow;
  }
  return allow;`;

  it.for([
    ["", "state is the parent's"],
    [" && tree.alive() < 10n", "and processes are counted"],
  ] as const)("%s: a policy that reads its flags follows processes and threads (%s)", ([alive], context) => {
    const python = ["/usr/bin/python3", "/usr/local/bin/python3"].find((one) => existsSync(one));
    if (python === undefined) return context.skip("python3 is not installed");
    const file = join(folder, "allowed");
    const state = "const spawned = perTree.counter();\nconst marked = perProcess.flag();\n";
    const { stdout } = runWith({ state }, step(file, alive), python, "-c", program.replace("FILE", file));
    // The first child is made before its parent is marked; threads do not count.
    expect(stdout).toBe("allowed\n0\n1\n1\nResource temporarily unavailable\n");
  });
});

describe("socket addresses", () => {
  it("decide where a program connects", async () => {
    const server = createServer((socket) => socket.end("hello\n")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const program = `const net = require("node:net");
      const ask = (port) => new Promise((done) => {
        let text = "";
        net.connect(port, "127.0.0.1").on("data", (data) => (text += data)).on("end", () => done(text)).on("error", (e) => done(e.code + "\\n"));
      });
      (async () => { process.stdout.write(await ask(${port})); process.stdout.write(await ask(${port + 1})); })();`;
    try {
      const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
        // The server answers in this process, so the command must not block it.
        setImmediate(async () => {
          const { execFile } = await import("node:child_process");
          const file = join(folder, "connect.ts");
          writeFileSync(
            file,
            `import { allow, cidr, deny, policy } from "portcullis";
const here = cidr("127.0.0.0/8");
export default policy((call) => {
  if (call.name !== "connect") return allow;
  const { addr } = call.args;
  return addr.kind === "ip" && !(here.has(addr.address) && addr.port === ${port}n) ? deny("ENETUNREACH") : allow;
});
`,
          );
          execFile(
            join(process.cwd(), "bin/portcullis"),
            ["run", "-q", "-p", file, "--", process.execPath, "-e", program],
            (_, stdout) => resolve({ stdout }),
          );
        });
      });
      expect(stdout).toBe("hello\nENETUNREACH\n");
    } finally {
      server.close();
    }
  });
});
