/** `readOnlyProc`: the launcher's domain, in other mounts and with other restrictions, and where it cannot be made. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { asUser, ordinaryUser } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";

const root = process.getuid?.() === 0;
const program = resolve("bin/portcullis");
const launcher = resolve("dist/native", process.arch, "launcher");
const folder = mkdtempSync(join(tmpdir(), "portcullis-proc-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const policy = join(folder, "policy.ts");
const withoutLandlock = join(folder, "without-landlock.ts");
const everything = join(folder, "everything.ts");
beforeAll(() => {
  chmodSync(folder, 0o755);
  writeFileSync(
    policy,
    `import { allow, parameter, policy } from "portcullis";
const on = parameter.flag("on", { default: true });
export default policy({ readOnlyProc: on }, () => allow);
`,
  );
  writeFileSync(everything, 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n');
  writeFileSync(
    withoutLandlock,
    `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "landlock_create_ruleset" ? deny("ENOSYS") : allow));
`,
  );
});

/** Opens files for writing, and prints "FILE ok" or "FILE ERRNO" of each. */
const opener = `
import os, sys
for name in sys.argv[1:]:
    try:
        os.close(os.open(name, os.O_WRONLY))
        print(name, "ok")
    except OSError as error:
        print(name, os.strerror(error.errno))
`;
const opens = (...files: readonly string[]) => ["/usr/bin/python3", "-c", opener, ...files];
const own = "/proc/self/comm";
const refused = `${own} Permission denied\n`;
const opened = `${own} ok\n`;

function run(options: readonly string[], command: readonly string[]) {
  return portcullis(["run", "-q", "-p", policy, ...options, "--", ...command]);
}

describe("every way to start", () => {
  test.each([
    ["alone", []],
    ["with a time limit", ["--timeout", "1min"]],
    ["separate", ["--separate"]],
    ["with all restrictions", ["--separate", "--timeout", "1min", "--kill-tree", "--die-with-parent"]],
  ])("%s", (_, options) => {
    expect(run(options, opens(own)).stdout).toBe(refused);
    expect(run([...options, "--set", "on=false"], opens(own)).stdout).toBe(opened);
  });

  test("one layer has all restrictions", () => {
    const script = 'kill -0 "$PPID" 2>/dev/null && echo signalled; "$@"';
    const command = ["sh", "-c", script, "sh", ...opens(own)];
    expect(run(["--separate"], command).stdout).toBe(refused);
    expect(run(["--separate", "--set", "on=false"], command).stdout).toBe(opened);
    expect(run([], command).stdout).toBe(`signalled\n${refused}`);
  });

  test("the launcher alone, with a bundle", () => {
    for (const [on, outcome] of [
      ["true", refused],
      ["false", opened],
    ] as const) {
      const bundle = join(folder, `${on}.pcl`);
      execFileSync(program, ["compile", "-p", policy, "--set", `on=${on}`, "-o", bundle]);
      const ran = spawnSync(launcher, ["run", bundle, "--", ...opens(own)], { encoding: "utf8" });
      expect(ran.stderr).toBe("");
      expect(ran.stdout).toBe(outcome);
      const text = portcullis(["disasm", bundle]).stdout;
      expect(text.includes("for reading only (Landlock)")).toBe(on === "true");
    }
  });

  test("an audit enforces nothing", () => {
    const ran = portcullis(["run", "--audit", "-p", policy, "--", ...opens(own)]);
    expect(ran.stdout).toBe(opened);
  });
});

test("other files can be written: of all file systems, without a name, and the standard streams", () => {
  const script = `
import os
def reopen(descriptor): os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_NOCTTY))
reopen(os.memfd_create("memory"))
reopen(os.pipe()[1])
main, other = os.openpty()
reopen(other)
os.close(os.open(os.ttyname(other), os.O_RDWR | os.O_NOCTTY))
file = os.open("file", os.O_RDWR | os.O_CREAT)
os.rename("file", "below/file")
os.link("below/file", "again")
os.unlink("again")
os.unlink("below/file")
reopen(file)
os.close(os.open("/dev/null", os.O_WRONLY))
os.close(os.open("/proc/self/mem", os.O_RDONLY))
print("written")
`;
  mkdirSync(join(folder, "below"));
  const ran = portcullis(["run", "-q", "-p", policy, "--", "python3", "-c", script], { cwd: folder });
  expect(ran.stderr).toBe("");
  expect(ran.stdout).toBe("written\n");
});

describe("a file that the supervisor opens for the caller", () => {
  const name = join(folder, "resolved.ts");
  beforeAll(() =>
    writeFileSync(
      name,
      `import { allow, calls, deny, parameter, policy } from "portcullis";
const on = parameter.flag("on", { default: true });
export default policy({ readOnlyProc: on }, (call) =>
  calls("open", "openat").has(call) && call.args.path.resolved.is("/etc/hostname") ? deny("EPERM") : allow,
);
`,
    ),
  );
  const script = `
import os
def attempt(name, flags):
    try: return os.open(name, flags)
    except OSError as error: print(name[:14], os.strerror(error.errno))
    else: print("opened")
attempt("/proc/self/comm", os.O_WRONLY)
attempt("/proc/self/comm", os.O_RDWR)
attempt("/proc/self/mem", os.O_RDWR)
reads = attempt("/proc/self/comm", os.O_RDONLY)
attempt(f"/proc/self/fd/{reads}", os.O_WRONLY)
attempt("/dev/null", os.O_WRONLY)
attempt("file", os.O_RDWR | os.O_CREAT)
print("over")
`;
  const attempts = (on: string) =>
    portcullis(["run", "-q", "--engine", "notify", "-p", name, "--set", `on=${on}`, "--", "python3", "-c", script], {
      cwd: folder,
    }).stdout;

  test("is not a file of procfs that it would write", () => {
    const files = ["/proc/self/com", "/proc/self/com", "/proc/self/mem", "/proc/self/fd/"];
    expect(attempts("true")).toBe(`${files.map((file) => `${file} Permission denied\n`).join("")}over\n`);
  });

  test("can be one without the declaration", () => {
    expect(attempts("false")).toBe("over\n");
  });

  test("is not a file of procfs that has the device number of a tmpfs that the supervisor knew", (context) => {
    if (!root) context.skip("only root can make a file system without a user namespace");
    const reuse = `
import ctypes, os
call = ctypes.CDLL(None, use_errno=True).syscall
def mount(kind):
    fsopen, fsconfig, fsmount, create = 430, 431, 432, 6
    context = call(fsopen, kind, 0)
    call(fsconfig, context, create, None, None, 0)
    mounted = call(fsmount, context, 0, 0)
    os.close(context)
    return mounted
def attempt(flags, *place):
    try: os.close(os.open(place[0], flags, dir_fd=place[1]))
    except OSError as error: return os.strerror(error.errno)
    return "opened"
known = mount(b"tmpfs")
number = os.fstat(known).st_dev
print(attempt(os.O_RDONLY | os.O_DIRECTORY, ".", known))
os.close(known)
for attempts in range(1000):
    proc = mount(b"proc")
    if os.fstat(proc).st_dev == number: break
    os.close(proc)
else: print("the number is not used again")
for flags in [os.O_RDONLY, os.O_RDONLY, os.O_RDWR]: outcome = attempt(flags, f"{os.getpid()}/mem", proc)
print(outcome)
`;
    const command = ["python3", "-c", reuse];
    const ran = portcullis(["run", "-q", "--engine", "notify", "-p", name, "--", ...command]);
    expect(ran.stdout).toBe("opened\nPermission denied\n");
    expect(ran.stderr).toBe("");
  });
});

describe("mounts", () => {
  /** Runs a script of the shell in a mount namespace of its own; `$1` is a new folder. */
  function mounted(script: string, ...words: readonly string[]) {
    const place = mkdtempSync(join(folder, "mounts-"));
    chmodSync(place, 0o755);
    return spawnSync("unshare", ["-m", "--propagation", "private", "sh", "-ec", script, "sh", place, ...words], {
      encoding: "utf8",
      timeout: patience.command,
    });
  }

  test("of procfs at other places, and of their directories under other names", (context) => {
    if (!root) context.skip("only root can mount without a user namespace");
    const script = `
cd "$1"; shift
mkdir -p deep/er/proc name other 'a place' again
mount -t proc proc deep/er/proc
mount -t proc proc 'a place'
mount --bind deep name
mount --rbind deep again
mount --bind / other
echo text >deep/file; echo text >deep/er/file
exec "$@" "$PWD/deep/er/proc/self/comm" "$PWD/again/er/proc/self/comm" "$PWD/a place/self/comm" /proc/self/comm \\
  /proc/self/cwd/deep/er/proc/self/comm /proc/self/root/proc/self/comm \\
  deep/file deep/er/file name/file again/er/file "other$PWD/deep/file"`;
    const ran = mounted(script, program, "run", "-q", "-p", policy, "--", ...opens());
    expect(ran.stderr).toBe("");
    const outcomes = ran.stdout
      .trimEnd()
      .split("\n")
      .map((line) => (line.endsWith(" ok") ? "ok" : line.slice(line.lastIndexOf(" ") - "Permission".length)));
    expect(outcomes).toEqual([...Array.from({ length: 6 }, () => "Permission denied"), "ok", "ok", "ok", "ok", "ok"]);
  });

  /** Renames a directory, and opens the caller's `comm` for writing in a procfs that moves with it. */
  const mover = `
import os, sys
source, target, file = sys.argv[1:]
for act in [lambda: os.rename(source, target), lambda: os.close(os.open(file, os.O_WRONLY))]:
    try: act()
    except OSError as error: print(os.strerror(error.errno))
    else: print("ok")
`;
  const shown = "mount --bind srv seen/alias";
  test.for([
    ["the directory above it", `${shown}; mount -t proc proc srv/jail/proc`, "seen/alias/jail", "srv/other", "proc"],
    [
      "that directory of a mount",
      `mount --bind srv root; mount -t proc proc root/jail/proc`,
      "srv/jail",
      "root/other",
      "proc",
    ],
    [
      "the directory above a mount that has it",
      `${shown}; mount -t tmpfs none srv/jail/proc; mkdir srv/jail/proc/in; mount -t proc proc srv/jail/proc/in`,
      "seen/alias/jail",
      "srv/other",
      "proc/in",
    ],
  ] as const)("of procfs do not move below a directory with a rule: other mounts show %s", (names, context) => {
    if (!root) context.skip("only root can mount without a user namespace");
    const [, mounts, from, to, place] = names;
    const inside = from.replace(/[^/]*$/, "other/jail"); // the target's name in the same mount
    const script = `cd "$1"; shift; mkdir -p srv/jail/proc srv/other seen/alias root; ${mounts}; exec "$@"`;
    const attempt = (on: string) =>
      mounted(
        script,
        ...[program, "run", "-q", "-p", policy, "--set", `on=${on}`],
        ...["--", "python3", "-c", mover, from, inside, `${to}/jail/${place}/self/comm`],
      );
    expect(attempt("false")).toMatchObject({ stderr: "", stdout: "ok\nok\n" });
    expect(attempt("true").stdout).toBe("Invalid cross-device link\nNo such file or directory\n");
  });

  test("the standard streams can be opened again, also if no directory here leads to them", (context) => {
    if (!root) context.skip("only root can mount without a user namespace");
    if (program.startsWith("/tmp/")) context.skip("the checkout is below /tmp, which the test hides");
    const hidden = mkdtempSync("/tmp/portcullis-proc-");
    const other = mkdtempSync("/var/tmp/portcullis-proc-");
    onTestFinished(() => {
      for (const one of [hidden, other]) rmSync(one, { recursive: true, force: true });
    });
    copyFileSync(policy, join(other, "policy.ts"));
    // The files belong to the namespace that the shell then leaves, and to directories that the new one does not have.
    const hides = 'mount -t tmpfs none /tmp && exec "$@"';
    const script = `exec >>${hidden}/stream 7>>${hidden}/seven; exec unshare -m sh -c '${hides}' sh "$@"`;
    const attempts = "echo first >>/dev/stdout; echo other >>/dev/fd/7";
    const command = [program, "run", "-q", "-p", join(other, "policy.ts"), "--", "sh", "-c", attempts];
    const ran = spawnSync("sh", ["-c", script, "sh", ...command], { encoding: "utf8" });
    expect(readFileSync(join(hidden, "stream"), "utf8")).toBe("first\n");
    expect(ran.stderr).toContain("/dev/fd/7: Permission denied");
  });

  test("nothing starts if the user cannot list a directory on the way, unless the user cannot search it either", (context) => {
    if (!root) context.skip("only root can mount without a user namespace");
    const script = `
mkdir "$1/closed" "$1/closed/proc"; mount -t proc proc "$1/closed/proc"; chmod "$2" "$1/closed"; shift 2; exec "$@"`;
    const command = asUser(ordinaryUser, program, "run", "-q", "-p", policy, "--", ...opens(own));
    const unlisted = mounted(script, "0711", ...command);
    expect(unlisted.stdout).toBe("");
    expect(unlisted.status).toBe(125);
    const directory = "the directory `closed`, below which a proc file system is mounted, cannot be listed";
    expect(unlisted.stderr).toContain(directory);
    expect(mounted(script, "0700", ...command).stdout).toBe(refused);
  });

  test("whose server does not answer do not delay the start", (context) => {
    if (!root || !existsSync("/dev/fuse"))
      context.skip("only root can mount without a user namespace, and with /dev/fuse");
    const server = `
import ctypes, os, subprocess, sys
server = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
assert ctypes.CDLL(None).mount(b"none", sys.argv[1].encode(), b"fuse", 0, options) == 0
try: sys.exit(subprocess.run(sys.argv[2:], timeout=${patience.command / 2000}).returncode)
except subprocess.TimeoutExpired: print("waits for the server")
`;
    const script = `
mkdir "$1/silent" "$1/proc"; mount -t proc proc "$1/proc"; silent="$1/silent"; server="$2"; shift 2
exec python3 -c "$server" "$silent" "$@"`;
    const ran = mounted(script, server, program, "run", "-q", "-p", policy, "--", ...opens(own));
    expect(ran).toMatchObject({ stderr: "", stdout: refused });
  });

  test("of a directory above a chroot let nothing start", (context) => {
    if (!root) context.skip("only root can mount without a user namespace");
    const script = `
top="$1"; shows="$2"; cp "$3" "$4" "$1"; shift 4; mkdir "$top/jail"; cd "$top/jail"; mkdir above proc
mv "$top/launcher" "$top/chroot.pcl" .
for one in usr bin lib lib64; do
  if [ -L "/$one" ]; then cp -P "/$one" .; elif [ -d "/$one" ]; then mkdir "$one"; mount --rbind "/$one" "$one"; fi
done
mount -t proc proc proc
if "$shows"; then mount --bind "$top" above; fi
exec chroot . /launcher run /chroot.pcl -- "$@"`;
    const bundle = join(folder, "chroot.pcl");
    execFileSync(program, ["compile", "-p", policy, "-o", bundle]);
    const words = [launcher, bundle, ...opens(own)];
    expect(mounted(script, "false", ...words)).toMatchObject({ stderr: "", stdout: refused });
    const above = mounted(script, "true", ...words);
    expect(above.stderr).toContain("a mount shows a directory above the root directory (EPERM)");
    expect(above).toMatchObject({ status: 125, stdout: "" });
  });

  test("cannot be made by the tree", (context) => {
    if (!root) context.skip("only root can mount without a user namespace");
    const script = 'mount -t tmpfs none "$1" && echo mounted; shift; exec "$@"';
    const inside = ["sh", "-c", 'mount -t tmpfs none "$0" && echo inside', folder];
    const mount = (on: string) =>
      mounted(script, program, "run", "-q", "-p", policy, "--set", `on=${on}`, "--", ...inside).stdout;
    expect(mount("false")).toBe("mounted\ninside\n");
    expect(mount("true")).toBe("mounted\n");
  });
});

test("in the last layer that a process can have, and not in one more", () => {
  const layers = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0) # PR_SET_NO_NEW_PRIVS
for layer in range(int(sys.argv[1])):
    ruleset = libc.syscall(444, struct.pack("Q", 1 << 3), 8, 0) # a ruleset that denies to list directories, and
    rule = struct.pack("=Qi", 1 << 3, os.open("/", os.O_PATH)) # permits it everywhere
    libc.syscall(445, ruleset, 1, rule, 0)
    libc.syscall(446, ruleset, 0)
    os.close(ruleset)
os.execv(sys.argv[2], sys.argv[2:])
`;
  const run = (count: string, ...options: readonly string[]) =>
    spawnSync("python3", ["-c", layers, count, program, "run", "-q", ...options, "--", ...opens(own)], {
      encoding: "utf8",
    });
  expect(run("15", "-p", policy).stdout).toBe(refused);
  const cause = ": this process is in 16 Landlock domains already (E2BIG)\n";
  for (const [options, what, without] of [
    [["-p", policy], "files of proc file systems cannot be made read-only", "--set read-only-proc=false"],
    [
      ["-p", policy, "--best-effort"],
      "files of proc file systems cannot be made read-only",
      "--set read-only-proc=false",
    ],
    // A policy with state: its static part would meet the same error.
    [
      ["-p", "exec-once", "--best-effort"],
      "files of proc file systems cannot be made read-only",
      "--set read-only-proc=false",
    ],
    [
      ["-p", everything, "--separate"],
      "the command's tree cannot be separated from other processes",
      "without --separate",
    ],
  ] as const) {
    const one = run("16", ...options);
    expect(one).toMatchObject({ status: 125, stdout: "" });
    expect(one.stderr).toContain(`${what}${cause}`);
    expect(one.stderr).toContain("fewer nested sandboxes");
    expect(one.stderr).toContain(without);
    expect(one.stderr).not.toContain("--best-effort");
    expect(one.stderr).not.toContain("BEST EFFORT");
  }
});

describe("without Landlock", () => {
  const within = ["run", "--no-denial-events", "-q", "-p", withoutLandlock, "--"];
  const inner = (...options: readonly string[]) => [
    program,
    "run",
    "-q",
    "-p",
    policy,
    ...options,
    "--",
    ...opens(own),
  ];

  test("nothing starts, and the message has the way out", () => {
    const ran = portcullis([...within, ...inner()]);
    expect(ran.status).toBe(125);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain("cannot be made read-only: Landlock is missing, off or too old");
    expect(ran.stderr).toContain("--best-effort");
    expect(portcullis([...within, ...inner("--set", "on=false")]).stdout).toBe(opened);
  });

  test("--best-effort starts it and says so", () => {
    const ran = portcullis([...within, ...inner("--best-effort")]);
    expect(ran.stderr).toContain("BEST EFFORT: the command can write files of proc file systems: Landlock is missing");
    expect(ran.stdout).toBe(opened);
  });

  test("the same for the launcher alone", () => {
    const bundle = join(folder, "alone.pcl");
    execFileSync(program, ["compile", "-p", policy, "-o", bundle]);
    const alone = (...options: readonly string[]) =>
      portcullis([...within, launcher, "run", ...options, bundle, ...opens(own)]);
    expect(alone()).toMatchObject({ status: 125, stdout: "" });
    expect(alone().stderr).toContain("files of proc file systems cannot be made read-only: Landlock is missing");
    expect(alone("--best-effort")).toMatchObject({ status: 0, stdout: opened });
    expect(alone("--best-effort").stderr).toContain("BEST EFFORT: the command can write files of proc file systems");
  });

  test("doctor reports it", () => {
    expect(portcullis(["doctor"]).stdout).toContain("read-only-proc: no process writes to the memory of another");
    expect(portcullis([...within, program, "doctor"]).stdout).toContain("start no command");
  });
});
