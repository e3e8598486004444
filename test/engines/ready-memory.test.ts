/**
 * The ready policies about files and paths, under seccomp-ebpf in the machine: on programs that try to evade them,
 * with CAP_BPF and as an ordinary user.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Command, eachInMachine, type Outcome, unable } from "../kernel/vm.ts";
import { secretStatements } from "../policies/secrets.ts";
import { patience } from "../support/patience.ts";
import { compiled, portcullis } from "../support/run.ts";

const folder = resolve("build/engines/ready");
const victims = resolve("test/policies/victims");
const launcher = resolve(`dist/native/${process.arch}/launcher`);
const port = 7009;

const users = {
  root: { target: "seccomp", uid: 0 },
  anybody: { target: "unprivileged", uid: 65534 },
} as const;
type User = keyof typeof users;

/** A directory of its own for each user and test, that the user can write to. */
function place(who: User, name: string): string {
  const path = `${folder}/${who}/${name}`;
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  return path;
}

const bundle = (who: User, name: string): string => `${folder}/${who}-${name}.pcl`;

function compile(who: User, name: string, policy: string, ...settings: readonly string[]): void {
  const set = settings.flatMap((one) => ["--set", one]);
  const words = ["compile", "--target", users[who].target, "-p", `policies/${policy}.ts`, ...set];
  const ran = portcullis([...words, "-o", bundle(who, name)]);
  if (ran.status !== 0) throw new Error(ran.stderr);
}

const under = (who: User, name: string, ...command: readonly string[]) => [
  launcher,
  "run",
  bundle(who, name),
  ...command,
];
const python = (name: string, ...words: readonly string[]) => ["/usr/bin/python3", `${victims}/${name}.py`, ...words];

/** A command while another one serves, which has printed a line before. */
function whileServing(server: readonly string[], command: readonly string[]): string[] {
  const script = 'mkfifo "$0"; eval "exec $1" > "$0" 2>&1 & exec 3< "$0"; read ready <&3; eval "$2" 3<&-; kill $!';
  const quoted = (words: readonly string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return ["sh", "-c", script, `/tmp/ready-${Math.random()}`, quoted(server), quoted(command)];
}

/** It goes on while the other commands run, until `accepted`. */
const accepting: Command = {
  words: [
    "sh",
    "-c",
    '/usr/bin/python3 -c "$0" >/tmp/accepting 2>&1 & echo $! >/tmp/acceptor; until grep -q ready /tmp/accepting; do sleep 0.1; done',
    `import socket\nl = socket.create_server(("127.0.0.1", ${port}))\nprint("ready", flush=True)\nwhile True: l.accept()[0].close()`,
  ],
};

const accepted: Command = { words: ["sh", "-c", "kill $(cat /tmp/acceptor)"] };

/** Makes what a user's commands need; returns the commands by name. */
function prepare(who: User): Readonly<Record<string, Pick<Command, "words" | "cwd">>> {
  compile(who, "exec-only", "exec-only");
  const repository = place(who, "repository");
  execFileSync("git", ["init", "-q", "."], { cwd: repository });
  execFileSync("git", ["config", "core.fsmonitor", `touch ${repository}/ran; false`], { cwd: repository });
  execFileSync("chmod", ["-R", "a+rwX", repository]);

  const [inside, outside] = [place(who, "home/in"), place(who, "home/out")];
  place(who, "home");
  place(who, "home/in-empty");
  for (const one of ["folder", "lowerdir", "upperdir", "workdir"]) place(who, `home/out/${one}`);
  writeFileSync(`${outside}/file`, "as before");
  chmodSync(`${outside}/file`, 0o666);
  compile(who, "read-only-home", "read-only-home", `below=${inside},${inside}-empty`);

  compile(who, "no-secrets", "no-secrets");
  // Python takes seconds to start in the machine.
  const reaching = (what: string) => [compiled("test/policies/victims/reach_around.c", ["-static"]), `${port}`, what];
  const secrets = secretStatements.map(([name], index) => {
    const cwd = place(who, `secrets-${index}`);
    mkdirSync(`${cwd}/.aws`);
    for (const file of ["id_rsa", ".aws/s", "id_rsa.pub"]) writeFileSync(`${cwd}/${file}`, "");
    return [`secret: ${name}`, { cwd, words: under(who, "no-secrets", ...reaching(name)) }] as const;
  });

  const sockets = `/tmp/sockets-${who}`;
  compile(who, "agent-socket", "agent-socket", "by-text=true", `agent=${sockets}/agent`);
  const serve = ["sh", "-c", `mkdir -m 755 ${sockets}; exec ${python("reach_agents", "serve", sockets).join(" ")}`];
  const reach = under(who, "agent-socket", ...python("reach_agents", "try", sockets, "500"));
  // The directory of the sockets is root's.
  const asUser = who === "root" ? reach : ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...reach];
  return {
    "exec-only": { words: under(who, "exec-only", ...python("start_others", "/usr/bin/git", repository)) },
    "read-only-home": {
      words: [
        ...["sh", "-c", 'exec "$@" 7<"$0" 8<"$0/file"', outside],
        ...under(who, "read-only-home", ...python("write_outside", inside, outside)),
      ],
    },
    ...Object.fromEntries(secrets),
    harmless: { cwd: place(who, "harmless"), words: under(who, "no-secrets", ...reaching("another file")) },
    "agent-socket": { words: whileServing(serve, asUser) },
  };
}

const reason = unable("patched");
const outcomes = new Map<string, Outcome>();

beforeAll(async () => {
  if (reason !== undefined) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const commands = (Object.keys(users) as User[]).flatMap((who) =>
    Object.entries(prepare(who)).map(([name, command]) => {
      const { uid } = name === "agent-socket" ? users.root : users[who];
      return { key: `${who} ${name}`, uid, gid: uid, env: { PATH: "/usr/bin:/bin:/usr/sbin" }, ...command };
    }),
  );
  writeFileSync(`${folder}/root/harmless/id_rsa.pub`, "");
  writeFileSync(`${folder}/anybody/harmless/id_rsa.pub`, "");
  const [, ...ran] = await eachInMachine({ kernel: "patched" }, [accepting, ...commands, accepted]);
  for (const [index, { key }] of commands.entries()) outcomes.set(key, ran[index]!);
}, patience.machineTest);

describe.each(Object.keys(users) as User[])("as %s", (who) => {
  beforeEach((context) => {
    if (reason !== undefined) context.skip(reason);
  });

  const lines = (name: string): string[] => {
    const { stdout, stderr, status } = outcomes.get(`${who} ${name}`)!;
    if (status === 125) throw new Error(stderr);
    return stdout.trim().split("\n");
  };

  it("exec-only starts the given programs with the given words, and none of their programs", () => {
    const text = lines("exec-only");
    expect(text.filter((line) => line.endsWith(" started"))).toEqual(["allowed started", "started by git started"]);
    expect(text.filter((line) => line.endsWith(" denied"))).toHaveLength(17);
    expect(text.at(-1)).toBe("did not run");
  });

  it("read-only-home allows writes only below the directories", () => {
    const text = lines("read-only-home");
    const part = (heading: string) => {
      const start = text.indexOf(`# ${heading}`) + 1;
      const end = text.findIndex((line, index) => index >= start && line.startsWith("#"));
      return text.slice(start, end < 0 ? undefined : end);
    };
    expect(part("inside").filter((line) => !line.endsWith(" ok"))).toEqual([]);
    const other = part("outside").filter((line) => !/ (Permission denied|Operation not permitted)$/.test(line));
    expect(other).toEqual([
      "link to outside Invalid cross-device link",
      "link by a descriptor's name Invalid cross-device link",
      "ring Function not implemented",
    ]);
    expect(part("outside").length).toBeGreaterThan(50);
  });

  it.each(secretStatements)("no-secrets forbids connections after %s", (name) => {
    expect(lines(`secret: ${name}`)).toEqual(["reached", "Permission denied"]);
  });

  it("no-secrets allows connections after other files", () => {
    expect(lines("harmless")).toEqual(["reached", "reached"]);
  });

  it("agent-socket by text allows only the one socket, only by its name", () => {
    const denied = (...names: readonly string[]) => names.map((name) => `${name} Permission denied`);
    expect(lines("agent-socket")).toEqual([
      "agent reached agent",
      ...denied("other", "link", "dots", "slashes", "a longer name", "descriptor", "root", "abstract", "relative"),
      ...denied("datagram", "message"),
      "many Function not implemented",
      ...denied("connected", "reconnected"),
      "agent as a datagram Protocol wrong type for socket",
      "race EACCES agent",
      "mount Operation not permitted",
      "namespace ok",
      "mount there Operation not permitted",
      // A user that can replace the socket at the path decides which socket it is (P0609).
      who === "root" ? "replaced reached other" : "replaced Permission denied",
    ]);
  });
});
