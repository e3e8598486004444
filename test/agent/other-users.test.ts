/** Root's agent with commands of other users: what it gives them, and what a hostile one gets. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { messageKind } from "../../src/agent/local/protocol.ts";
import { asUser, copyFor, ordinaryUser, programFor, reachableFolder } from "../support/ordinary-user.ts";
import { patience, until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { TestAgent } from "./agent.ts";

const isRoot = process.getuid?.() === 0;
const { accepted, fallBack } = messageKind;

describe.runIf(isRoot)("as root", () => {
  const place = isRoot ? reachableFolder("users") : "";
  const [setpriv = "", ...user] = isRoot ? programFor(place) : [];
  const stranger = isRoot ? copyFor(place, compiled("test/agent/stranger.c")) : "";
  const home = join(place, "home");
  const secret = join(place, "secret.ts");

  let agent: TestAgent;
  beforeEach(async () => {
    mkdirSync(home, { recursive: true });
    chownSync(home, ordinaryUser, ordinaryUser);
    writeFileSync(secret, 'throw "secret";\n', { mode: 0o600 });
    agent = new TestAgent();
    agent.socket = join(place, "portcullis/agent.sock");
  });
  afterEach(async () => {
    for (const one of spawned.splice(0)) one.kill("SIGKILL");
    await agent.close();
  });
  const environment = { ...process.env, HOME: home, XDG_RUNTIME_DIR: place, XDG_CACHE_HOME: join(home, "cache") };
  const options = { cwd: home, env: environment, encoding: "utf8", timeout: patience.command } as const;
  const spawned: ChildProcess[] = [];

  /** A command of the ordinary user, or of another one. */
  function run(words: readonly string[], uid = ordinaryUser) {
    const as = uid === ordinaryUser ? user : asUser(uid, ...user.slice(user.indexOf("env"))).slice(1);
    const { status, stdout, stderr } = spawnSync(setpriv, [...as, "run", ...words], options);
    return { status, stdout, stderr };
  }

  async function started(words: readonly string[], script: string) {
    const child = spawn(setpriv, [...user, "run", ...words, "--", "sh", "-c", script], options);
    spawned.push(child);
    const text = { out: "", error: "" };
    child.stdout!.on("data", (part) => {
      text.out += part;
    });
    child.stderr!.on("data", (part) => {
      text.error += part;
    });
    await until("the command runs", () => text.out.includes("ready\n"));
    const end = async () => {
      child.stdin!.end("\n");
      await once(child, "close");
      return text;
    };
    return { child, text, end };
  }

  /** The answers of the agent to a client of the ordinary user that is no front. */
  function ask(what: string, ...words: readonly string[]): readonly string[] {
    const as = asUser(ordinaryUser, "setsid", "-w", stranger, join(place, "portcullis/run.sock"), what, ...words);
    return spawnSync(as[0]!, as.slice(1), { ...options, env: { ...environment, SETUID_SLEEP: setuidSleep } })
      .stdout.split("\n")
      .slice(0, -1);
  }
  const setuidSleep = join(place, "setuid-sleep");

  /** A command of this user goes through the agent. */
  async function isServed(): Promise<void> {
    const one = await started(["-p", "two-folders"], "mkdir a b c; rmdir a b; echo ready; read line");
    expect(agent.status().trees).toMatchObject([
      { policy: { name: "two-folders" }, user: ordinaryUser, origin: { command: "sh" }, refused: 1 },
    ]);
    const { out, error } = await one.end();
    expect(out).toBe("ready\n");
    expect(error).toMatch(/mkdir.*EDQUOT.*two folders are enough/);
    await until("the tree is forgotten", () => agent.status().trees.length === 0);
  }

  test.each([["nobody"], [`${ordinaryUser}`], ["1,@nogroup"], [`@${ordinaryUser}`]])("--users %s", async (list) => {
    await agent.start(["--users", list]);
    await isServed();
    const one = await started(["-p", "exec-once"], "echo ready; read line");
    const { stdout } = spawnSync("bin/portcullis", ["agent", "status", "--socket", agent.socket], { encoding: "utf8" });
    expect(stdout).toMatch(/^ {2}\d+ {2}sh\[\d+\] {2}user 65534 {2}exec-once /m);
    await one.end();
  });

  test.each([["1"], ["@1"]])("a user who is not of --users %s has a Node of their own", async (list) => {
    await agent.start(["--users", list]);
    expect(run(["-p", "exec-once", "--", "true"])).toMatchObject({ status: 0, stderr: "" });
    const one = await started(["-p", "exec-once"], "echo ready; read line");
    expect(agent.status().trees).toEqual([]);
    await one.end();
    expect(ask("ask", "run", "-p", "exec-once", "--", "true")).toEqual([`${fallBack}`]);
  });

  test("only root's agent has --users, and an unknown name is an error", () => {
    const words = ["agent", "--socket", join(home, "own/agent.sock"), "--users"];
    const ofUser = spawnSync(setpriv, [...user, ...words, "nobody"], options);
    expect(ofUser).toMatchObject({ status: 125, stderr: expect.stringContaining("--users needs root") });
    for (const list of ["no-such-user", "@no-such-group", ",", "nobody,", "4294967295"]) {
      const { status, stderr } = spawnSync("bin/portcullis", [...words, list], { encoding: "utf8", timeout: 20_000 });
      expect({ status, stderr }).toMatchObject({ status: 125, stderr: expect.stringContaining("of this machine") });
    }
  });

  describe("of a permitted user", () => {
    beforeEach(() => agent.start(["--users", "nobody"]));

    test.each([
      ["a file that only root reads", secret],
      ["such a file by a relative name", "../secret.ts"],
      ["a file of the agent's folder", "POLICIES/two-folders.ts"],
      ["a name that leads out of the folder", "../policies/two-folders"],
      ["a file of the user", "own.ts"],
      ["a descriptor", "/proc/self/fd/0"],
      ["a policy that opens objects for its tree", "resolving"],
      ["a policy that does not compile", "broken"],
      ["a policy that needs parameters", "parameters"],
      ["no policy", "no-such-policy"],
      ["the name of a member of every object", "__proto__"],
      ["a file of the package", "portcullis/policies/exec-once.ts"],
    ])("falls back for %s", async (_, named) => {
      const policy = named.replace("POLICIES", agent.policies);
      agent.write(
        "resolving.ts",
        `import { allow, deny, policy } from "portcullis";
export default policy((call) => call.name === "openat" && call.args.path.resolved.under("/etc") ? deny("EACCES") : allow);`,
      );
      agent.write("broken.ts", "export default 1;");
      agent.write(
        "parameters.ts",
        `import { allow, parameter, policy } from "portcullis";
const most = parameter.integer("most");
export default policy((call) => allow);`,
      );
      await until("the agent has them", () => agent.status().policies.length >= 4);
      expect(ask("ask", "run", "-p", policy, "--", "true")).toEqual([`${fallBack}`]);
      expect(agent.said).not.toContain("secret");
    });

    test.each([
      ["a value", ["-s", "most=3", "-p", "exec-once"]],
      ["a destination of events", ["--events", "/etc/passwd", "-p", "exec-once"]],
      ["another mode", ["--audit", "-p", "exec-once"]],
      ["a capability", ["--cap", "ALL", "-p", "exec-once"]],
      ["options in one word", [["-qp", "exec-once"].join("")]],
      ["another verb", []],
    ])("falls back with %s", (_, words) => {
      const verb = words.length === 0 ? ["check", "-p", "exec-once"] : ["run", ...words, "--", "true"];
      expect(ask("ask", ...verb)).toEqual([`${fallBack}`]);
    });

    test("a word that can be a file's name is decided by Node", async () => {
      const text = 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n';
      for (const name of ["two-folders", "exec-once.ts"]) writeFileSync(join(home, name), text);
      expect(run(["-p", "two-folders", "--", "sh", "-c", "mkdir a b c && rmdir a b c"]).status).toBe(0);
      expect(run(["-p", "exec-once", "--", "true"]).stderr).toContain(
        "exec-once is a ready policy, and exec-once.ts is here",
      );
      for (const name of ["two-folders", "exec-once.ts"]) rmSync(join(home, name));
      await isServed();
    });

    test.each(["connected", "header", "request"])("a peer that dies after %s leaves nothing", async (what) => {
      const count = () => readdirSync(`/proc/${agent.pid}/fd`).length;
      await isServed();
      const before = count();
      for (let round = 0; round < 20; round++) ask(what, "run", "-p", "exec-once", "--", "true");
      await until("its descriptors are closed", () => count() <= before);
      await isServed();
    });

    test("a front that is killed: its command goes on under supervision, and is counted until its end", async () => {
      const script = "mkdir a b; echo ready; read line; mkdir c 2>/dev/null || touch refused; rmdir a b";
      const one = await started(["-p", "two-folders"], script);
      const parentOf = (pid: number) =>
        Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);
      process.kill(parentOf(parentOf(agent.status().trees[0]!.origin.pid!)), "SIGKILL");
      one.child.stdin!.end("\n");
      await until("the tree has ended", () => agent.status().trees.length === 0);
      expect(readdirSync(home)).toContain("refused");
      await isServed();
    });

    test("malformed requests and strange descriptors", async () => {
      const words = ["run", "-p", "exec-once", "--", "true"];
      expect([[`${fallBack}`], ["closed"]]).toContainEqual(ask("bytes"));
      expect(ask("file", ...words)).toEqual([`${fallBack}`]);
      expect(ask("many", ...words)).toEqual([`${fallBack}`]);
      expect(ask("ask", ...words)).toEqual([`${accepted}`]);
      expect(ask("flood", ...words)[0]).toBe(`${accepted}`);
      await isServed();
    });

    test("a setuid program in the command's place is neither traced nor stopped", async () => {
      copyFileSync("/bin/sleep", setuidSleep);
      chmodSync(setuidSleep, 0o4755);
      expect(ask("setuid", "run", "-p", "exec-once", "--", "true")).toEqual([`${accepted}`, "closed"]);
      await until("the reason", () => /process \d+ is not one of user 65534 alone/.test(agent.said));
      expect(agent.status().trees).toEqual([]);
      await isServed();
    });

    test("a user who has too many connections: Node starts, and others are served", async () => {
      const words = asUser(ordinaryUser, stranger, join(place, "portcullis/run.sock"), "hold");
      const holder = spawn(words[0]!, [...words.slice(1), "run", "-p", "exec-once", "--", "true"], options);
      spawned.push(holder);
      let text = "";
      holder.stdout!.on("data", (part) => {
        text += part;
      });
      await until("all answers", () => text.split("\n").length > 70);
      const answers = text.split("\n").slice(0, 70);
      expect(answers.filter((one) => one === `${accepted}`)).toHaveLength(64);
      expect(answers.slice(64)).toEqual(Array.from({ length: 6 }, () => `${fallBack}`));
      expect(run(["-p", "exec-once", "--", "sh", "-c", "echo ran"])).toMatchObject({ status: 0, stdout: "ran\n" });
      const own = { ...process.env, XDG_RUNTIME_DIR: place };
      const policy = join(agent.policies, "two-folders.ts");
      for (let round = 0; round < 2; round++)
        spawnSync("bin/portcullis", ["run", "-p", policy, "--", "true"], { env: own });
      const script = "echo ready; read line";
      const roots = spawn("bin/portcullis", ["run", "-p", policy, "--", "sh", "-c", script], { env: own });
      spawned.push(roots);
      await until("root's command is served", () => agent.status().trees.some(({ user: one }) => one === 0));
      roots.stdin!.end("\n");
      holder.kill("SIGKILL");
      await until("the share is free", () => ask("ask", "run", "-p", "exec-once", "--", "true")[0] === `${accepted}`);
      await isServed();
    });

    test("another user's tree cannot be seen or asked for", () => {
      const control = ["agent", "status", "--socket", agent.socket];
      const { status, stderr } = spawnSync(setpriv, [...user, ...control], options);
      expect({ status, stderr }).toMatchObject({ status: 125, stderr: expect.stringContaining("permission denied") });
    });
  });
});

describe.runIf(isRoot)("without XDG_RUNTIME_DIR", () => {
  const place = isRoot ? reachableFolder("runtime") : "";
  const words = isRoot ? programFor(place) : [];

  /** In a mount namespace with a /run of its own: the program of the command's grandparent, which is the front or Node. */
  function grandparent(prepare: string): string {
    const home = join(place, "home");
    mkdirSync(home, { recursive: true });
    chownSync(home, ordinaryUser, ordinaryUser);
    const as = words.join(" ");
    const script = `mount -t tmpfs -o mode=755 none /run && mkdir -p /run/user/65534 && cd ${home} || exit 9
${prepare}
${as} agent --socket /run/user/65534/portcullis/agent.sock & agent=$!
for i in $(seq 300); do test -S /run/user/65534/portcullis/run.sock && break; sleep 0.1; done
for i in 1 2; do ${as} run -p exec-once -- sh -c 'read _ _ _ parent _ </proc/$PPID/stat; read -r name </proc/$parent/comm; echo $name'; done | tail -1
kill -TERM $agent; wait`;
    const env: NodeJS.ProcessEnv = { ...process.env, HOME: home };
    delete env["XDG_RUNTIME_DIR"];
    return spawnSync("unshare", ["--mount", "sh", "-c", script], {
      encoding: "utf8",
      env,
      timeout: patience.command * 3,
    }).stdout.trim();
  }
  const own = "chown 65534:65534 /run/user/65534 && chmod 700 /run/user/65534";

  test("the folder of systemd is used if it is the user's alone", () => {
    expect(grandparent(own)).toBe("launcher");
  });

  test.each([
    ["others may enter", `${own} && chmod 755 /run/user/65534`],
    ["another user owns", "chmod 777 /run/user/65534"],
    [
      "a link names",
      "mkdir /run/else && chown 65534:65534 /run/else && chmod 700 /run/else && rmdir /run/user/65534 && ln -s /run/else /run/user/65534",
    ],
  ])("one that %s is not", (_, prepare) => {
    expect(grandparent(prepare)).toMatch(/^(?:node|MainThread)/);
  });
});
