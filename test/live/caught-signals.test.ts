/**
 * A signal whose handler lacks SA_RESTART ends no supervised call's wait for the supervisor, and ends the waits that are
 * the call's own (src/engines/notify/signal-stops.ts).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { patience } from "../support/patience.ts";
import { prepare, victim } from "./run.ts";

const program = resolve("bin/portcullis");
const waiting = 'case "nanosleep": case "clock_nanosleep": case "read": case "accept": case "futex": case "poll":';
const counted = "return count.add() > 1_000_000_000_000n ? deny('EPERM') : allow;";
const frame = (cases: string) => `import { allow, deny, perProcess, perTree, policy } from "portcullis";
const count = perTree.counter();
const own = perProcess.counter();
export default policy((call) => {
  switch (call.name) {
    ${cases}
  }
  return allow;
});
`;
const byText = 'return call.args.path.text.under("/secret") ? deny("EACCES") : allow;';
const policies = {
  "the call alone": frame(
    `case "getppid": case "mkdir": case "rmdir": case "openat": case "clone": ${waiting} case "epoll_wait": ${counted}`,
  ),
  "a process's state": frame(
    `case "getppid": case "mkdir": case "rmdir": case "openat": ${waiting} own.add(); ${counted}`,
  ),
  "the text of paths": frame(
    `case "mkdir": case "rmdir": ${byText} case "openat": ${byText} case "getppid": case "clone": ${waiting} ${counted}`,
  ),
} as const;

let folder = "";
beforeAll(async () => {
  await prepare();
  folder = mkdtempSync(join(tmpdir(), "portcullis-caught-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(Object.entries(policies))("supervised by %s", (name, text) => {
  const run = (what: string): string => {
    const file = join(folder, `${name.replaceAll(/\W/g, "-")}.ts`);
    writeFileSync(file, text);
    const words = ["run", "-q", "-p", file, "--", victim("caught"), what];
    const { stdout, stderr } = spawnSync(program, words, { encoding: "utf8", timeout: patience.command });
    return stdout + stderr;
  };

  test.each([
    ["storm", "no call returns EINTR"],
    ["threads", "no call of any thread returns EINTR"],
    ["late", "no call returns EINTR that another thread has made before the handler existed"],
    ["children", "no call of a child that has inherited the handler returns EINTR"],
    ["ignored", "an ignored signal does not end a call"],
  ])("%s: %s", (what) => expect(run(what)).toBe(`${what} 0\n`));

  test("a call's own wait ends with EINTR", () => {
    expect(run("own")).toBe("own 6\n");
    expect(run("again")).toBe("again 2\n");
  });

  test("a process stops and continues, as its parent sees it", () => expect(run("stopped")).toBe("stopped 41\n"));
  test("a handler gets the signal's information", () => expect(run("information")).toBe("information 4711\n"));
  test("a process of the tree can trace another one", () => expect(run("traced")).toBe("traced 3\n"));
  test("a program that is executed is not traced", () => expect(run("executed")).toBe("kept 1\ntracer 0\n"));
  test("a parent sees the end of a killed child", () => expect(run("killed")).toBe("killed 50\n"));
  test("a flood of signals does not delay other processes for ever", () => expect(run("flood")).toBe("flood 2000\n"));
});

test("a server with roles that forks while its children end sees no EINTR", () => {
  const file = join(folder, "roles.ts");
  writeFileSync(
    file,
    `import { allow, deny, perProcess, policy } from "portcullis";
const role = perProcess.phases(["main", "child"], { onFork: { main: "child" } });
export default policy((call) => (call.name === "socket" && role.is("child") ? deny("EPERM") : allow));
`,
  );
  const words = ["run", "-q", "-p", file, "--", victim("caught"), "reaping"];
  const { stdout, stderr } = spawnSync(program, words, { encoding: "utf8", timeout: patience.command });
  expect(stdout + stderr).toBe("reaping 0\n");
});

test("perl and the shell, whose handlers lack SA_RESTART, see no error", () => {
  const file = join(folder, "shell.ts");
  writeFileSync(
    file,
    policies["the call alone"].replace('case "clone":', 'case "clone": case "execve": case "pipe2":'),
  );
  const perl = `use strict; use Time::HiRes "ualarm"; my $count = 0;
    $SIG{ALRM} = sub { $count++ }; ualarm 300, 300; my $d = "/tmp/caught-perl-$$";
    while ($count < 1500) {
      open(my $f, "<", "/etc/passwd") or print "open: $!\\n";
      mkdir $d or print "mkdir: $!\\n"; rmdir $d or print "rmdir: $!\\n";
      next if $count % 50; my $p = fork; defined $p or print "fork: $!\\n"; exit 0 if defined $p && $p == 0; 1 while $p && waitpid($p, 0) == -1 && $!{EINTR};
    } ualarm 0; print "end\\n";`;
  const sender = `use Time::HiRes "usleep"; usleep 300 while kill "USR1", $ARGV[0];`;
  const shell = `trap 'n=$((n+1))' USR1; n=0; perl -e '${sender}' $$ & p=$!
    i=0; while [ $i -lt 300 ]; do i=$((i+1)); read -r x < /etc/passwd || echo failed; done
    kill $p; wait $p 2>/dev/null; echo end`;
  for (const command of [
    ["perl", "-e", perl],
    ["bash", "-c", shell],
    ["dash", "-c", shell],
  ]) {
    const words = ["run", "-q", "-p", file, "--", ...command];
    const { stdout, stderr } = spawnSync(program, words, { encoding: "utf8", timeout: patience.command });
    expect({ command: command[0], out: stdout + stderr }).toEqual({ command: command[0], out: "end\n" });
  }
});
