/** Tests the ready policy `server` on Debian's servers, and against an attacker inside them. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import type { DecisionEvent } from "../../src/events/event.ts";
import { type Address, freeAddress } from "../support/address.ts";
import { removeBusyFolder } from "../support/busy-folder.ts";
import { jsonLinesSoFar } from "../support/json-lines.ts";
import { patience, until } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { responseOf } from "../support/response.ts";
import { compiled, engine } from "../support/run.ts";

interface Server {
  readonly name: string;
  /** In the foreground, with its pid in the file. */
  command(address: Address, folder: string, pidFile: string): readonly string[];
  /** A client's request, and the end of the server's response. */
  readonly asks: string;
  readonly answers: RegExp;
}

const servers: readonly Server[] = [
  {
    name: "redis-server",
    command: ({ host, port }, folder, pidFile) => [
      "redis-server",
      "--bind",
      host,
      "--port",
      `${port}`,
      "--dir",
      folder,
      "--pidfile",
      pidFile,
      "--save",
      "",
    ],
    asks: "SET a kept\r\nBGSAVE\r\nGET a\r\nQUIT\r\n",
    answers: /^\+OK\r\n\+Background saving started\r\n\$4\r\nkept\r\n/,
  },
  {
    name: "memcached",
    command: ({ host, port }, _, pidFile) => [
      "memcached",
      "-l",
      host,
      "-p",
      `${port}`,
      "-U",
      "0",
      "-u",
      "nobody",
      "-P",
      pidFile,
    ],
    asks: "set a 0 0 4\r\nkept\r\nget a\r\nquit\r\n",
    answers: /^STORED\r\nVALUE a 0 4\r\nkept\r\nEND\r\n/,
  },
];

async function started({ command, asks, answers }: Server, before: readonly string[], events: string) {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-server-"));
  chmodSync(folder, 0o777);
  const address = await freeAddress();
  const pidFile = join(folder, "pid");
  const hijack = join(folder, "hijack");
  const said = openSync(join(folder, "said"), "w");
  // LD_PRELOAD takes no path with blanks, which the checkout's may have.
  const library = join(folder, "hijack.so");
  copyFileSync(compiled("test/policies/victims/hijack.c", ["-shared", "-fPIC"]), library);
  const inside = ["env", `LD_PRELOAD=${library}`, `HIJACK=${hijack}`, ...command(address, folder, pidFile)];
  const [program, ...words] = [...before, ...inside];
  const child = spawn(program!, words, { stdio: ["ignore", said, said] });
  let status: number | undefined;
  const ended = once(child, "exit").then(([code, signal]) => {
    status = statusInShell({ status: code, signal });
    return status;
  });
  const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");
  onTestFinished(async () => {
    if (status === undefined) child.kill("SIGTERM");
    await ended;
    // A child of the server can write there still.
    await removeBusyFolder(folder);
  });
  const answer = await until("an answer", async () => {
    if (status !== undefined) throw new Error(`the server has ended with ${status}\n${read(join(folder, "said"))}`);
    return responseOf(address, asks);
  });
  expect(answer).toMatch(answers);
  const pid = await until("its pid", () => Number(read(pidFile)) || undefined);
  return {
    /** Injected code runs in the server. */
    turn: () => process.kill(pid, "SIGWINCH"),
    stop: () => process.kill(pid, "SIGTERM"),
    ended,
    lines: () => read(hijack).trim().split("\n"),
    /** Except clone3, which every threaded program tries first. */
    decisions: () =>
      jsonLinesSoFar<DecisionEvent>(events).filter((event) => event.kind === "decision" && event.call !== "clone3"),
  };
}

const killed = 128 + (engine === "notify" ? 9 : 31);

describe.each(servers)("$name", (server) => {
  const guard = (folder: string) => {
    const events = join(folder, "events");
    const words = ["run", "--engine", engine, "-p", "server", "--events", events, "--"];
    return { before: [join(process.cwd(), "bin/portcullis"), ...words], events };
  };
  const eventFolder = () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-server-events-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  };

  it("starts a shell when it is hijacked without a policy", async () => {
    const { turn, ended, lines } = await started(server, [], "");
    turn();
    expect(await ended).toBe(0);
    expect(lines()).toEqual(["bind ok", "listen ok", expect.stringMatching(/^kcmp /), "shell"]);
  });

  it("serves under the policy, and stops like without it", async () => {
    const { before, events } = guard(eventFolder());
    const { stop, ended, decisions } = await started(server, before, events);
    stop();
    expect([0, 128 + 15]).toContain(await ended);
    expect(decisions()).toEqual([]);
  });

  it("is ended when it is hijacked under the policy", async () => {
    const { before, events } = guard(eventFolder());
    const { turn, ended, lines, decisions } = await started(server, before, events);
    turn();
    expect(await ended).toBe(killed);
    expect(lines()).toEqual(["bind 13", "listen 13", "kcmp 1"]);
    expect(decisions().map(({ call, verdict }) => `${call} ${verdict}`)).toEqual([
      "bind deny",
      "listen deny",
      "kcmp deny",
      "execve kill-process",
    ]);
    if (engine === "notify") expect(decisions()[3]).toMatchObject({ phases: { phase: "serving" } });
  });
});

/** Servers that `make setup-test` unpacks: their packages would start a server of the machine. */
const unpacked = (name: string): string => join(process.cwd(), "build/packages", name);

const needs = (context: TestContext, name: string): void => {
  if (process.getuid?.() !== 0) context.skip("needs root, which the server gives up");
  if (engine !== "notify") context.skip("is for notify: in the machine of the tests no other user has a folder");
  if (!existsSync(unpacked(name))) context.skip(`${name} is not unpacked to build/packages`);
};

const guarded = (...options: readonly string[]): readonly string[] => [
  join(process.cwd(), "bin/portcullis"),
  ...["run", "-p", "server", "--set", "sessions=true", ...options, "--"],
];

describe("with sessions", () => {
  const folderFor = (): string => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-sessions-"));
    chmodSync(folder, 0o755);
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  };

  it("vsftpd sends files, in passive mode on the given ports only", async (context) => {
    needs(context, "vsftpd");
    const folder = folderFor();
    for (const name of ["files", "empty"]) mkdirSync(join(folder, name), { mode: 0o755 });
    writeFileSync(join(folder, "files/a"), "the content\n");
    const client = `import ftplib, sys, time
server = ftplib.FTP()
while True:
    try: server.connect(sys.argv[1], int(sys.argv[2])); break
    except ConnectionRefusedError: time.sleep(0.02)
server.login()
for passive in (True, True, False):
    server.set_pasv(passive)
    try: server.retrlines("RETR a")
    except ftplib.Error as error: print(str(error)[:9]); break
server.close()
`;
    const serve = async (ports: readonly [number, number], options: readonly string[]) => {
      const { host, port } = await freeAddress();
      const settings = {
        ...{ listen: "YES", listen_address: host, listen_port: port, background: "NO", connect_from_port_20: "NO" },
        ...{ anonymous_enable: "YES", no_anon_password: "YES", anon_root: join(folder, "files") },
        ...{ secure_chroot_dir: join(folder, "empty"), ftp_username: "daemon", nopriv_user: "nobody" },
        // The server confines itself by namespaces, and by a filter that kills a process in which portcullis maps memory.
        ...{ isolate: "NO", isolate_network: "NO", seccomp_sandbox: "NO" },
        ...{ pasv_min_port: ports[0], pasv_max_port: ports[1] },
      };
      const file = join(folder, "vsftpd.conf");
      writeFileSync(
        file,
        Object.entries(settings)
          .map(([name, value]) => `${name}=${value}\n`)
          .join(""),
      );
      const [program, ...words] = [...guarded(...options), join(unpacked("vsftpd"), "usr/sbin/vsftpd"), file];
      const server = spawn(program!, words, { stdio: "ignore" });
      const ended = once(server, "exit");
      try {
        const asked = spawn("/usr/bin/python3", ["-c", client, host, `${port}`], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        const [text] = await Promise.all([asked.stdout.setEncoding("utf8").toArray(), once(asked, "exit")]);
        return text.join("").trim().split("\n");
      } finally {
        server.kill("SIGTERM");
        await ended;
      }
    };
    const range = ["--set", "passive-from=40000", "--set", "passive-to=40100"];
    expect(await serve([40_000, 40_100], range)).toEqual(["the content", "the content", "the content"]);
    expect(await serve([40_101, 40_200], range)).toEqual([expect.stringMatching(/^500 OOPS/)]);
    expect(await serve([40_000, 40_100], [])).toEqual([expect.stringMatching(/^500 OOPS/)]);
  });

  it("sshd has sessions with and without a terminal, and forwards no agent and no port of its own", async (context) => {
    needs(context, "openssh-server");
    const { host, port } = await freeAddress();
    const package_ = unpacked("openssh-server");
    // In a mount namespace it gets its user and folder, and in a pid namespace the server ends with the shell.
    const script = `cd "$1"; shift
mount -t tmpfs none /run && mkdir -m 755 /run/sshd || exit
{ grep -v ^sshd: /etc/passwd; echo sshd:x:989:65534::/run/sshd:/usr/sbin/nologin; } > passwd
mount --bind passwd /etc/passwd || exit
ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user
cat > config <<X
ListenAddress ${host}:${port}
HostKey $PWD/host
AuthorizedKeysFile $PWD/user.pub
StrictModes no
UsePAM no
SshdSessionPath ${package_}/usr/lib/openssh/sshd-session
SshdAuthPath ${package_}/usr/lib/openssh/sshd-auth
X
ask() {
  ssh -F none -i user -o UserKnownHostsFile=$PWD/known -o StrictHostKeyChecking=no -o LogLevel=ERROR -o BatchMode=yes \\
    -o ExitOnForwardFailure=yes -p ${port} "$@"
}
"$@" ${package_}/usr/sbin/sshd -D -f $PWD/config -E $PWD/log > /dev/null 2>&1 &
until (exec 3<> /dev/tcp/${host}/${port}) 2> /dev/null; do sleep 0.02; done
ask ${host} 'echo hello; exit 3'; echo $?
ask -tt ${host} 'test -t 0 && id -u' < /dev/null; echo $?
eval $(ssh-agent -a $PWD/agent) > /dev/null; ssh-add -q user
ask -A ${host} 'test -S "$SSH_AUTH_SOCK"'; echo agent $?
ssh-agent -k > /dev/null
ask -R 40000:${host}:${port} ${host} true 2> /dev/null; echo port $?`;
    const outside = [
      "-m",
      "--pid",
      "--fork",
      "--mount-proc",
      "--kill-child",
      "bash",
      "-c",
      script,
      "sshd",
      folderFor(),
    ];
    const { stdout, stderr } = spawnSync("unshare", [...outside, ...guarded()], {
      encoding: "utf8",
      timeout: patience.command,
    });
    expect(stderr).toBe("");
    expect(stdout.replaceAll("\r", "")).toBe("hello\n3\n0\n0\nagent 1\nport 255\n");
  });
});
