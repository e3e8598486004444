/** `files`, `tcp`, `unix` and `scope` of a policy: what the launcher's domains permit, and attempts to get around them. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { asUser, ordinaryUser, reachableFolder, users } from "../support/ordinary-user.ts";
import { portcullis } from "../support/run.ts";

const folder = reachableFolder("objects");
const home = join(folder, "home");
const project = join(home, "project");
const launcher = resolve("dist/native", process.arch, "launcher");

const write = (name: string, settings: string, step = "() => allow"): string => {
  const file = join(folder, name);
  writeFileSync(
    file,
    `import { allow, deny, parameter, policy } from "portcullis";
export default policy({ ${settings} }, ${step});
`,
  );
  return file;
};

const quoted = JSON.stringify;
const confined = write(
  "confined.ts",
  `files: { read: [${quoted(home)}], write: [${quoted(project)}], except: [${quoted(join(home, ".ssh"))}, ${quoted(join(home, ".aws"))}], runtime: true }`,
);

beforeEach(() => {
  rmSync(home, { recursive: true, force: true });
  for (const name of [".ssh", "docs", "project"]) mkdirSync(join(home, name), { recursive: true });
  writeFileSync(join(home, ".ssh/id"), "secret\n");
  writeFileSync(join(home, "docs/page"), "page\n");
  symlinkSync("../.ssh/id", join(home, "docs/link"));
  if (process.getuid?.() === 0) spawnSync("chown", ["-R", `${ordinaryUser}:${ordinaryUser}`, home]);
});

/** A script under a policy, in the folder `home`. */
function run(policy: string, script: string, options: readonly string[] = []) {
  return portcullis(["run", "-q", "-p", policy, ...options, "--", "sh", "-c", script], { cwd: home });
}

describe.each(users)("as $name", ({ uid }) => {
  const as = (script: string) => {
    // An ordinary user reads bundles, because it may be unable to reach the checkout.
    const bundle = join(folder, `${uid ?? "own"}.pcl`);
    const made = portcullis(["compile", "-p", confined, "-o", bundle]);
    expect(made.stderr).toBe("");
    chmodSync(bundle, 0o644);
    const copy = join(folder, `launcher-${uid ?? "own"}`);
    cpSync(launcher, copy);
    chmodSync(copy, 0o755);
    const words = [copy, "run", bundle, "--", "sh", "-c", `cd ${home}; exec 2>&1; export LC_ALL=C; ${script}`];
    const [file, ...rest] = uid === undefined ? words : asUser(uid, ...words);
    return spawnSync(file!, rest, { encoding: "utf8", cwd: "/" }).stdout;
  };

  test("files are read and written where the policy says", () => {
    expect(
      as(
        "cat docs/page; echo new > project/new; mkdir -p project/a/b; mv project/new project/a/b; rm -r project/a; echo done",
      ),
    ).toBe("page\ndone\n");
    expect(as("echo x > docs/page")).toContain("cannot create docs/page: Permission denied");
    expect(as("touch docs/new; rm docs/page; ln -s x docs/x; mkdir docs/d; echo > /dev/null && echo written")).toBe(
      [
        "touch: cannot touch 'docs/new': Permission denied",
        "rm: cannot remove 'docs/page': Permission denied",
        "ln: failed to create symbolic link 'docs/x': Permission denied",
        "mkdir: cannot create directory 'docs/d': Permission denied",
        "written\n",
      ].join("\n"),
    );
  });

  test.each([
    ["its name", "cat .ssh/id"],
    ["a link", "cat docs/link"],
    ["a link that is made", "ln -s ../.ssh/id project/l; cat project/l"],
    ["a path with ..", "cat docs/../.ssh/id"],
    ["/proc/self/cwd", "cat /proc/self/cwd/.ssh/id"],
    ["/proc/self/root", `cat /proc/self/root${home}/.ssh/id`],
    ["a hard link", "ln .ssh/id project/id; cat project/id"],
    ["a move of the file", "mv .ssh/id project/id; cat project/id"],
    ["a move of the directory", "mv .ssh project/s; cat project/s/id"],
    ["a directory that is open", "cd .ssh && cat id"],
    ["a namespace of its own", "unshare -Urm sh -c 'mount --bind .ssh project && cat project/id'"],
    ["a program that copies", "cp .ssh/id project/id; cat project/id"],
    ["an archive", "tar cf - .ssh"],
  ])("an exception cannot be read by %s", (_, script) => {
    expect(as(script)).not.toContain("secret");
    expect(readFileSync(join(home, ".ssh/id"), "utf8")).toBe("secret\n");
  });

  test("an exception that is missing cannot be made", () => {
    expect(as("mkdir .aws; echo k > .aws")).toContain("Permission denied");
    expect(existsSync(join(home, ".aws"))).toBe(false);
  });

  test("a directory on the way to an exception is not listed, and nothing is made in it", () => {
    expect(as("ls; touch new; ls docs")).toBe(
      "ls: cannot open directory '.': Permission denied\ntouch: cannot touch 'new': Permission denied\nlink\npage\n",
    );
  });
});

test("with `names` directories on the way are listed, and the names in exceptions; nothing else is permitted", () => {
  const policy = write(
    "names.ts",
    `files: { read: [${quoted(home)}], except: [${quoted(join(home, ".ssh"))}], names: true, runtime: true }`,
  );
  const ran = run(policy, "ls -A; ls .ssh; cat .ssh/id; mv docs/page project/page && cat project/page");
  expect(ran.stdout).toBe(".ssh\ndocs\nproject\nid\npage\n");
  expect(ran.stderr).toBe("cat: .ssh/id: Permission denied\n");
});

test.runIf(process.getuid?.() === 0)("an exception holds against a file handle, which has no path", () => {
  const script = `
python3 - <<'EOP'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
handle = ctypes.create_string_buffer(b"\\x80\\0\\0\\0" + bytes(132)); mount = ctypes.c_int()
print(libc.name_to_handle_at(-100, b".ssh/id", handle, ctypes.byref(mount), 0))
file = libc.open_by_handle_at(os.open("project", os.O_RDONLY), handle, os.O_RDONLY)
print(os.read(file, 100).decode() if file >= 0 else os.strerror(ctypes.get_errno()))
EOP
`;
  const open = write("open.ts", "lists: {}");
  expect(run(open, script).stdout).toBe("0\nsecret\n\n");
  expect(run(confined, script).stdout).toBe("0\nPermission denied\n");
});

test.runIf(process.getuid?.() === 0)("an exception holds below a directory that is mounted on its own entry", () => {
  const inside = join(home, "docs/inside");
  mkdirSync(join(inside, "keys"), { recursive: true });
  writeFileSync(join(inside, "keys/key"), "secret\n");
  const policy = write(
    "own-entry.ts",
    `files: { read: [${quoted(home)}], except: [${quoted(join(inside, "inside/keys"))}], runtime: true }`,
  );
  // docs is mounted on docs/inside, so docs/inside/inside/keys is docs/inside/keys of the file system.
  const script = `mount --bind docs docs/inside && exec "$@"`;
  const launch = [
    resolve("bin/portcullis"),
    "run",
    "-q",
    "-p",
    policy,
    "--",
    "cat",
    "docs/inside/inside/keys/key",
    "docs/page",
  ];
  const ran = spawnSync("unshare", ["-m", "--", "sh", "-c", script, "sh", ...launch], { cwd: home, encoding: "utf8" });
  expect(ran.stdout).toBe("page\n");
  expect(ran.stderr).toContain("keys/key: Permission denied");
});

test.runIf(process.getuid?.() === 0)("a file system that is never mounted changes nothing", () => {
  // overlayfs makes the directory `work` in its work directory when its superblock is made.
  const script = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
context = libc.syscall(430, b"overlay", 0)
for key in ["lowerdir", "upperdir", "workdir"]: libc.syscall(431, context, 1, key.encode(), f"{sys.argv[1]}/{key}".encode(), 0)
print(libc.syscall(431, context, 6, None, None, 0), os.listdir(f"{sys.argv[1]}/workdir"))
`;
  const outside = join(home, "docs");
  for (const name of ["lowerdir", "upperdir", "workdir"]) mkdirSync(join(outside, name));
  const policy = write("overlay.ts", `files: { write: [${quoted(project)}] }`);
  const ran = portcullis(["run", "-q", "-p", policy, "--", "python3", "-c", script, outside]);
  expect(ran.stdout).toBe("-1 []\n");
});

describe("the parts of `write`", () => {
  test("have lists of their own", () => {
    const policy = write("append.ts", `files: { write: [${quoted(project)}], remove: [], truncate: [] }`);
    writeFileSync(join(project, "log"), "old\n");
    const ran = run(policy, "cd project; echo new >> log; echo more > made; echo > log; rm log; cat log");
    expect(ran.stdout).toBe("old\nnew\n");
    expect(ran.stderr).toMatch(/cannot create log: Permission denied/);
    expect(ran.stderr).toMatch(/cannot remove 'log': Permission denied/);
  });

  test("without `write`: moves between directories stay possible", () => {
    const policy = write("reading.ts", `files: { read: ["/"] }`);
    const ran = run(policy, "mv docs/page project/page && cat project/page");
    expect(ran.stdout).toBe("page\n");
  });
});

test("runtime: a standard stream can be opened again with the rights that it has, and no others", () => {
  const policy = write("streams.ts", "files: { read: [], write: [], runtime: true }");
  writeFileSync(join(home, "in"), "in\n");
  const program = resolve("bin/portcullis");
  const command = `cat /dev/stdin; echo more > in; echo out > /dev/stdout; cat out`;
  const script = `"$1" run -q -p "$2" -- sh -c '${command}' < in > out`;
  const ran = spawnSync("sh", ["-c", script, "sh", program, policy], { cwd: home, encoding: "utf8" });
  expect(ran.stderr).toMatch(/cannot create in: Permission denied\n.*cat: out: Permission denied/);
  expect(readFileSync(join(home, "in"), "utf8")).toBe("in\n");
  expect(readFileSync(join(home, "out"), "utf8")).toBe("out\n");
});

test("execute: only listed programs, also by the interpreter of a script", () => {
  const policy = write("programs.ts", `files: { execute: ["/usr/bin/dash", "/usr/bin/true"], runtime: true }`);
  writeFileSync(join(home, "script"), "#!/usr/bin/python3\nprint(1)\n", { mode: 0o755 });
  const ran = run(policy, "/usr/bin/true && echo ran; /usr/bin/env; ./script");
  expect(ran.stdout).toBe("ran\n");
  expect(ran.stderr).toMatch(/env: Permission denied/);
  expect(ran.stderr).toMatch(/script: Permission denied/);
  const other = portcullis(["run", "-p", policy, "--", "/usr/bin/env"]);
  expect(other.status).toBe(126);
  expect(other.stderr).toContain("`files.execute` of the policy may lack it");
});

test("execute: a file without a name is not restricted, unless the step refuses to make it executable", () => {
  const execute = `files: { execute: ["/usr/bin/python3"], runtime: true }`;
  const python = `
import os
file = os.memfd_create("program")
os.write(file, open("/usr/bin/env", "rb").read())
os.execve(file, ["env"], {"WITHOUT": "name"})
`;
  const ran = (policy: string) => portcullis(["run", "-q", "-p", policy, "--", "/usr/bin/python3", "-c", python]);
  expect(ran(write("memfd.ts", execute)).stdout).toBe("WITHOUT=name\n");
  const step = `(call) => call.name === "memfd_create" && !call.args.flags.has("MFD_NOEXEC_SEAL") ? deny("ENOSYS") : allow`;
  expect(ran(write("no-memfd.ts", execute, step))).toMatchObject({ status: 1, stdout: "" });
});

test("tcp: ports that can be connected and bound", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((ready) => server.once("listening", ready));
  const { port } = server.address() as { port: number };
  const policy = write("ports.ts", `tcp: { connect: [${port}n], bind: [0n] }`);
  const python = `
import socket
def attempt(what, call):
    try: call(); print(what, "ok")
    except OSError as error: print(what, error.strerror)
attempt("listed", lambda: socket.create_connection(("127.0.0.1", ${port})))
attempt("other", lambda: socket.create_connection(("127.0.0.1", 9)))
attempt("ipv6", lambda: socket.create_connection(("::1", 9)))
attempt("any", lambda: socket.socket().bind(("127.0.0.1", 0)))
attempt("bind", lambda: socket.socket().bind(("127.0.0.1", 45678)))
attempt("mptcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(("127.0.0.1", 9)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9)))
attempt("fastopen", lambda: socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", 9)))
`;
  const ran = portcullis(["run", "-q", "-p", policy, "--", "python3", "-c", python]);
  server.close();
  const denied = "Permission denied";
  expect(ran.stdout.split("\n")).toEqual([
    "listed ok",
    `other ${denied}`,
    `ipv6 ${denied}`,
    "any ok",
    `bind ${denied}`,
    // Landlock does not see these two ways to connect; the policy's filter refuses them.
    "mptcp Protocol not supported",
    "udp ok",
    "fastopen Operation not supported",
    "",
  ]);
});

describe("unix and scope", () => {
  test("only the listed socket is reached by path, and abstract sockets of the tree alone", () => {
    const server = spawn(
      "python3",
      [
        "-c",
        `
import os, socket, sys
sockets = []
for name in ["agent", "other", "\\0portcullis-objects-%d" % os.getpid()]:
    one = socket.socket(socket.AF_UNIX); one.bind(name); one.listen(); sockets.append(one)
letters = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); letters.bind("letters")
print("ready", flush=True); sys.stdin.read()
`,
      ],
      { cwd: home, stdio: ["pipe", "pipe", "inherit"] },
    );
    return new Promise<void>((done, fail) => {
      server.stdout.once("data", () => {
        try {
          const policy = write(
            "sockets.ts",
            `unix: { connect: [${quoted(join(home, "agent"))}] }, scope: ["abstract-socket", "signal"]`,
          );
          const python = `
import os, signal, socket
own = socket.socket(socket.AF_UNIX); own.bind("\\0portcullis-own-%d" % os.getpid()); own.listen()
def attempt(what, call):
    try: call(); print(what, "ok")
    except OSError as error: print(what, error.strerror)
def connect(name): socket.socket(socket.AF_UNIX).connect(name)
attempt("agent", lambda: connect("agent"))
attempt("other", lambda: connect("other"))
attempt("abstract", lambda: connect("\\0portcullis-objects-${server.pid}"))
attempt("own", lambda: connect("\\0portcullis-own-%d" % os.getpid()))
attempt("signal", lambda: os.kill(${server.pid}, 0))
attempt("datagram", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"", "letters"))
`;
          const ran = portcullis(["run", "-q", "-p", policy, "--", "python3", "-c", python], { cwd: home });
          expect(ran.stdout).toBe(
            [
              "agent ok",
              "other Permission denied",
              "abstract Operation not permitted",
              "own ok",
              "signal Operation not permitted",
              "datagram Permission denied",
              "",
            ].join("\n"),
          );
          done();
        } catch (error) {
          fail(error);
        } finally {
          server.kill("SIGKILL");
        }
      });
    });
  });
});

describe("policies that are combined", () => {
  test("each must permit", () => {
    const policy = join(folder, "combined.ts");
    writeFileSync(
      policy,
      `import { allow, policy } from "portcullis";
const base = policy({ files: { write: [${quoted(project)}, ${quoted(join(home, "docs"))}] } }, () => allow);
export default policy({ extends: [base], files: { write: [${quoted(project)}, "/dev"] } }, () => allow);
`,
    );
    const ran = run(policy, "touch project/new && echo ok; touch docs/new; echo > /dev/null");
    expect(ran.stdout).toBe("ok\n");
    expect(ran.stderr).toMatch(/docs\/new': Permission denied\n.*\/dev\/null: Permission denied/);
  });

  test("moves are denied neither by a domain about ports nor by one about signals", () => {
    const policy = join(folder, "moves.ts");
    writeFileSync(
      policy,
      `import { allow, policy } from "portcullis";
const base = policy({ tcp: { connect: [443n] } }, () => allow);
export default policy({ extends: [base], files: { read: ["/"] } }, () => allow);
`,
    );
    const script = 'import os; os.rename("docs/page", "project/page"); print("moved")';
    for (const options of [[], ["--separate"], ["--timeout", "1min"]]) {
      writeFileSync(join(home, "docs/page"), "page\n");
      const ran = portcullis(["run", "-q", "-p", policy, ...options, "--", "python3", "-c", script], { cwd: home });
      expect(ran.stderr).toBe("");
      expect(ran.stdout).toBe("moved\n");
    }
  });

  test("with the other domains: read-only proc, a separate tree, a time limit", () => {
    const policy = write("all.ts", `readOnlyProc: true, files: { write: [${quoted(project)}, "/proc"] }`);
    const options = ["--separate", "--timeout", "1min", "--kill-tree"];
    const ran = run(policy, "touch project/new && echo ok; echo x > /proc/self/comm; touch docs/x", options);
    expect(ran.stdout).toBe("ok\n");
    expect(ran.stderr).toMatch(/comm: Permission denied\n.*docs\/x': Permission denied/);
  });

  test("with state: a supervised call is restricted, too", () => {
    const policy = write(
      "state.ts",
      `files: { read: ["/usr", "/lib", "/lib64", "/bin", "/etc", ${quoted(join(home, "docs"))}] }`,
      `(call) => call.name === "openat" && call.args.path.text.endsWith("/none") ? deny("EPERM") : allow`,
    );
    const ran = run(policy, "for n in 1 2 3; do cat docs/page .ssh/id docs/link docs/none; done");
    expect(ran.stdout).toBe("page\npage\npage\n");
    expect(ran.stderr).toMatch(/docs\/none: Operation not permitted/);
    expect(ran.stderr).toMatch(/\.ssh\/id: Permission denied/);
  });
});

describe("what the policy lists", () => {
  test("must exist, unless it is of files.runtime", () => {
    const policy = write("missing.ts", `files: { read: [${quoted(join(folder, "none"))}], runtime: true }`);
    const ran = run(policy, "echo started");
    expect(ran.status).toBe(125);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain(
      `the policy's files, ports and scopes cannot be restricted: \`${folder}/none\`, which the policy lists, does not exist (ENOENT)`,
    );
  });

  test("cannot be combined with objects that portcullis opens itself", () => {
    const policy = write(
      "resolved.ts",
      `files: { read: ["/usr"] }`,
      `(call) => call.name === "openat" && !call.args.path.resolved.under("/usr") ? deny("EPERM") : allow`,
    );
    const ran = run(policy, "echo started");
    expect(ran.status).toBe(125);
    expect(ran.stderr).toContain(
      "`files` and `.resolved` of a path that is opened cannot be combined on the engine notify",
    );
  });

  test("is not enforced in an audit", () => {
    expect(run(confined, "cat .ssh/id", ["--audit"]).stdout).toBe("secret\n");
  });
});

test("without Landlock no command starts; --best-effort names what is missing", () => {
  const outer = write(
    "without.ts",
    "lists: {}",
    '(call) => call.name === "landlock_create_ruleset" ? deny("ENOSYS") : allow',
  );
  const inner = (...options: string[]) => {
    const command = [resolve("bin/portcullis"), "run", "-p", confined, ...options, "--", "cat", ".ssh/id"];
    return portcullis(["run", "-q", "--no-denial-events", "-p", outer, "--", ...command], { cwd: home });
  };
  expect(inner()).toMatchObject({ status: 125, stdout: "" });
  expect(inner().stderr).toContain("Landlock is missing or off (EOPNOTSUPP)");
  const loose = inner("--best-effort");
  expect(loose.stdout).toBe("secret\n");
  expect(loose.stderr).toContain("BEST EFFORT: the policy's files, ports and scopes are not restricted");
});

test("a kernel without the right starts no command; --best-effort names what is missing", () => {
  const policy = write("udp.ts", "udp: { bind: [] }, tcp: { connect: [] }");
  const script =
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(('127.0.0.1', 0)); print('bound')";
  const command = ["--", "python3", "-c", script];
  const strict = portcullis(["run", "-p", policy, ...command]);
  const loose = portcullis(["run", "--best-effort", "-p", policy, ...command]);
  if (strict.status === 125) {
    expect(strict.stderr).toContain(
      "this kernel's Landlock cannot restrict UDP ports, which needs Linux 7.2 (EOPNOTSUPP)",
    );
    expect(loose.stderr).toContain("BEST EFFORT: a part of the policy's objects is not restricted");
    expect(loose.stdout).toBe("bound\n");
  } else expect(strict.stdout).toBe("");
});

test("ordinary programs start with files.runtime alone", () => {
  const policy = write(
    "runtime.ts",
    `files: { read: [${quoted(project)}], write: [${quoted(project)}], execute: ["/usr"], ioctl: [], runtime: true }`,
  );
  const commands = [
    [
      "/usr/bin/python3",
      "-c",
      "import ssl, sqlite3, locale, zoneinfo, socket; ssl.create_default_context(); print(zoneinfo.ZoneInfo('Europe/Paris'), socket.gethostbyname('localhost'))",
    ],
    [
      process.execPath,
      "-e",
      "console.log(require('node:os').userInfo().username.length > 0, new Date().getTimezoneOffset())",
    ],
    ["perl", "-MPOSIX", "-e", "print strftime('%Y', localtime), qq(\\n)"],
    ["git", "-c", "safe.directory=*", "--version"],
    ["bash", "-c", "exec < /dev/null; id -un; date +%Y; printf '%s\\n' ~root"],
    ["openssl", "version", "-d"],
    ["curl", "--version"],
    ["gcc", "--version"],
    ["tar", "--version"],
    ["getent", "hosts", "localhost"],
    ["locale"],
    ["awk", "BEGIN { print 1 }"],
    ["sort", "/dev/null"],
    ["script", "-qc", "tty", "/dev/null"],
  ].filter(([program]) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0);
  const failures = commands.filter((command) => {
    const env = { ...process.env, HOME: project, GIT_CONFIG_NOSYSTEM: "1" };
    // Node may be below a home directory.
    const options = ["run", "-q", "-p", policy];
    if (command[0] === process.execPath && !process.execPath.startsWith("/usr/")) return false;
    const ran = portcullis([...options, "--", ...command], { cwd: project, env });
    return ran.status !== 0 || /Permission denied|EACCES/.test(ran.stderr);
  });
  expect(failures).toEqual([]);
});
