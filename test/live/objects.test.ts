/**
 * Policies about the objects of paths, enforced by `notify` on a program (test/live/victims/objects.c), as root and as an
 * ordinary user.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { asUser, reachableFolder } from "../support/ordinary-user.ts";
import { portcullis } from "../support/run.ts";
import { Conversation, type Outcome, prepare, type RunSettings, run, users, victim } from "./run.ts";

const full = process.env["PORTCULLIS_FULL"] === "1";
const tries = full ? 30_000 : 1500;
const place = reachableFolder("objects");
let folder = "";

beforeAll(prepare);

/** allowed/, forbidden/ and secret, and names that lead from one to the other. */
beforeEach(() => {
  folder = mkdtempSync(join(place, "run-"));
  for (const each of ["allowed", "forbidden", "forbidden/inner", "forbidden/fixed", "outer"])
    mkdirSync(join(folder, each));
  writeFileSync(join(folder, "allowed/file"), "allowed");
  writeFileSync(join(folder, "forbidden/file"), "forbidden");
  writeFileSync(join(folder, "forbidden/inner/file"), "inner");
  writeFileSync(join(folder, "forbidden/fixed/file"), "fixed");
  writeFileSync(join(folder, "secret"), "secret");
  linkSync(join(folder, "secret"), join(folder, "allowed/secret-by-another-name"));
  const links = {
    "allowed/link": "../forbidden/file",
    "allowed/own-link": "file",
    "allowed/directory": "../forbidden",
    "allowed/dangling": "by-link",
    "allowed/dangling-forbidden": "../forbidden/by-link",
    "allowed/flip": "file",
    "allowed/agent-link": "../agent.sock",
    "outer/forbidden-link": "../forbidden",
  };
  for (const [name, to] of Object.entries(links)) symlinkSync(to, join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function settingsFor(uid: number | undefined, more: Partial<RunSettings> = {}): RunSettings {
  if (uid !== undefined) execFileSync("chown", ["-R", "-h", `${uid}:${uid}`, folder]);
  return { program: "objects", uid, within: ["env", "-C", folder, `OBJECTS=${folder}`], ...more };
}

function results({ out }: Outcome): Readonly<Record<string, string>> {
  return Object.fromEntries(
    out
      .split("\n")
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
  );
}

/** A policy about the objects of paths with this statement, which refuses none of the tests' files. */
function written(statement: string): string {
  const file = join(folder, "objects.ts");
  const rule = 'if (call.name === "openat" && call.args.path.resolved.under("/never")) return deny("EXFULL");';
  const step = `export default policy((call) => {\n${statement}\n${rule}\nreturn allow;\n});`;
  writeFileSync(file, `import { allow, deny, policy } from "portcullis";\n${step}\n`);
  return file;
}

/** Why portcullis itself refused calls. */
const reasons = ({ events }: Outcome) => [
  ...new Set(events.flatMap(({ verdict, hold }) => (verdict === "unserved" ? [hold] : []))),
];

describe.each(users)("$name", ({ uid }) => {
  describe.each(["present", "oldest"] as const)("with a kernel's features: %s", (kernel) => {
    it("opens the object of a path, for paths of every kind", () => {
      const outcome = run(settingsFor(uid, { kernel }), victim("objects"), "paths");
      expect(outcome.error).toBe("");
      expect(results(outcome)).toEqual({
        allowed: "a",
        open: "a",
        forbidden: "EDOM",
        "dot-dot": "EDOM",
        link: "EDOM",
        "directory-link": "EDOM",
        "hard-link": "EDOM",
        directory: "EDOM",
        "working-directory": "EDOM",
        create: "EDOM",
        truncate: "EDOM",
        made: "ENOENT",
        size: "9",
        dirfd: "a",
        "dirfd-up": "EDOM",
        "bad-dirfd": "EBADF",
        "no-directory": "ENOTDIR",
        beneath: "a",
        "beneath-up": "EXDEV",
        "no-links": "ELOOP",
        "wrong-flags": "EINVAL",
        "wrong-mode": "EINVAL",
        "no-follow": "ELOOP",
        "file-as-directory": "ENOTDIR",
        "through-file": "ENOTDIR",
        missing: "ENOENT",
        "missing-above": "ENOENT",
        empty: "ENOENT",
        null: "EFAULT",
        exclusive: "EEXIST",
        "create-directory": "EISDIR",
        slash: "EISDIR",
        "slash-file": "EISDIR",
        "slash-exclusive": "EISDIR",
        "slash-missing-above": "ENOENT",
        unsearchable: "0",
        "unsearchable-forbidden": "EDOM",
        "dangling-forbidden": "EDOM",
        "still-missing": "ENOENT",
        mode: "640",
        flags: "0 1",
        written: "3",
        again: "0",
        truncated: "0",
        dangling: "1 0 0",
        unnamed: "1",
        "unnamed-forbidden": "EDOM",
        "path-only": "EACCES",
        "own-descriptor": "a",
        "own-thread": "a",
        "descriptor-up": "EDOM",
        "own-directory": "a",
        "own-directory-up": "EDOM",
        "own-root": "o",
        "own-link-itself": "ELOOP",
        "restricted-walk": "EACCES",
        comm: "o",
        mounts: expect.stringMatching(/^.$/),
        "no-process": "ENOENT",
        "null-device": "a",
        pipe: "p",
      });
      expect(reasons(outcome)).toEqual(["path-only", "restricted-walk"]);
    });
  });

  it("passes none of its own files", async () => {
    const conversation = new Conversation(settingsFor(uid), victim("objects"), "supervisor");
    try {
      expect(await conversation.line()).toBe("ready");
      conversation.write(`${conversation.supervisor}`);
      const lines: string[] = [];
      for (let line = await conversation.line(); line !== undefined; line = await conversation.line()) lines.push(line);
      expect(lines).toEqual([
        "absolute EACCES",
        "itself EACCES",
        "relative EACCES",
        "through-own-link EACCES",
        "up EACCES",
        "other EACCES",
      ]);
      await conversation.ended;
      expect(new Set(conversation.events.map(({ hold }) => hold))).toEqual(new Set(["own-process", "other-process"]));
    } finally {
      conversation.close();
    }
  });

  it("opens of another process only what the kernel lets every process read", async () => {
    const words = [victim("reach"), "target"];
    const [file, ...rest] = uid === undefined ? words : asUser(uid, ...words);
    const target = spawn(file!, rest, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void target.kill("SIGKILL"));
    await once(target.stdout, "data");
    const outcome = run(settingsFor(uid), victim("objects"), "others", `${target.pid}`);
    const ofOther = (other: string) => ({
      [`${other}-protected`]: "0",
      [`${other}-memory`]: "EACCES",
      [`${other}-around`]: "EACCES",
      [`${other}-descriptor`]: "EACCES",
      [`${other}-through-directory`]: "EACCES",
      [`${other}-relative`]: "EACCES",
      [`${other}-through-own-link`]: "EACCES",
    });
    expect(results(outcome)).toEqual({
      ...ofOther("outside"),
      ...ofOther("child"),
      "own-memory": "0",
      "own-descriptors": "0",
      "own-first-thread": "0",
      "own-thread-by-number": "0",
      "own-thread-below": "0",
      "own-thread-itself": "0",
      "restricted-missing": "EACCES",
      "restricted-root": "EACCES",
    });
    expect(reasons(outcome)).toEqual(["other-process", "restricted-walk"]);
  });

  it("opens no file of another process if the mount options of /proc hide processes", (context) => {
    if (process.getuid?.() !== 0) context.skip("only root can mount without a user namespace");
    const hides = ["unshare", "-m", "--propagation", "private", "sh", "-ec"];
    const script = 'mount -t proc -o "$0" proc /proc; exec "$@"';
    const attempt = (option: string) => {
      const settings = settingsFor(uid);
      const within = [...hides, script, option, ...settings.within!];
      return results(run({ ...settings, within }, victim("objects"), "status", `${process.pid}`));
    };
    expect(attempt("hidepid=0")).toEqual({ status: "0", own: "0" });
    for (const option of ["hidepid=2", "hidepid=1"]) expect(attempt(option)).toEqual({ status: "EACCES", own: "0" });
  });

  it("opens only the judged file during changes of a link", () => {
    const outcome = run(settingsFor(uid), victim("objects"), "race", `${tries}`);
    expect(results(outcome)).toEqual({ lost: "0", opened: "1", refused: "1", other: "0" });
  });

  it("loses that race if the path is looked up twice", () => {
    const { stdout } = spawnSync(victim("objects"), ["control", "1500"], { cwd: folder, encoding: "utf8" });
    expect(Number(/^lost (\d+)$/m.exec(stdout)![1])).toBeGreaterThan(0);
  });

  it("finds the parent directories during renames of others", () => {
    expect(results(run(settingsFor(uid), victim("objects"), "moving", `${tries}`))).toEqual({ wrong: "0" });
  });

  it("delays only the caller of a FIFO's open", () => {
    expect(results(run(settingsFor(uid), victim("objects"), "fifo"))).toEqual({
      others: "100",
      through: "x",
      "no-reader": "ENXIO",
    });
  });

  it("delays only the caller who opens a leased file", () => {
    expect(results(run(settingsFor(uid), victim("objects"), "lease"))).toEqual({
      "at-once": "EAGAIN",
      others: "100",
      "gives-up": "0",
      through: "x",
    });
  });

  it("ends a waiting open when its caller has a signal, or ends", () => {
    expect(results(run(settingsFor(uid), victim("objects"), "interrupted"))).toEqual({ interrupted: "EINTR" });
    rmSync(join(folder, "allowed/fifo"));
    expect(results(run(settingsFor(uid), victim("objects"), "killed"))).toEqual({ others: "1" });
  });

  it("has no copy when the caller continues", () => {
    execFileSync("mkfifo", [join(folder, "allowed/fifo")]);
    expect(results(run(settingsFor(uid), victim("objects"), "closes", "1000"))).toEqual({ wrong: "0" });
  });

  it("leaves no descriptor open, on either side", async (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to look into portcullis, which is not dumpable");
    const conversation = new Conversation(settingsFor(uid), victim("objects"), "leaks", "1000");
    try {
      const count = () => readdirSync(`/proc/${conversation.supervisor}/fd`).length;
      expect(await conversation.line()).toBe("begin");
      const before = count();
      conversation.write("");
      expect(await conversation.line()).toBe("end 0");
      // A leak would be one of each of the 4,000 calls; a thread of the pool may look into /proc at the moment.
      expect(count()).toBeLessThan(before + 100);
      conversation.end();
      await conversation.ended;
    } finally {
      conversation.close();
    }
  });

  it("connects to the object of a path", () => {
    const outcome = run(settingsFor(uid), victim("objects"), "sockets");
    expect(results(outcome)).toEqual({
      agent: "0",
      dots: "0",
      link: "0",
      other: "EDOM",
      abstract: "0",
      datagram: "EDOM",
      "wrong-type": "EPROTOTYPE",
      missing: "ENOENT",
      "no-socket": "ENOTSOCK",
      "bad-descriptor": "EBADF",
      // The peer of the connection is portcullis, of the same user.
      peer: "1 0",
      full: "EAGAIN",
    });
  });

  const ways =
    uid === undefined && process.getuid?.() === 0
      ? {
          user: "other-credentials",
          group: "other-credentials",
          groups: "other-credentials",
          capabilities: "other-credentials",
          root: "other-root",
          mounts: "other-mounts",
          "user-namespace": "other-credentials",
          landlock: "landlock",
        }
      : { "user-namespace": "other-credentials", landlock: "landlock" };
  it.each(Object.entries(ways))("refuses a caller that has confined itself: %s", (how, why) => {
    const outcome = run(settingsFor(uid), victim("objects"), "confined", how);
    expect(results(outcome)).toMatchObject({ confined: expect.stringMatching(/^(EACCES|EPERM)$/) });
    expect([[why], ["unreadable-caller"], []]).toContainEqual(reasons(outcome));
    if (how === "landlock") expect(reasons(outcome)).toEqual(["landlock"]);
  });

  it("refuses the children of a caller that has confined itself by Landlock, and no other process", () => {
    const outcome = run(settingsFor(uid), victim("objects"), "beside");
    expect(results(outcome)).toEqual({
      grandchild: "EACCES",
      confined: "EACCES",
      parent: "1",
      "other-child": "1",
    });
  });
});

it("opens a block device exclusively", (context) => {
  if (process.getuid?.() !== 0) context.skip("needs root, to open a block device");
  const command = [victim("objects"), "exclusive"] as const;
  const plainly = (device: string) => spawnSync(command[0], ["exclusive", device], { encoding: "utf8" }).stdout;
  const expected = "first 0\nsecond EBUSY\nshared 0\n";
  const loops = readdirSync("/dev").flatMap((name) => (/^loop\d+$/.test(name) ? [`/dev/${name}`] : []));
  const free = loops.find((device) => plainly(device) === expected);
  if (free === undefined) context.skip("no loop device is free");
  expect(run(settingsFor(undefined), ...command, free!).out).toBe(expected);
});

describe("a program that restricts itself by Landlock (docs/internals/objects.md)", () => {
  it.for([
    ["works if landlock_create_ruleset is denied, which it asks for the version", "landlock_create_ruleset", 0, /^$/],
    ["takes an error of landlock_restrict_self as fatal", "landlock_restrict_self", 1, /Failed to enable the sandbox/],
    ["is refused where neither is denied", undefined, 1, /Permission denied/],
  ] as const)("%s: xz", ([, denied, status, error], context) => {
    const version = spawnSync("xz", ["--version"], { encoding: "utf8" }).stdout ?? "";
    // Only 5.8.1 was read.
    const [, minor = 0, patch = 0] = (/^xz .* 5\.(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
    if (minor < 8 || (minor === 8 && patch < 1)) context.skip("this xz is older than 5.8.1, or none is installed");
    const policy = written(denied === undefined ? "" : `if (call.name === "${denied}") return deny("EOPNOTSUPP");`);
    writeFileSync(join(folder, "packed"), "text");
    const ran = portcullis(["run", "-q", "--engine", "notify", "-p", policy, "--", "xz", "packed"], { cwd: folder });
    expect(ran).toMatchObject({ status, stderr: expect.stringMatching(error) });
    expect(existsSync(join(folder, "packed.xz"))).toBe(status === 0);
  });
});

it("differs from the kernel in flags and errnos as docs/internals/objects.md says", () => {
  const script = `import errno, fcntl, os, resource, sys
def tried(path, flags):
  try: return os.open(path, flags)
  except OSError as error: return errno.errorcode[error.errno]
file = tried("secret", os.O_RDONLY | os.O_NOFOLLOW)
print("no-follow", fcntl.fcntl(file, fcntl.F_GETFL) & os.O_NOFOLLOW != 0)
print("long", tried("a" * 4200, os.O_CREAT | os.O_DIRECTORY | os.O_RDWR))
resource.setrlimit(resource.RLIMIT_NOFILE, (file + 1, file + 1))
print("missing", tried("missing", os.O_RDONLY), "present", tried("secret", os.O_RDONLY))`;
  const python = ["python3", "-c", script];
  const plain = spawnSync(python[0]!, python.slice(1), { encoding: "utf8", cwd: folder }).stdout;
  const { stdout } = portcullis(["run", "-q", "--engine", "notify", "-p", written(""), "--", ...python], {
    cwd: folder,
  });
  // O_CREAT with O_DIRECTORY is invalid since Linux 6.4.
  expect(plain).toMatch(/^no-follow True\nlong (EINVAL|ENAMETOOLONG)\nmissing EMFILE present EMFILE\n$/);
  expect(stdout).toBe("no-follow False\nlong ENAMETOOLONG\nmissing ENOENT present EMFILE\n");
});

it("does not follow an object that is moved: the start reports who can (P0610), and a policy can refuse the moves", () => {
  const rule = `if (call.name === "openat" && call.args.path.resolved.under("${folder}/forbidden")) return deny("EACCES");`;
  const moves = 'calls("rename", "renameat", "renameat2", "link", "linkat")';
  const file = join(folder, "moves.ts");
  const tried = (refused: string, ...options: readonly string[]) => {
    const text = `import { allow, calls, deny, policy } from "portcullis";\nconst moves = ${moves};\nexport default policy((call) => {\n${rule}\n${refused}\nreturn allow;\n});\n`;
    writeFileSync(file, text);
    const script = "cat forbidden/file; ln forbidden/file hard; mv forbidden moved; cat hard; echo; cat moved/file";
    const words = ["run", "--engine", "notify", "-p", file, ...options, "--", "sh", "-c", script];
    return portcullis(words, { cwd: folder });
  };
  const known = `the command's user can write \\S+, and so give another path to objects that the policy refuses: resolved.under "${folder}/forbidden"`;
  const strict = tried("", "--strict-paths", "-q");
  expect(strict).toMatchObject({ status: 125, stdout: "" });
  expect(strict.stderr).toMatch(new RegExp(`^error P0610: ${known}$`, "m"));

  const refused = tried('if (moves.has(call)) return deny("EACCES");', "--strict-paths");
  expect(refused.stderr).not.toContain("P0610");
  expect(refused.stdout).toBe("\n");
  expect(existsSync(join(folder, "forbidden/file"))).toBe(true);

  const moved = tried("");
  expect(moved.stderr).toMatch(new RegExp(`^warning P0610: ${known}$`, "m"));
  expect(moved.stdout).toBe("forbidden\nforbidden");
});
