/**
 * Real programs under a policy that pins every possible call (pinned-policy.ts): the same output and status as without
 * portcullis, and no event. PORTCULLIS_FULL=1 gives each program more work.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freeAddress } from "../support/address.ts";
import { ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { needs, pinnedPrograms, times } from "./pinned-comparison.ts";
import { pinnedCalls } from "./pinned-policy.ts";

const { expectSame, inBash } = pinnedPrograms();
const postgres = reachableFolder("pinned-postgres");

it("the policy asks about each kind of memory", () => {
  expect(pinnedCalls().map(([{ name }]) => name)).toEqual(
    expect.arrayContaining(["openat", "openat2", "execve", "execveat", "connect", "sendmsg", "mount", "renameat2"]),
  );
});

describe("shells", () => {
  it("have job control, traps, pipelines, here documents and substitutions", (context) => {
    needs(context, "bash");
    const { status, stdout } = inBash(`
set -m
trap 'echo usr1' USR1
trap 'echo exit $?' EXIT
kill -USR1 $$
cat <<X | tr a-z A-Z | sort -r | (read a; echo "first $a"; cat)
alpha
beta
gamma $(echo sub | rev)
X
# Bash's own messages about jobs have numbers of processes in them.
exec 8>&2 2>/dev/null
for i in $(seq ${8 * times}); do (echo $i > f$i; mv f$i g$i; ln -s g$i l$i; cat l$i > m$i; rm g$i l$i) & done; wait
cat m* | sort -n; ls
diff <(printf 'a\\nb\\n') <(printf 'a\\nc\\n')
false | true; echo "\${PIPESTATUS[@]}"
# A child that a signal ends before its exec runs the trap of its parent.
sleep 1000 & while [ "$(cat /proc/$!/comm)" != sleep ]; do :; done
kill -STOP $!; kill -CONT $!; kill $!
# Bash's wait returns 147 if it saw the stop (128 + SIGSTOP).
while wait $!; ended=$?; [ $ended = 147 ]; do :; done; echo "killed $ended"
coproc cat; echo co >&\${COPROC[1]}; read x <&\${COPROC[0]}; echo $x; kill $COPROC_PID; wait $COPROC_PID
exec 2>&8
(ulimit -n 20; ls /nonexistent; test -e /etc/passwd && echo there)
cd /tmp && pwd
exit 7`);
    expect(status).toBe(7);
    expect(stdout).toContain("first GAMMA BUS\n");
  });

  it("get each error of the kernel", (context) => {
    needs(context, "bash");
    inBash(`
: > file; mkdir folder; ln -s loop loop
for name in nothing file/x loop folder/ "" $(printf 'a%.0s' {1..300}) $(printf '/%.0s' {1..5000}); do cat "$name"; > "$name"; "$name"; ./"$name"; done
mkdir folder; rmdir file; mv file folder/nothing/; ln file file; readlink file; exec ./file`);
  });
});

describe("git", () => {
  it("commits, rebases, clones, collects and searches", (context) => {
    needs(context, "git", "bash");
    const { status, stdout } = inBash(`
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z GIT_PAGER=cat
git init -q -b main one; cd one
for i in $(seq ${5 * times}); do echo $i > f$i; git add .; git commit -q -m c$i; done
git checkout -q -b other HEAD~2; echo o > o; git add o; git commit -q -m o; git rebase -q main; git log --format='%H %s'
cd ..; git clone -q one two; cd two; git gc -q --prune=now; git fsck --no-progress; git grep -c .`);
    expect(status).toBe(0);
    expect(stdout).toContain("c1\n");
  });
});

describe("make", () => {
  it("builds a C program with two jobs", (context) => {
    needs(context, "make", "cc");
    const count = 3 * times;
    const files: Record<string, string> = {
      "main.c": `#include <stdio.h>\n${list(count, (i) => `int f${i}(void);`)}\nint main(void) { printf("%d\\n", ${list(count, (i) => `f${i}()`, " + ")}); }\n`,
      Makefile: `program: main.o ${list(count, (i) => `f${i}.o`)}\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -O2 -pipe -c -o $@ $<\n`,
    };
    for (let i = 0; i < count; i++) files[`f${i}.c`] = `int f${i}(void) { return ${i + 1}; }\n`;
    const { stdout } = expectSame(["make", "-s", "-j2"], files);
    expect(stdout).toBe("");
    const { status } = expectSame(["sh", "-c", "make -s -j2 && ./program && sha256sum program *.o"], files);
    expect(status).toBe(0);
  });
});

function list(count: number, make: (index: number) => string, between = " "): string {
  return Array.from({ length: count }, (_, index) => make(index)).join(between);
}

describe("Python", () => {
  it("has threads, children, pools, datagrams", (context) => {
    needs(context, "python3");
    const { status } = expectSame(["python3", "program.py"], {
      "program.py": `
import threading, subprocess, os, socket, tempfile, multiprocessing, array
def work(i):
    for k in range(${5 * times}):
        folder = tempfile.mkdtemp(); path = os.path.join(folder, "x")
        with open(path, "w") as file: file.write("y" * k)
        os.rename(path, path + "2"); assert os.stat(path + "2").st_size == k; os.unlink(path + "2"); os.rmdir(folder)
    assert subprocess.run(["/bin/echo", str(i)], capture_output=True, text=True).stdout == f"{i}\\n"
def square(x): return x * x
if __name__ == "__main__":
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [one.start() for one in threads]; [one.join() for one in threads]
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); server.bind("at")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    client.sendto(b"to", "at"); print(server.recv(10))
    client.sendmsg([b"a", b"b"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))], 0, "at")
    data, rights, *_ = server.recvmsg(10, 100); print(data, len(rights))
    client.connect("at"); client.send(b"connected"); print(server.recv(10))
    with multiprocessing.Pool(2) as pool: print(sum(pool.map(square, range(100))))
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    there = os.open("/bin", os.O_PATH)
    if os.fork() == 0: os.execve(os.open("/bin/echo", os.O_RDONLY), ["echo", "by descriptor"], {})
    os.wait()
`,
    });
    expect(status).toBe(0);
  });

  it("makes an environment of its own", (context) => {
    needs(context, "python3");
    const script = "python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix)' && ls v/bin";
    expect(expectSame(["sh", "-c", script]).status).toBe(0);
  });
});

describe("Node", () => {
  it("has worker threads, children and a pool of threads", () => {
    const { stdout } = expectSame([process.execPath, "program.cjs"], {
      "program.cjs": `
const { Worker, isMainThread, parentPort } = require("node:worker_threads");
const fs = require("node:fs"), { execFile } = require("node:child_process");
if (!isMainThread) {
  let read = 0;
  for (let i = 0; i < ${50 * times}; i++) read += fs.readFileSync(__filename).length > 0 ? 1 : 0;
  parentPort.postMessage(read);
} else {
  const workers = [1, 2, 3].map(() => new Promise((done) => new Worker(__filename).on("message", done)));
  const children = [1, 2, 3].map((i) => new Promise((done) => execFile("echo", [String(i)], (_, out) => done(out))));
  const reads = Array.from({ length: 50 }, () => fs.promises.readFile(__filename).then((b) => b.length > 0));
  Promise.all([...workers, ...children, ...reads]).then((all) => console.log(JSON.stringify(all)));
}`,
    });
    expect(stdout).toMatch(/^\[/);
  });

  it("runs npm", (context) => {
    needs(context, "npm");
    const { status } = expectSame(["sh", "-c", "npm run -s two && npm pack --silent --offline && ls"], {
      "package.json": `{ "name": "x", "version": "1.0.0", "scripts": { "two": "node -p 1+1" } }`,
    });
    expect(status).toBe(0);
  });
});

describe("Perl", () => {
  // A supervised call that a signal meets in its wait returns EINTR (docs/internals/signals.md), so the program makes it again.
  it("loses no call and no child's output with an alarm each millisecond", (context) => {
    needs(context, "perl");
    const { stdout, stderr } = expectSame(["perl", "program.pl"], {
      "program.pl": `
use Time::HiRes qw(setitimer ITIMER_REAL);
my $alarms = 0;
$SIG{ALRM} = sub { $alarms++ };
setitimer(ITIMER_REAL, 0.001, 0.001);
for (1 .. ${300 * times}) {
  my $file;
  redo unless open($file, "<", "/etc/passwd") or not $!{EINTR};
  print "open: $!\\n" unless $file;
  until (mkdir "d") { $!{EINTR} or print "mkdir: $!\\n" and last }
  until (rmdir "d") { $!{EINTR} or print "rmdir: $!\\n" and last }
}
setitimer(ITIMER_REAL, 0, 0);
print \`echo $_\` for 1 .. 5;
print "done\\n" if $alarms > 0;
`,
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("1\n2\n3\n4\n5\ndone\n");
  });
});

describe("terminals and agents", () => {
  it("tmux has a session", (context) => {
    needs(context, "tmux", "bash");
    const { stdout } = inBash(`
S=$PWD/socket; ask() { tmux -f /dev/null -S $S "$@"; }
ask new-session -d -x 80 -y 24 'echo hello; exec cat'
until ask capture-pane -p | grep -q hello; do sleep 0.05; done
ask capture-pane -p | head -1; ask send-keys world Enter
until ask capture-pane -p | grep -q world; do sleep 0.05; done
ask kill-server; echo $?`);
    expect(stdout).toBe("hello\n0\n");
  });

  it("ssh-agent has a key", (context) => {
    needs(context, "ssh-keygen", "ssh-agent", "ssh-add", "bash");
    if (process.getuid?.() !== 0) context.skip("needs root, to read the memory of ssh-agent, which is not dumpable");
    const { status } = inBash(`
ssh-keygen -q -t ed25519 -N '' -f key && eval $(ssh-agent -a $PWD/agent) > out || exit
ssh-add -q key; ssh-add -l | wc -l; ssh-add -q -d key; ssh-add -l; ssh-agent -k > out`);
    expect(status).toBe(0);
  });
});

describe("servers", () => {
  it("nginx serves, is reloaded and ends", async (context) => {
    needs(context, "nginx", "bash");
    const { host, port } = await freeAddress();
    const server = `server { listen ${host}:${port}; root WORK; }`;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (one) => `${one}_temp_path WORK/${one};`,
    );
    const http = `http { access_log off; ${temporary.join(" ")} ${server} }`;
    const user = process.getuid?.() === 0 ? "user root;" : "";
    const configuration = `worker_processes 2; pid WORK/pid; error_log WORK/log crit; ${user} events {} ${http}`;
    const ask = `ask() { exec 3<>/dev/tcp/${host}/${port}; printf 'GET %s HTTP/1.0\\r\\n\\r\\n' $1 >&3; grep -v -e ^Date: -e ^ETag: -e ^Last <&3; }`;
    const { status, stdout } = inBash(
      `
${ask}
sed -i "s#WORK#$PWD#g" conf; run="nginx -c $PWD/conf"
$run -g 'daemon on;' 2>/dev/null; for i in $(seq ${3 * times}); do ask /page; ask /none; done
kill -HUP $(cat pid); ask /page; kill -QUIT $(cat pid); while test -e pid; do sleep 0.05; done; cat log`,
      { conf: configuration, page: "page\n" },
    );
    expect(status).toBe(0);
    expect(stdout).toContain("200 OK");
  });

  it("PostgreSQL makes a cluster, transactions and an end", (context) => {
    needs(context, "bash", "pgbench", "psql");
    const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : [];
    const programs = versions
      .map((one) => `/usr/lib/postgresql/${one}/bin`)
      .find((one) => existsSync(join(one, "initdb")));
    if (programs === undefined) context.skip("initdb is not installed");
    // PostgreSQL does not run as root.
    const user =
      process.getuid?.() === 0
        ? `chown ${ordinaryUser} ${postgres}; run="setpriv --reuid ${ordinaryUser} --clear-groups"`
        : "run=";
    const { stdout } = inBash(`
export PATH=${programs}:$PATH D=${postgres}; ${user}
cd $D; rm -rf data
$run initdb -U test -D data -A trust --no-sync > log 2>&1; echo $?
$run pg_ctl -D data -o "-c listen_addresses= -k $D -F" -l data/log -w start > log; echo $?
export PGHOST=$D PGUSER=test
$run pgbench -i -q postgres > log 2>&1; echo $?
$run pgbench -n -c 3 -t ${5 * times} postgres 2>&1 | grep -E 'processed|failed'
$run psql -Atc 'select count(*) from pgbench_history' postgres
$run pg_ctl -D data -m fast -w stop > log; echo $?`);
    expect(stdout).toMatch(new RegExp(`^0\n0\n0\n(.*\n)*${15 * times}\n0\n$`));
  });
});

describe("Java", () => {
  it("has threads and children", (context) => {
    needs(context, "java", "javac");
    const { status } = expectSame(["java", "Program.java"], {
      "Program.java": `
import java.nio.file.*;
public class Program {
  public static void main(String[] words) throws Exception {
    Thread[] threads = new Thread[4];
    for (int i = 0; i < 4; i++) {
      threads[i] = new Thread(() -> {
        try { for (int k = 0; k < ${20 * times}; k++) Files.readAllBytes(Path.of("Program.java")); }
        catch (Exception error) { System.out.println(error); }
      });
      threads[i].start();
    }
    for (Thread one : threads) one.join();
    Process child = new ProcessBuilder("echo", "hi").start();
    System.out.print(new String(child.getInputStream().readAllBytes()));
    System.out.println(child.waitFor());
  }
}`,
    });
    expect(status).toBe(0);
  });
});

describe("Go", () => {
  const goCache = reachableFolder("pinned-go");

  it("has goroutines and children", (context) => {
    needs(context, "go");
    // The packages of the library are compiled once. The compiler, the linker and the program run under the policy.
    execFileSync("go", ["build", "fmt", "os", "os/exec", "sync"], { env: { ...process.env, GOCACHE: goCache } });
    const script = `cp -r ${goCache} cache && GOCACHE=$PWD/cache go run program.go`;
    const { status } = expectSame(["sh", "-c", script], {
      "program.go": `
package main
import ("fmt"; "os"; "os/exec"; "sync")
func main() {
	var all sync.WaitGroup
	for i := 0; i < 50; i++ { all.Add(1); go func() { defer all.Done(); for k := 0; k < ${20 * times}; k++ { if _, err := os.ReadFile("program.go"); err != nil { fmt.Println(err) } } }() }
	all.Wait()
	out, err := exec.Command("echo", "hi").Output(); fmt.Print(string(out), err)
}`,
    });
    expect(status).toBe(0);
  });
});
