/** The ready policy `agent`: programs of everyday work, and programs that try to get out of it (docs/agents.md). */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PolicyEvent } from "../../src/events/event.ts";
import { removeBusyFolder } from "../support/busy-folder.ts";
import { asUser, programFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";

const folder = reachableFolder("agent");
chmodSync(folder, 0o777);
const secret = "a secret of this test";

/** Servers outside the tree: TCP on loopback, a Unix socket in /tmp, one in the home directory, an abstract one. */
const servers: Server[] = [];
let port = 0;
const reached: string[] = [];
const abstractName = `portcullis-agent-${process.pid}`;

const serve = (name: string, at: { port: number; host: string } | { path: string }) =>
  new Promise<Server>((ready) => {
    const server = createServer((socket) => {
      reached.push(name);
      socket.on("error", () => undefined).end();
    });
    servers.push(server);
    server.listen(at, () => {
      if ("path" in at && at.path.startsWith("/")) chmodSync(at.path, 0o777);
      ready(server);
    });
  });

beforeAll(async () => {
  const tcp = await serve("tcp", { port: 0, host: "127.0.0.1" });
  port = (tcp.address() as { port: number }).port;
  await serve("unix", { path: join(folder, "outside.sock") });
  await serve("abstract", { path: `\0${abstractName}` });
});
afterAll(() => {
  for (const one of servers) one.close();
});

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly error: string;
  readonly events: readonly PolicyEvent[];
}

/** Attempts to change protected files by the names, links, moves and descriptors; each in a process of its own. */
const hostile = `
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def write(path, at=None):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o755, dir_fd=at)
    os.write(fd, b"#!/bin/sh\\necho evil\\n")
    raise SystemExit("wrote")
def call(name, *given):
    if getattr(libc, name)(*given) != 0: raise OSError(ctypes.get_errno(), name)
def prepared(path): os.makedirs(path + "/hooks"); os.close(os.open(path + "/hooks/pre-commit", os.O_CREAT | os.O_WRONLY)); return path
def opened(path, flags=os.O_RDONLY): return os.open(path, flags)
def replaced(): os.rename(".git", "was"); os.rename(prepared("n1"), ".git")
def moved_hooks(): prepared("n2"); os.rename("n2", ".git/n2"); os.rename(".git/n2/hooks", ".git/hooks")
def exchanged(): os.mkdir("n3"); call("renameat2", -100, b"n3", -100, b".git/hooks", 2)
def linked(): os.link(".git/config", "l1"); write("l1")
def linked_in(): os.link("file", ".git/hooks/pre-commit")
def linked_descriptor(): call("linkat", opened(".git/config"), b"", -100, b"l2", 0x1000); write("l2")
def linked_proc(): os.link("/proc/self/fd/%d" % opened(".git/config"), "l3", follow_symlinks=True); write("l3")
def symbolic(): os.symlink(".git", "s1"); write("s1/hooks/pre-commit")
def symbolic_inside(): os.symlink("hooks", ".git/s2"); write(".git/s2/pre-commit")
def symbolic_moved(): os.symlink("hooks", "s3"); os.rename("s3", ".git/s3"); write(".git/s3/pre-commit")
def symbolic_proc(): os.symlink("/proc/self/fd/%d" % opened(".git"), "s4"); write("s4/hooks/pre-commit")
def swapped(): os.mkdir("s5"); os.rename("s5", "s6"); os.symlink(os.getcwd() + "/.git", "s5"); write("s5/hooks/pre-commit")
def by_directory(): write("hooks/pre-commit", opened(".git"))
def by_path_descriptor(): write("pre-commit", opened(".git/hooks", os.O_PATH))
def by_neighbour(): write("../hooks/pre-commit", opened(".git/refs", os.O_PATH))
def by_proc(): write("/proc/self/fd/%d/pre-commit" % opened(".git/hooks", os.O_PATH))
def reopened(): write("/proc/self/fd/%d" % opened(".git/config"))
def reopened_path(): write("/proc/self/fd/%d" % opened(".git/config", os.O_PATH))
def reopened_stream(): os.dup2(opened(".git/config"), 0); write("/dev/stdin")
def reopened_number(): write(str(opened(".git/config")), opened("/proc/self/fd"))
def by_child():
    listed, (r, w) = opened("/proc/self/fd"), os.pipe()
    if os.fork() == 0:
        os.read(r, 1)
        for path in ("90/pre-commit", "90"):
            try: write(path, listed)
            except OSError: pass
        write("pre-commit", os.open("90", os.O_RDONLY, dir_fd=listed))
    os.dup2(opened(".git/hooks"), 90); os.write(w, b"x"); os.wait()
def sent():
    a, b = socket.socketpair()
    if os.fork() == 0: write("pre-commit", socket.recv_fds(b, 1, 1)[1][0])
    socket.send_fds(a, [b"x"], [opened(".git/hooks")]); os.wait()
def moved_self(): os.mkdir("m"); os.chdir("m"); os.rename("../m", "../.git/m"); write("../hooks/pre-commit")
def entered(): os.chdir(".git"); write("hooks/pre-commit")
def entered_descriptor(): os.fchdir(opened(".git")); write("hooks/pre-commit")
def above(): os.makedirs("x/y"); os.chdir("x/y"); write("../../.git/hooks/pre-commit")
def odd(): write(".//.git/.//objects/../hooks/./pre-commit")
def made(): os.mkdir(".vscode"); write(".vscode/tasks.json")
def made_elsewhere(): os.mkdir("v"); os.rename("v", ".vscode")
def made_link(): os.symlink("v", ".claude")
def made_file(): os.close(os.open("r", os.O_CREAT)); os.rename("r", ".npmrc")
def unnamed(): os.open(".git/hooks", os.O_RDWR | os.O_TMPFILE, 0o755)
def mode(): os.chmod(".git/config", 0o777)
def mode_descriptor(): os.fchmod(opened(".git/config"), 0o777)
def times(): os.utime(".git/config", (1, 1))
def cut(): os.truncate(".git/config", 0)
def removed(): os.unlink(".git/config")
def bound(): socket.socket(socket.AF_UNIX).bind(".git/hooks/pre-commit")
for name, attempt in list(globals().items()):
    if getattr(attempt, "__module__", None) != "__main__" or name in ("write", "call", "prepared", "opened"): continue
    if os.fork() == 0:
        try: attempt()
        except OSError: os._exit(0)
        except SystemExit: print(name, "wrote", flush=True); os._exit(0)
        if name not in ("by_child", "sent"): print(name, flush=True)
        os._exit(0)
    os.wait()
print("end")
`;

let runs = 0;

for (const { name, uid } of users) {
  describe(`as ${name}`, () => {
    const program = uid === undefined ? [resolve("bin/portcullis")] : programFor(folder);
    const user = (...words: string[]) => (uid === undefined ? words : asUser(uid, ...words));
    const base = join(folder, uid === undefined ? "own" : `${uid}`);
    const [home, project] = [join(base, "home"), join(base, "home/project")];
    // It stays, because each test has the same policy.
    const cache = join(folder, `cache-${uid ?? "own"}`);
    const outside = (script: string) => {
      const [file, ...words] = user("sh", "-ec", script);
      return execFileSync(file!, words, {
        cwd: project,
        encoding: "utf8",
        env: { PATH: process.env["PATH"], HOME: home, GIT_CONFIG_NOSYSTEM: "1" },
      });
    };

    beforeEach(async () => {
      await removeBusyFolder(base);
      mkdirSync(join(home, ".ssh"), { recursive: true });
      mkdirSync(project);
      writeFileSync(join(home, ".ssh/id_ed25519"), secret, { mode: 0o600 });
      writeFileSync(join(home, ".gitconfig"), "[user]\n\tname = A\n\temail = a@example.org\n");
      if (uid !== undefined)
        for (const path of [home, project, join(home, ".ssh"), join(home, ".ssh/id_ed25519"), join(home, ".gitconfig")])
          chownSync(path, uid, uid);
      outside("git init -q . && echo 1 > file && git add file && git commit -qm first");
    });

    async function run(
      words: readonly string[],
      {
        options = [],
        started = program,
        cwd = project,
        during = async () => undefined,
      }: {
        options?: readonly string[];
        started?: readonly string[];
        cwd?: string;
        during?: (line: (wanted: string) => Promise<void>) => Promise<void>;
      } = {},
    ): Promise<Outcome> {
      const file = join(folder, `events-${uid ?? "own"}-${runs++}`);
      const line = [
        ...started,
        "run",
        ...["-p", "agent", "--set", `project=${project}`, "--set", `home=${home}`, "--events", file, ...options],
        "--",
        ...words,
      ];
      const child = spawn("setsid", ["--wait", ...line], {
        cwd,
        env: { PATH: process.env["PATH"], HOME: home, LANG: "C", XDG_CACHE_HOME: cache },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: patience.command,
        killSignal: "SIGKILL",
      });
      let [out, error] = ["", ""];
      const heard: (() => void)[] = [];
      child.stdout.setEncoding("utf8").on("data", (part) => {
        out += part;
        for (const one of heard) one();
      });
      child.stderr.setEncoding("utf8").on("data", (part) => {
        error += part;
      });
      const printed = (wanted: string) =>
        new Promise<void>((resolved, failed) => {
          const look = () => out.includes(wanted) && resolved();
          heard.push(look);
          child.on("close", () => failed(new Error(`without ${wanted}: ${out}${error}`)));
          look();
        });
      const ended = new Promise<number>((resolved) =>
        child.on("close", (code, signal) => resolved(statusInShell({ status: code, signal }))),
      );
      await during(printed);
      const status = await ended;
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      const events = text.split("\n").flatMap((one) => (one === "" ? [] : [JSON.parse(one) as PolicyEvent]));
      return { status, out, error, events };
    }
    const shell = (script: string, options: Parameters<typeof run>[1] = {}) => run(["sh", "-c", script], options);
    const python = (script: string, options: Parameters<typeof run>[1] = {}) =>
      run(["/usr/bin/python3", "-c", script], options);
    const notices = ({ events }: Outcome) => events.flatMap((one) => (one.kind === "notice" ? [one.text] : []));

    // ── Everyday ────────────────────────────────────────────────────────────────────────────────────────────────────

    it.each([
      [
        "git",
        "git checkout -qb work && echo 2 >> file && git commit -qam second && git stash list && git rebase -q master && git checkout -q master && git merge -q work && git log --format=%s && git gc -q && git worktree add -q /tmp/tree && git -C /tmp/tree status --short",
        "second\nfirst\n",
      ],
      [
        "a shell with files, pipes and jobs",
        "echo a | tee x | cat && (sleep 0.1; echo b) & wait; rm x; ls",
        "a\nb\nfile\n",
      ],
      [
        "make and a compiler",
        "printf 'int main(void) { return 0; }' > m.c && printf 'm: m.c\\n\\tcc -o m m.c\\n' > Makefile && make -s && ./m && echo \"$?\"",
        "0\n",
      ],
      [
        "npm scripts, and a package that is installed from a folder",
        'mkdir -p dep && echo \'{"name":"dep","version":"1.0.0"}\' > dep/package.json && echo \'{"name":"p","version":"1.0.0","scripts":{"test":"node -e \\"console.log(1+1)\\""},"dependencies":{"dep":"file:dep"}}\' > package.json && npm install --silent --offline --no-audit --no-fund && ls node_modules && npm test --silent',
        "dep\n2\n",
      ],
      [
        "a virtual environment of Python",
        "/usr/bin/python3 -m venv --without-pip venv && venv/bin/python -c 'import tempfile; print(tempfile.mkdtemp()[:5])'",
        "/tmp/\n",
      ],
      [
        "settings in the home directory, which last as long as the tree",
        "mkdir -p ~/.config/x && echo y > ~/.config/x/y && cat ~/.config/x/y",
        "y\n",
      ],
      [
        "a debugger's system calls",
        "/usr/bin/python3 -c 'import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))'",
        "0\n",
      ],
      ["a terminal of its own", "script -qec 'tty >/dev/null && echo terminal' /dev/null | tr -d '\\r'", "terminal\n"],
    ])("%s", async (_, script, expected) => {
      const { status, out, error } = await shell(script);
      expect(`${out}${status === 0 ? "" : `${status} ${error}`}`).toBe(expected);
    });

    it("the project's changes stay, those of the home directory and /tmp do not", async () => {
      await shell(`echo new > made; echo x > ~/.profile2; echo x > /tmp/portcullis-agent-x; echo x > ${folder}/x`);
      expect(outside("git status --short; ls ~ -A")).toBe("?? made\n.gitconfig\n.ssh\nproject\n");
      expect(existsSync("/tmp/portcullis-agent-x") || existsSync(join(folder, "x"))).toBe(false);
    });

    it("paths of `read` and `write` are the user's own", async () => {
      mkdirSync(join(home, "cache"));
      mkdirSync(join(home, "tools"));
      for (const path of ["cache", "tools"]) chmodSync(join(home, path), 0o777);
      const { out } = await shell("echo 1 > ~/cache/x; echo 1 > ~/tools/x; ls ~ ", {
        options: ["--set", `read=${home}/tools`, "--set", `write=${home}/cache`],
      });
      expect(out).toBe("cache\nproject\ntools\n");
      expect(outside("cd ~; ls cache tools")).toBe("cache:\nx\n\ntools:\n");
    });

    it("a socket in `read` can be reached, as an ssh-agent's", async () => {
      const connect = `import socket; s = socket.socket(socket.AF_UNIX); s.connect("${folder}/outside.sock"); print("connected")`;
      expect((await python(connect)).out).toBe("");
      expect((await python(connect, { options: ["--set", `read=${folder}/outside.sock`] })).out).toBe("connected\n");
    });

    // ── Hostile ─────────────────────────────────────────────────────────────────────────────────────────────────────

    it("reads no credential, by any name", async () => {
      linkSync(join(home, ".ssh/id_ed25519"), join(base, "other-name"));
      const { out } = await shell(`
        cat ~/.ssh/id_ed25519 ${base}/other-name ${home}/project/../.ssh/id_ed25519
        ln ~/.ssh/id_ed25519 linked; ln -s ~/.ssh/id_ed25519 symbolic; cat linked symbolic
        for p in /proc/[0-9]*; do cat $p/root${home}/.ssh/id_ed25519 $p/cwd/../.ssh/id_ed25519 $p/environ; done
        mkdir -p ~/.ssh && cat ~/.ssh/*
        true`);
      const descriptors = await python(`
import glob, os, stat
for name in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if stat.S_ISREG(os.stat(name).st_mode): print(open(name, errors="replace").read(1000))
    except OSError: pass
`);
      expect(out + descriptors.out).not.toContain(secret);
    });

    it("cannot change the files that programs outside execute or trust", async () => {
      const before = outside("cat .git/config; ls .git/hooks");
      const { error } = await shell(`
        echo x > .git/hooks/pre-commit; cp /bin/true .git/hooks/post-checkout; ln -s /bin/true .git/hooks/pre-push
        git config core.fsmonitor evil; git config --worktree core.fsmonitor evil; echo evil >> .git/config
        mv .git/hooks .git/moved; rm -rf .git/hooks; mkdir -p .git/hooks; mv .git moved; cp -r moved .git
        echo evil > c && mv c .git/config; ln -f file .git/config; ln .git/config other && echo evil >> other
        chmod 777 .git/config; truncate -s 0 .git/config; setfattr -n user.x -v y .git/config
        mkdir .vscode; echo '{}' > .vscode/tasks.json; rmdir .vscode; ln -s /tmp .claude; echo x > .claude/settings.json
        echo evil >> /proc/self/root${project}/.git/config; echo evil >> /proc/self/cwd/.git/config
        rm -f c; umount .git/hooks; mount -o remount,rw .git/hooks; unshare -Urm umount .git/hooks; unshare -Ur true
        true`);
      expect(error).toContain("Read-only file system");
      expect(error).toContain("Device or resource busy");
      expect(outside("cat .git/config; ls .git/hooks; git status --short")).toBe(before);
      expect(outside("ls -A")).toBe(".git\nfile\n");
    });

    it("cannot change them by a descriptor of a directory: the start refuses one", async () => {
      const started = ["sh", "-c", `exec 7< ${project}; exec "$@"`, "sh", ...program];
      const { status, error } = await shell("echo x > /proc/self/fd/7/.git/hooks/x", { started });
      expect(error).toContain("descriptor 7 is an open directory, by which the command could change protected files");
      expect(status).toBe(125);
    });

    it("names protected files that it has made", async () => {
      // What it makes itself does not become protected later.
      const outcome = await shell("echo evil > .envrc; mkdir .husky; sleep 2.2; echo more >> .envrc && echo changed");
      expect(outcome.out).toBe("changed\n");
      expect(notices(outcome)).toHaveLength(2);
      expect(notices(outcome).join("\n")).toContain(
        `${project}/.envrc is protected, was missing at the start, and exists`,
      );
      expect(notices(outcome).join("\n")).toContain(`${project}/.husky is protected`);
    });

    it("protects a file of git again that git outside has replaced", async () => {
      const script = `echo ready; i=0
        while [ $i -lt 100 ] && ! grep -q replaced .git/config; do sleep 0.1; i=$((i + 1)); done
        sleep 1.5; echo evil >> .git/config; mv .git/config .git/x; true`;
      const outcome = await shell(script, {
        during: async (printed) => {
          await printed("ready");
          outside("git config replaced.by git");
        },
      });
      expect(notices(outcome).join("\n")).toContain("a program outside the tree replaced a protected file");
      expect(outside("cat .git/config")).not.toContain("evil");
    });

    it("protects a file again that was renamed outside, of which the kernel reports nothing", async () => {
      const script = `echo ready; i=0
        while [ $i -lt 100 ] && ! grep -q renamed .git/config; do sleep 0.1; i=$((i + 1)); done
        sleep 3; echo evil >> .git/config; true`;
      await shell(script, {
        during: async (printed) => {
          await printed("ready");
          outside("mv .git/config .git/was && { cat .git/was; echo '[renamed]'; } > .git/config");
        },
      });
      expect(outside("cat .git/config")).not.toContain("evil");
    });

    it("a protected file behind a symbolic link is refused at the start, with a way out", async () => {
      outside("mkdir real && ln -s real .vscode");
      const { status, error } = await shell("true");
      expect(error).toContain(`${project}/.vscode`);
      expect(error).toContain("is a symbolic link");
      expect(status).toBe(125);
      expect((await shell("true", { options: ["--set", "protect=.git/hooks/,.git/config"] })).status).toBe(0);
    });

    it("the file `.git` of a work tree is protected itself", async () => {
      outside("git worktree add -q ../tree && rm -rf .git/x");
      const options = ["--set", `project=${home}/tree`, "--set", `write=${project}/.git`];
      const own = options.slice(2);
      const line = [...program, "run", "-p", "agent", "--set", `home=${home}`, ...options.slice(0, 2), ...own];
      const [file, ...words] = line;
      const script = "echo 'gitdir: /tmp/evil' > .git; mv .git x; rm -f .git; cat .git | cut -c1-7";
      const result = spawnSync(file!, [...words, "--", "sh", "-c", script], {
        cwd: join(home, "tree"),
        encoding: "utf8",
      });
      expect(result.stdout).toBe("gitdir:\n");
    });

    it("reaches no server outside: loopback, Unix and abstract sockets, raw addresses, names", async () => {
      reached.length = 0;
      const { out } = await python(`
import socket, subprocess
def attempt(family, address, kind=socket.SOCK_STREAM):
    try:
        s = socket.socket(family, kind); s.settimeout(3); s.connect(address)
        if kind == socket.SOCK_STREAM and s.recv(1) == b"": return
        print("reached", address)
    except OSError: pass
attempt(socket.AF_INET, ("127.0.0.1", ${port}))
attempt(socket.AF_INET6, ("::1", ${port}))
attempt(socket.AF_INET, ("169.254.169.254", 80))
attempt(socket.AF_UNIX, "${folder}/outside.sock")
attempt(socket.AF_UNIX, "\\0${abstractName}")
for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/user/0/bus", "/tmp/.X11-unix/X0"):
    attempt(socket.AF_UNIX, path)
try:
    print("resolved", socket.getaddrinfo("example.org", 80)[0][4])
except OSError: pass
`);
      expect(out).toBe("");
      expect(reached).toEqual([]);
    });

    it("signals and traces no process outside", async () => {
      const { out } = await python(`
import os, ctypes
for pid in (${process.pid}, os.getppid()):
    for attempt in (lambda: os.kill(pid, 0), lambda: open(f"/proc/{pid}/mem", "rb"), lambda: os.readlink(f"/proc/{pid}/fd/0"), lambda: os.stat(f"/proc/{pid}/root/.")):
        try:
            attempt(); print("reached", pid)
        except OSError: pass
    if ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0: print("traced", pid)
`);
      expect(out).toBe("");
    });

    it("types nothing into the terminal, and makes no namespace", async () => {
      const { out } = await python(`
import fcntl, os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
master, slave = os.openpty()
for request in (0x5412, 0x541C):
    try:
        fcntl.ioctl(slave, request, b"x"); print("typed")
    except OSError as error: print(error.errno)
for flags in (0x10000000, 0x00020000, 0x40000000):
    print(libc.unshare(flags), ctypes.get_errno())
`);
      expect(out).toBe("1\n1\n-1 1\n-1 1\n-1 1\n");
    });

    it("makes at most so many processes", async () => {
      const { out, status } = await shell("for i in $(seq 40); do sleep 5 & done; jobs -p | wc -l; kill $(jobs -p)", {
        options: ["--set", "process-limit=16"],
      });
      expect(status === 0 ? Number(out) : 0).toBeLessThan(16);
    });

    it("fills its directories up to their size", async () => {
      const { out } = await shell(
        "head -c 2M /dev/zero > /tmp/x; stat -c %s /tmp/x; rm /tmp/x; head -c 2M /dev/zero > ~/x; stat -c %s ~/x",
        {
          options: ["--set", "scratch-size=1"],
        },
      );
      expect(out).toBe("1048576\n1048576\n");
    });

    it("fills the project up to the size of its file system, and is refused the same then", async ({ skip }) => {
      if (process.getuid?.() !== 0) skip("needs root, to mount a small file system");
      await removeBusyFolder(project);
      mkdirSync(project);
      const owner = uid === undefined ? "" : `,uid=${uid},gid=${uid}`;
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=4m${owner}`, "tmpfs", project]);
      try {
        mkdirSync(join(project, ".git/hooks"), { recursive: true });
        for (const path of [".git", ".git/hooks"]) chownSync(join(project, path), uid ?? 0, uid ?? 0);
        const attempts = `echo 1 > .git/hooks/pre-commit; echo 2 > ${folder}/outside; cat ${home}/.ssh/id_ed25519`;
        const { status, out, error } = await shell(`head -c 8M /dev/zero > fill; ${attempts}; exit 3`);
        expect(error).toContain("No space left on device");
        expect({ status, out }).toEqual({ status: 3, out: "" });
        expect(existsSync(join(project, ".git/hooks/pre-commit"))).toBe(false);
        expect(existsSync(join(folder, "outside"))).toBe(false);
        expect(statSync(join(project, "fill")).size).toBeGreaterThan(3 << 20);
      } finally {
        execFileSync("umount", [project]);
      }
    });

    it("asks before a program of `ask`, and without an answer it is not executed", async () => {
      const { out, events } = await shell("/bin/true && echo 1; /bin/echo 2; /usr/bin/id -u", {
        options: ["--set", "ask=/usr/bin/id,**/deploy", "--ask-timeout", "0"],
      });
      expect(out).toBe("1\n2\n");
      expect(events.map(({ kind }) => kind)).toEqual(["decision"]);
    });

    // ── Starts ──────────────────────────────────────────────────────────────────────────────────────────────────────

    describe("without namespaces", () => {
      const before = [
        ...["unshare", "--user", "--map-root-user", "sh", "-c"],
        ...['echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"', "sh"],
      ];
      const words = uid === undefined ? 0 : program.indexOf("env");
      const started = [...program.slice(0, words), ...before, ...program.slice(words)];

      it.each([
        [
          "git",
          "git checkout -qb work && echo 2 >> file && git commit -qam second && git stash list && git rebase -q master && git checkout -q master && git merge -q work && git log --format=%s && git gc -q && git status --short",
          "second\nfirst\n",
        ],
        [
          "a shell with files, directories, pipes and jobs",
          "echo a | tee x | cat && (sleep 0.1; echo b) & wait; mkdir -p d/e/f; mv x d; rm -r d; cd ..; cd project; echo c > /dev/stderr; ls",
          "a\nb\nfile\n",
        ],
        [
          "npm scripts, and a package that is installed from a folder",
          'mkdir -p dep && echo \'{"name":"dep","version":"1.0.0"}\' > dep/package.json && echo \'{"name":"p","version":"1.0.0","scripts":{"test":"node -e \\"console.log(1+1)\\""},"dependencies":{"dep":"file:dep"}}\' > package.json && npm install --silent --offline --no-audit --no-fund && ls node_modules && npm test --silent',
          "dep\n2\n",
        ],
        [
          "Python, its temporary files and a virtual environment",
          `/usr/bin/python3 -m venv --without-pip venv && venv/bin/python -c 'import os, tempfile, shutil, subprocess; d = tempfile.mkdtemp(); print(d.startswith(os.environ["TMPDIR"])); subprocess.run(["mkdir", "-p", d + "/a/b"]); shutil.rmtree(d)'`,
          "True\n",
        ],
      ])("%s works", async (_, script, expected) => {
        const { status, out, error } = await shell(script, { started });
        expect(`${out}${status === 0 ? "" : `${status} ${error}`}`).toBe(expected);
      });

      it("says in one line what holds the tree, unless -q, and removes the tree's own directory", async () => {
        const script = "echo x > $TMPDIR/x; mkdir -p $TMPDIR/a/b; ln -s ~/.ssh $TMPDIR/a/l; ls $TMPDIR; echo $TMPDIR";
        const result = await shell(script, { started });
        const own = /^a\nx\n(\/tmp\/portcullis-[A-Za-z0-9]{6})(?:\/.*)?\n$/.exec(result.out)?.[1];
        expect(own, result.out).toBeDefined();
        expect(
          result.error.match(/no mounts \(.*files\.protect holds by names.*files\.private holds by Landlock/g),
        ).toHaveLength(1);
        expect((await shell("true", { started, options: ["-q"] })).error).toBe("");
        expect(outside(`ls -d ${own} 2>&1 || true`)).toContain("No such file or directory");
        expect(outside("cat ~/.ssh/id_ed25519")).toBe(secret);
      });

      it("reads no credential, by any name, and never has the user's home directory or /tmp", async () => {
        writeFileSync(join(base, "in-tmp"), secret);
        chmodSync(join(base, "in-tmp"), 0o644);
        const script = `
          cat ~/.ssh/id_ed25519 ${home}/project/../.ssh/id_ed25519 ${base}/in-tmp /proc/self/root${home}/.ssh/id_ed25519
          ln ~/.ssh/id_ed25519 linked; ln -s ~/.ssh/id_ed25519 symbolic; cat linked symbolic; mv ~/.ssh here; mv ~/.ssh/id_ed25519 .
          for p in /proc/[0-9]*; do cat $p/root${home}/.ssh/id_ed25519 $p/cwd/../.ssh/id_ed25519; done
          cd ~/.ssh && cat id_ed25519; cd ~; ls -A . ; cat .ssh/*; ls /tmp; echo evil > ~/evil; echo evil > ${base}/evil
          true`;
        for (const options of [[], ["--best-effort"]]) {
          const { out } = await shell(script, { started, options });
          expect(out).toBe("");
        }
        expect(existsSync(join(base, "evil")) || existsSync(join(home, "evil"))).toBe(false);
        expect(existsSync(join(home, ".ssh/id_ed25519"))).toBe(true);
      });

      it("makes at most so many processes, also as a user whose processes the kernel would count", async () => {
        const many = "for i in $(seq 40); do sleep 5 & done; jobs -p | wc -l; kill $(jobs -p)";
        const options = ["-q", "--set", "process-limit=16"];
        const other = before.flatMap((one) => (one === "--map-root-user" ? ["--map-user=1000", "--keep-caps"] : [one]));
        const asOther = [...program.slice(0, words), ...other, ...program.slice(words)];
        for (const one of uid === undefined ? [started] : [started, asOther]) {
          const { out, status } = await shell(many, { started: one, options });
          expect(status === 0 ? Number(out) : 0).toBeLessThan(16);
        }
      });

      it("does not start with a size of its private directories, which nothing limits", async () => {
        const { status, error } = await shell("echo ran", { started, options: ["--set", "scratch-size=16"] });
        expect(error).toContain("the tree's directory of its own has no limit of its size");
        expect(status).toBe(125);
      });

      it("does not start if the lists permit a directory above a private one", async () => {
        for (const option of ["read", "write"]) {
          const options = ["--set", `${option}=/`, "--best-effort"];
          const { status, out, error } = await shell("echo ran", { started, options });
          expect(out).toBe("");
          expect(error).toContain("the lists of `files` permit the private directory");
          expect(status).toBe(125);
        }
      });

      it("reaches no Unix socket outside, also by a link", async () => {
        reached.length = 0;
        outside(`ln -s ${folder}/outside.sock link`);
        const { out } = await python(
          `
import os, socket
for name in ("${folder}/outside.sock", "link", "\\0${abstractName}"):
    try:
        s = socket.socket(socket.AF_UNIX); s.connect(name); print("reached", name)
    except OSError: pass
s = socket.socket(socket.AF_UNIX); s.bind("own"); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect("own"); print("own")
`,
          { started },
        );
        expect(out).toBe("own\n");
        expect(reached).toEqual([]);
      });

      it("cannot change the files that programs outside execute or trust", async () => {
        const before = outside("cat .git/config; ls .git/hooks; ls -l .git/config");
        const { out, error, events } = await python(hostile, { started });
        expect(`${out}${error.includes("Traceback") ? error : ""}`).toBe("end\n");
        expect(outside("cat .git/config; ls .git/hooks; ls -l .git/config")).toBe(before);
        expect(outside("ls -d .vscode .npmrc .claude 2>/dev/null || true")).toBe("");
        expect(events.some((one) => one.kind === "decision" && one.reason?.includes("files.protect") === true)).toBe(
          true,
        );
      });

      it("does not start inside a guarded directory, or with the descriptor of a directory", async () => {
        const inside = await shell("echo ran", { started, cwd: join(project, ".git") });
        expect(inside.error).toContain("lies in a guarded directory (.git)");
        expect(inside).toMatchObject({ out: "", status: 125 });
        for (const [path, why] of [
          [project, "descriptor 7 is an open directory"],
          [join(project, ".git/config"), "descriptor 7 is a guarded file (.git)"],
        ] as const) {
          const opened = [...started, "sh", "-c", `exec 7< ${path}; exec "$@"`, "sh"];
          const at = started.length - 1;
          const { status, out, error } = await shell("echo ran", {
            started: [...opened.slice(0, at), ...opened.slice(at + 1), started[at]!],
          });
          expect(error).toContain(why);
          expect({ out, status }).toEqual({ out: "", status: 125 });
        }
      });
    });

    it("a working directory that the tree would not see is an error", async () => {
      mkdirSync(join(base, "elsewhere"));
      chmodSync(join(base, "elsewhere"), 0o755);
      const { status, error } = await shell("pwd", { cwd: join(base, "elsewhere") });
      // Where TMPDIR is not below /tmp, the directory is no private one's.
      if (folder.startsWith("/tmp/")) {
        expect(error).toContain(`the working directory \`${base}/elsewhere\``);
        expect(status).toBe(125);
      } else expect(status).toBe(0);
    });

    it("a missing project is an error", async () => {
      rmSync(project, { recursive: true });
      const { status, error } = await shell("true", { cwd: "/" });
      expect(error).toContain(`\`${project}\`, which the policy lists, does not exist`);
      expect(status).toBe(125);
    });
  });
}
