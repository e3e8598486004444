/** `portcullis approvals terminal`: questions on the terminal of the command, whose tree attacks them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { patience, until } from "../support/patience.ts";
import { prepare, victim } from "./run.ts";

const program = resolve("bin/portcullis");
const policy = `import { allow, ask, calls, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "mkdir" && call.args.path.text.under("/nonexistent")) return ask("it makes a directory");
  if (!calls("execve", "execveat").has(call)) return allow;
  return call.args.path.text.is("/usr/bin/id") ? ask("it asks who it is") : allow;
});
`;

let folder: string;
beforeAll(prepare);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-terminal-"));
  writeFileSync(join(folder, "p.ts"), policy);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the terminal's steps printed. */
function converse(steps: readonly string[], command: readonly string[], options: readonly string[] = []): string {
  const run = [program, "run", "--no-agent", "-q", ...options, "-p", join(folder, "p.ts"), "--", ...command];
  const words = [...steps, "--", program, "approvals", "terminal", "--", ...run];
  const runtime = { XDG_RUNTIME_DIR: folder };
  return spawnSync(victim("terminal"), words, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, ...runtime },
    timeout: patience.command,
  }).stdout;
}
const sh = (script: string) => ["sh", "-c", script];
const asked = ["expect", "it asks who it is", "expect", ": allow"];

test("an answer with the question's number allows, and the command has the terminal before and after", () => {
  const script = "tty; read before; /usr/bin/id -u; read after; echo $before $after; exit 7";
  const steps = [
    "expect",
    "/dev/pts/",
    "send",
    "one\\n",
    ...asked,
    "answer",
    "\\n",
    "send",
    "two\\n",
    "expect",
    "one two",
  ];
  expect(converse([...steps, "exit"], sh(script))).toBe("exit 7\n");
});

test.each([
  ["deny", ["send", "deny\\n"]],
  ["d", ["send", "d\\n"]],
  ["Ctrl-C", ["send", "\\x03"]],
  ["no answer in time", ["expect", "has ended: late"]],
])("%s denies", (_, answer) => {
  const options = answer[0] === "expect" ? ["--ask-timeout", "1s"] : [];
  const steps = [...asked, ...answer, "expect", "denied 126", "exit"];
  expect(converse(steps, sh("/usr/bin/id; echo denied $?"), options)).toBe("exit 0\n");
});

test("`always` allows equal calls", () => {
  const make = "import os\nfor _ in range(3):\n try: os.mkdir('/nonexistent/a')\n except OSError as e: print(e.errno)";
  const steps = ["expect", "it makes a directory", "expect", ": allow", "answer", " always\\n"];
  const found = converse([...steps, "expect", "2\r\n2\r\n2\r\n", "exit"], ["/usr/bin/python3", "-c", make]);
  expect(found).toBe("exit 0\n");
});

test("two questions at once have numbers of their own", () => {
  const script = "/usr/bin/id -u & /usr/bin/id -u & wait; echo done";
  const steps = [...asked, "answer", "\\n", ...asked, "answer", "\\n", "expect", "done", "exit"];
  expect(converse(steps, sh(script))).toBe("exit 0\n");
});

test("the command's bytes arrive unchanged, and its size is the terminal's", () => {
  const script = "stty -opost; printf 'a\\nb'; stty opost; stty size; read x; exit 3";
  expect(converse(["expect", "a\nb0 0\r\n", "send", "x\\n", "exit"], sh(script))).toBe("exit 3\n");
});

test("Ctrl-C reaches the jobs of a shell, and not portcullis", () => {
  const script = "set -m; trap : INT; (echo ready; exec sleep 8767); echo ended $?; exit 4";
  expect(converse(["expect", "ready", "send", "\\x03", "expect", "ended 130", "exit"], sh(script))).toBe("exit 4\n");
});

test("what is typed for the command before a question is the command's, and allows nothing", () => {
  const script = "echo ready; sleep 0.5; /usr/bin/id; echo status $?; read a; read b; echo got $a $b";
  const typed = ["expect", "ready", "send", "allow\\ny\\n"];
  const steps = [...typed, ...asked, "send", "d\\n", "expect", "status 126", "expect", "got allow y", "exit"];
  expect(converse(steps, sh(script))).toBe("exit 0\n");
});

test("other words allow nothing, nor does what a terminal sends after an escape sequence of the tree", () => {
  const words = ["allow\\n", "y\\n", "000000\\n", "always\\n"].flatMap((one) => ["send", one, "expect", ": allow"]);
  const reports = [
    "send",
    "\\x1b]l0000\\x1b\\x5c\\n",
    "send",
    "\\x1b[?62;c\\n",
    "send",
    "\\x1b]l0000\\n",
    "answer",
    "\\x1b\\n",
  ];
  const steps = [...asked, ...words, ...reports, "expect", "has ended: late", "expect", "denied 126", "exit"];
  expect(converse(steps, sh("/usr/bin/id; echo denied $?"), ["--ask-timeout", "2s"])).toBe("exit 0\n");
});

/** Types all numbers on terminals, and asks meanwhile. */
const typing = (terminals: string) => `
import fcntl, glob, os, termios, time
def type(terminal, text):
    for byte in text:
        try: fcntl.ioctl(terminal, termios.TIOCSTI, bytes([byte]))
        except OSError: return
def opened(path):
    try: return [os.open(path, os.O_RDWR | os.O_NOCTTY)]
    except OSError: return []
terminals = ${terminals}
if os.fork() == 0:
    for code in range(100000, 101000):
        for terminal in terminals: type(terminal, b"%d\\n" % code)
        if code % 5 == 0: time.sleep(0.01)
    open("typed", "w").close()
    os._exit(0)
print(os.spawnv(os.P_WAIT, "/usr/bin/id", ["id"]))
os.wait()
`;

test("the tree cannot type the number on its own terminal", () => {
  const steps = [...asked, "expect", "has ended: late", "expect", "127", "exit"];
  expect(converse(steps, ["/usr/bin/python3", "-c", typing("[0]")], ["--ask-timeout", "3s"])).toBe("exit 0\n");
  expect(existsSync(join(folder, "typed"))).toBe(true);
});

test("root's tree, which can type on every terminal, gets its question denied", ({ skip }) => {
  if (process.getuid?.() !== 0) skip("only CAP_SYS_ADMIN types on another session's terminal");
  const others = "[one for path in glob.glob('/dev/pts/[0-9]*') for one in opened(path) if os.ttyname(0) != path]";
  const events = ["--events", join(folder, "events")];
  const found = converse([...asked, "expect", "127", "exit"], ["/usr/bin/python3", "-c", typing(others)], events);
  expect(found).toBe("exit 0\n");
  expect(readFileSync(join(folder, "events"), "utf8")).toContain('"answered":"denied"');
});

test.each([
  ["", "exec sleep 8768"],
  ["that ignores SIGHUP", "trap '' HUP; while sleep 0.05; do echo still here || exit; done"],
  ["with a question", "exec /usr/bin/id"],
])("the end of the terminal ends the command %s", async (_, script) => {
  const seen = script === "exec /usr/bin/id" ? asked : ["expect", "ready"];
  converse(seen, sh(`echo $$ >pid; echo ready; ${script}`));
  const pid = readFileSync(join(folder, "pid"), "utf8").trim();
  // Its words name the folder, and those of both processes of portcullis.
  await until("all have ended", () => !existsSync(`/proc/${pid}`) && spawnSync("pgrep", ["-f", folder]).status === 1);
});

test.each([
  ["without a terminal", ["terminal", "--", "true"], "P0915: standard input and output are no terminal to ask on"],
  ["without a command", ["terminal"], "P0908: the command is missing"],
])("%s it does not start", (_, words, error) => {
  const { status, stderr } = spawnSync(program, ["approvals", ...words], {
    encoding: "utf8",
    timeout: patience.command,
  });
  expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(error) });
});
