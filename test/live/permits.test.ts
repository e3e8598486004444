/**
 * Each parameter of the policy `agent`: a program is refused, what is said names the option that permits it, and with that option,
 * read by a shell as a person would paste it, the program succeeds.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { removeBusyFolder } from "../support/busy-folder.ts";
import { asUser, programFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";

const folder = reachableFolder("permits");
chmodSync(folder, 0o777);
/** In no list of the policy, and not below its private directories; undefined where the checkout is. */
const isPrivate = /^\/(?:home|tmp|var\/tmp|run|dev\/shm)\//.test(`${resolve(".")}/`);
const elsewhere = isPrivate ? undefined : mkdtempSync(join(resolve("build"), "permits-"));
if (elsewhere !== undefined) afterAll(() => rmSync(elsewhere, { recursive: true, force: true }));

let server: Server;
let port = 0;
beforeAll(async () => {
  server = createServer((_, answer) => answer.end("hello\n"));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  port = (server.address() as { port: number }).port;
});
afterAll(() => server.close());

/** The option at the end of a line. */
const suggestion = /to permit (?:it|it without a question|more): (--(?:set|hosts) .*)$/m;
const controlsIn = (text: string) => [...text].filter((one) => one < " " && one !== "\n");
// portcullis looks at the count once a second, on a busy machine later.
const fork = (count: number) =>
  `/usr/bin/python3 -c 'import os, time
made = []
try:
    for i in range(${count}):
        pid = os.fork()
        if pid == 0: time.sleep(100); os._exit(0)
        made.append(pid)
except OSError: pass
time.sleep(${count > 20 ? 5 : 0})
for pid in made: os.kill(pid, 9); os.wait()
print(len(made))'`;

for (const { name, uid } of users) {
  const program = uid === undefined ? [resolve("bin/portcullis")] : programFor(folder);
  const base = join(folder, uid === undefined ? "own" : `${uid}`);
  const [home, project] = [join(base, "home"), join(base, "home/project")];
  const before = [
    ...["unshare", "--user", "--map-root-user", "sh", "-c"],
    ...['echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"', "sh"],
  ];
  const words = uid === undefined ? 0 : program.indexOf("env");
  const places = [
    { place: "with namespaces", started: program, hasMounts: true },
    {
      place: "without namespaces",
      started: [...program.slice(0, words), ...before, ...program.slice(words)],
      hasMounts: false,
    },
  ] as const;

  for (const { place, started, hasMounts } of places) {
    // Root's tree without namespaces differs in nothing from another user's.
    if (!hasMounts && uid === undefined && users.length > 1) continue;
    describe(`as ${name}, ${place}`, () => {
      const environment = { PATH: process.env["PATH"], HOME: home, LANG: "C", XDG_CACHE_HOME: join(base, "cache") };
      const line = ["--set", `project=${project}`, "--set", `home=${home}`];

      beforeEach(async () => {
        await removeBusyFolder(join(base, "home"));
        mkdirSync(project, { recursive: true });
        writeFileSync(join(home, ".gitconfig"), "[user]\n\tname = A\n\temail = a@example.org\n");
        if (uid !== undefined)
          for (const path of [base, home, project, join(home, ".gitconfig")]) chownSync(path, uid, uid);
        const init = ["sh", "-ec", "git init -q . && echo 1 > file && git add file && git commit -qm first"];
        const [file, ...rest] = uid === undefined ? init : asUser(uid, ...init);
        spawnSync(file!, rest, { cwd: project, env: environment });
      });

      /** The options are words of a shell. The test's server answers meanwhile. */
      const run = (script: string, options: string, verb = "run -p agent --kill-tree", last: readonly string[] = []) =>
        new Promise<{ out: string; error: string; status: number | null }>((ended) => {
          const inShell = [
            "sh",
            "-c",
            `exec "$@" ${options} ${last.length === 0 ? '-- sh -c "$SCRIPT"' : '"$LAST"'}`,
            "sh",
          ];
          const before = started.slice(0, -1);
          const at = started.length - 1;
          const [file, ...rest] = [...before, ...inShell, started[at]!, ...verb.split(" "), ...line];
          const child = spawn(file!, rest, {
            cwd: project,
            env: { ...environment, SCRIPT: script, LAST: last[0] },
            stdio: ["ignore", "pipe", "pipe"],
            timeout: patience.command,
            killSignal: "SIGKILL",
          });
          let [out, error] = ["", ""];
          child.stdout.setEncoding("utf8").on("data", (part) => {
            out += part;
          });
          child.stderr.setEncoding("utf8").on("data", (part) => {
            error += part;
          });
          child.on("close", (status) => ended({ out, error, status }));
        });

      /** Refused, named, permitted. */
      async function each(
        script: string,
        given: string,
        expected: string,
        wanted: { refused: RegExp; permitted: string },
      ) {
        const refused = await run(script, given);
        expect(refused.out, refused.error).toMatch(wanted.refused);
        const [, option = "none"] = suggestion.exec(refused.error) ?? [];
        expect(option, refused.error).toBe(expected);
        const name = /^--set '?([\w-]+)=/.exec(option)?.[1];
        const others = given.split(" --").map((one, index) => (index === 0 ? one : `--${one}`));
        const kept = others.filter((one) => name === undefined || !one.replace(/'/g, "").startsWith(`--set ${name}=`));
        const permitted = await run(script, [...kept, option].join(" "));
        expect(permitted.out, permitted.error).toBe(wanted.permitted);
      }

      it("process-limit", async () => {
        // The kernel counts python3 and sh, and a counter as well.
        const script = fork(24);
        const wanted = { refused: /^1[0-5]\n$/, permitted: "24\n" };
        await each(script, "--set process-limit=16", "--set process-limit=32", wanted);
      });

      it("ask", async () => {
        const given = "--set 'ask=/usr/bin/id,**/deploy' --ask-timeout 0";
        const wanted = { refused: /^$/, permitted: "0\n" };
        await each("/usr/bin/id -u >/dev/null && echo 0", given, "--set 'ask=**/deploy'", wanted);
      });

      it("hosts", async () => {
        const url = `http://web.localhost:${port}/`;
        const wanted = { refused: /^$/, permitted: "hello\n" };
        await each(
          `curl -sSf --noproxy '' -x "$HTTP_PROXY" ${url}`,
          "--hosts other.localhost:1",
          `--hosts web.localhost:${port}`,
          wanted,
        );
      });

      const protectedNames = [
        ...[
          ".git/hooks/",
          ".git/config",
          ".git/config.worktree",
          ".git/info/attributes",
          ".git/modules",
          ".envrc",
          ".npmrc",
        ],
        ...[
          ".yarnrc.yml",
          ".pnpmfile.cjs",
          ".husky",
          ".vscode/",
          ".idea/",
          ".claude/",
          ".codex/",
          ".cursor/",
          ".gemini/",
        ],
        ".mcp.json",
      ];
      const without = (...names: readonly string[]) =>
        `--set protect=${protectedNames.filter((one) => !names.includes(one)).join(",")}`;

      if (hasMounts)
        it("scratch-size", async () => {
          const script = "head -c 1500k /dev/zero > /tmp/x 2>/dev/null; stat -c %s /tmp/x";
          const wanted = { refused: /^1048576\n$/, permitted: "1536000\n" };
          await each(script, "--set scratch-size=1", "--set scratch-size=2", wanted);
        });

      if (!hasMounts)
        it.each([
          ["a hook", "echo x > .git/hooks/pre-commit && echo made", [".git/hooks/"]],
          ["a name of the root", "echo x > .npmrc && echo made", [".npmrc"]],
          ["git's configuration", "git config x.y z && echo made", [".git/config"]],
          ["a directory that has some", "cd .git && echo made", protectedNames.slice(0, 5)],
          ["the move of such a directory", "mv -T .git moved && echo made", protectedNames.slice(0, 5)],
        ])("protect: %s", async (_, script, names) => {
          await each(script, "", without(...names), { refused: /^$/, permitted: "made\n" });
        });

      // The kernel keeps no record of what it refuses by a mount, or by Landlock without its audit. `why` says it.
      const asks = async (call: string, option: string, place: RegExp) => {
        const { out, status, error } = await run("", "", "why -p agent", [call]);
        expect(status, error).toBe(1);
        expect(out).toMatch(place);
        expect(/^ {2}to permit it: (.*)$/m.exec(out)?.[1]).toBe(option);
      };
      if (hasMounts)
        it("protect, by a mount", async () => {
          const script = "echo x > .git/hooks/pre-commit && echo made";
          expect((await run(script, "")).out).toBe("");
          const option = without(".git/hooks/");
          await asks(
            `open("${project}/.git/hooks/pre-commit", O_WRONLY|O_CREAT)`,
            option,
            /^open.*deny EROFS .*agent\.ts:/,
          );
          expect((await run(script, option)).out).toBe("made\n");
        });

      it("read and write", async (context) => {
        if (elsewhere === undefined) return context.skip("the checkout is below a private directory of the policy");
        if (uid !== undefined && spawnSync("setpriv", [...asUser(uid, "ls", elsewhere).slice(1)]).status !== 0)
          context.skip("an ordinary user cannot read the checkout");
        chmodSync(elsewhere, 0o777);
        const file = join(elsewhere, `it's $(a) "file"-${uid ?? "own"}`);
        writeFileSync(file, "text\n");
        chmodSync(file, 0o666);
        const quoted = `'${file.replaceAll("'", "'\\''")}'`;
        const escaped = file.replaceAll('"', '\\"');
        for (const [parameter, flags, script] of [
          ["read", "O_RDONLY", `cat ${quoted}`],
          ["write", "O_WRONLY", `echo text > ${quoted} && cat ${quoted}`],
        ] as const) {
          expect((await run(script, "")).out).toBe("");
          const option = `--set '${parameter}=${file.replaceAll("'", "'\\''")}'`;
          await asks(`open("${escaped}", ${flags})`, option, /^open.*deny EACCES .*agent\.ts:/);
          expect((await run(script, option)).out).toBe("text\n");
        }
      });

      // ── Hostile: programs of the tree that choose what is said ────────────────────────────────────────────────────

      if (!hasMounts)
        it("a name that looks like an option, or has line ends and escapes, is in no option", async () => {
          const names = [
            "\\n--set write=/",
            "; to permit it: --set write=/",
            "\\033]0;x\\007\\033[2K--set write=/",
            "' --set 'write=/",
            ",x",
          ];
          const script = `exec 2>/dev/null; mkdir -p d; ${names.map((one) => `n=$(printf '%b' "${one}"); echo x > ".npmrc/$n"; echo x > "d/.npmrc/$n"; echo x > ".git/hooks/$n"`).join("; ")}; true`;
          const { error } = await run(script, "");
          const lines = error.split("\n").filter((one) => one.includes("files.protect:"));
          expect(lines.length).toBeGreaterThan(names.length);
          for (const one of lines) {
            const option = one.slice(one.lastIndexOf("to permit it: "));
            expect([`to permit it: ${without(".npmrc")}`, `to permit it: ${without(".git/hooks/")}`]).toContain(option);
          }
          expect(controlsIn(error)).toEqual([]);
        });

      it("a host that looks like an option is in no option", async () => {
        const ask = (target: string) =>
          `printf 'CONNECT ${target} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | /usr/bin/python3 -c '
import os, socket, sys
where = os.environ["HTTP_PROXY"][7:].split(":")
s = socket.create_connection((where[0], int(where[1]))); s.sendall(sys.stdin.buffer.read()); s.recv(100)'`;
        const targets = ["a.org,*.org:443", "a.org\\x1b[2K:443", "*.org:443", "a.org;--set:443", "[::1],a.org:443"];
        const { error } = await run(`${targets.map(ask).join("\n")}; true`, "--hosts other.localhost:1");
        expect(error).not.toMatch(/to permit it: /);
        expect(controlsIn(error)).toEqual([]);
      });
    });
  }
}
