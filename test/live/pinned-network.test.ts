/**
 * Real programs that talk to each other over loopback, under a policy that pins every possible call: as in
 * pinned-programs.test.ts, the same output and status as without portcullis, and no event.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { freeAddress } from "../support/address.ts";
import { asUser, isReachable, ordinaryUser } from "../support/ordinary-user.ts";
import { needs, pinnedPrograms, times } from "./pinned-comparison.ts";

const { expectSame, inBash, inBashAsOrdinaryUser } = pinnedPrograms();
const isRoot = process.getuid?.() === 0;

/** `await_server`: until something listens at the address. */
const address = async () => {
  const { host, port } = await freeAddress();
  return `
H=${host} P=${port}
await_server() { until (exec 3<>/dev/tcp/$H/$P) 2>/dev/null; do sleep 0.05; done; }
`;
};

it("git clones from its own server, fetches, and pushes to it", async (context) => {
  needs(context, "git", "bash");
  const { status, stdout } = inBash(`
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z GIT_PAGER=cat
${await address()}
git init -q --bare -b main served.git; git -C served.git config daemon.receivepack true
git daemon --listen=$H --port=$P --base-path=$PWD --export-all --reuseaddr 2> log & server=$!
await_server
git init -q -b main one; cd one
for i in $(seq ${3 * times}); do echo $i > f$i; git add .; git commit -q -m c$i; done
git push -q git://$H:$P/served.git main
cd ..; git clone -q git://$H:$P/served.git two; cd two; git log --format='%H %s'
cd ../one; echo more > more; git add .; git commit -q -m more; git push -q git://$H:$P/served.git main
cd ../two; git fetch -q; git merge -q --ff-only origin/main; git fsck --no-progress; git ls-remote origin; ls
kill $server; wait $server 2> log || echo ended`);
  expect(status).toBe(0);
  expect(stdout).toContain(" c1\n");
  expect(stdout).toContain("\nmore\nended\n");
});

describe("npm", () => {
  it("installs from a registry, and builds an addon in C with node-gyp", async (context) => {
    needs(context, "npm", "bash", "make", "c++", "python3");
    // node-gyp downloads the headers otherwise.
    const headers = dirname(dirname(process.execPath));
    if (!existsSync(join(headers, "include/node/node_api.h"))) context.skip("Node's headers are not installed");
    const { status, stdout } = inBash(
      `
${await address()}
export npm_config_registry=http://$H:$P/ npm_config_cache=$PWD/cache npm_config_nodedir=${headers}
export npm_config_fund=false npm_config_audit=false npm_config_update_notifier=false
mkdir addon; mv addon.c binding.gyp addon; mv addon.json addon/package.json
npm pack --silent ./addon || exit
node registry.cjs $H $P & server=$!
await_server
mkdir project; cd project; echo '{ "name": "p", "version": "1.0.0", "dependencies": { "addon": "^1.0.0" } }' > package.json
npm install --silent --package-lock-only && npm ci --silent > log; echo $?
node -p 'require("addon/build/Release/addon.node")()'
kill $server; wait $server; echo $?`,
      {
        "addon.json": JSON.stringify({
          ...{ name: "addon", version: "1.0.0", gypfile: true },
          scripts: { install: "node-gyp rebuild" },
        }),
        "binding.gyp": `{ "targets": [{ "target_name": "addon", "sources": ["addon.c"] }] }`,
        "addon.c": `
#define NAPI_VERSION 8
#include <node_api.h>
static napi_value answer(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value;
  napi_create_int32(env, 42, &value);
  return value;
}
NAPI_MODULE_INIT() {
  napi_value function;
  (void)exports;
  napi_create_function(env, 0, 0, answer, 0, &function);
  return function;
}`,
        "registry.cjs": `
const fs = require("node:fs"), http = require("node:http"), { createHash } = require("node:crypto");
const [host, port] = process.argv.slice(2), tarball = fs.readFileSync("addon-1.0.0.tgz");
const integrity = "sha512-" + createHash("sha512").update(tarball).digest("base64");
const dist = { tarball: "http://" + host + ":" + port + "/addon-1.0.0.tgz", integrity };
const manifest = { ...JSON.parse(fs.readFileSync("addon/package.json")), hasInstallScript: true, dist };
const packument = JSON.stringify({ name: "addon", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": manifest } });
http.createServer(({ url }, answer) => answer.end(url.endsWith(".tgz") ? tarball : packument)).listen(Number(port), host);`,
      },
    );
    expect(status).toBe(0);
    expect(stdout).toBe("addon-1.0.0.tgz\n0\n42\n143\n");
  });
});

describe("OpenSSH", () => {
  /** `make setup-test` unpacks it: the package would start a server of the machine. */
  const server = join(process.cwd(), "build/packages/openssh-server");
  const needsServer = (context: TestContext) => {
    needs(context, "bash", "ssh", "ssh-keygen", "ssh-agent", "ssh-add");
    if (!existsSync(server)) context.skip("openssh-server is not unpacked to build/packages");
  };
  /** In front: keys, a server at $H:$P, and `ask`, which is ssh to it. */
  const setUp = async () => `${await address()}
ln -s '${server}' server
ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user; cp user.pub authorized
cat > config <<X
ListenAddress $H:$P
HostKey $PWD/host
PidFile $PWD/pid
AuthorizedKeysFile $PWD/authorized
StrictModes no
UsePAM no
SshdSessionPath $PWD/server/usr/lib/openssh/sshd-session
SshdAuthPath $PWD/server/usr/lib/openssh/sshd-auth
X
ask() { ssh -F none -o UserKnownHostsFile=$PWD/known -o StrictHostKeyChecking=no -o LogLevel=ERROR -o BatchMode=yes -p $P $H "$@"; }
$PWD/server/usr/sbin/sshd -f $PWD/config -E $PWD/log || exit; await_server
`;
  /** For root, sshd needs a user and a folder of its own, here in a mount namespace. */
  const namespace = `
if [ $(id -u) = 0 ]; then
  mount -t tmpfs none /run && mkdir -m 755 /run/sshd || exit
  { cat /etc/passwd; echo sshd:x:989:65534::/run/sshd:/usr/sbin/nologin; } > passwd; mount --bind passwd /etc/passwd || exit
fi
`;

  it("has a server with sessions through an agent, which they forward", async (context) => {
    needsServer(context);
    if (!isRoot) context.skip("needs root, to read the memory of ssh-agent, which is not dumpable");
    const script = `${namespace}${await setUp()}
eval $(ssh-agent -a $PWD/agent) > out || exit
ssh-add -q user && mv user away
ask 'echo hello; exit 3'; echo $?
ask -A 'ssh-add -l | wc -l; echo hi | tr a-z A-Z'; echo $?
for i in $(seq ${2 * times}); do ask cat /etc/passwd < log | wc -l; done
ssh-agent -k > out; kill $(cat pid); ask true 2> out; echo $?`;
    const { stdout } = expectSame(["unshare", "-m", "bash", "-c", script]);
    expect(stdout).toMatch(/^hello\n3\n1\nHI\n0\n(\d+\n)+255\n$/);
  });

  it("has an agent that portcullis cannot read without CAP_SYS_PTRACE, with an event", (context) => {
    needs(context, "bash", "ssh-agent");
    if (!isReachable("bin/portcullis")) context.skip("an ordinary user cannot reach bin/portcullis");
    const { stdout, decisions } = inBashAsOrdinaryUser("ssh-agent -a $PWD/agent; echo $?; test -e agent; echo $?");
    expect(stdout).toBe("1\n1\n");
    const binds = decisions.filter(({ call }) => call === "bind");
    expect(binds).toMatchObject([{ verdict: "deny", errno: "EPERM" }]);
    expect(binds[0]!.reason).toContain("could not be pinned: the caller is not dumpable");
    expect(binds[0]!.advice).toContain("run portcullis with CAP_SYS_PTRACE");
  });
});

it("Chromium, in its own sandbox, shows pages of a server with a worker and a frame", async (context) => {
  needs(context, "chromium", "bash");
  const user = isRoot ? `${asUser(ordinaryUser).join(" ")} env HOME=$PWD` : "";
  const { stdout } = inBash(
    `
${await address()}
node server.cjs $H $P & server=$!
await_server
${user} chromium --headless=new --no-first-run --disable-gpu --user-data-dir=$PWD/profile --virtual-time-budget=20000 --dump-dom http://$H:$P/page
echo $?; kill $server; wait $server; echo $?`,
    {
      "server.cjs": `
const fs = require("node:fs"), http = require("node:http"), [host, port] = process.argv.slice(2);
const types = { page: "text/html", frame: "text/html", worker: "text/javascript" };
const serve = ({ url }, answer) => {
  const name = url.slice(1);
  answer.writeHead(name in types ? 200 : 404, { "content-type": types[name] ?? "text/plain" });
  answer.end(name in types ? fs.readFileSync(name) : "none");
};
http.createServer(serve).listen(Number(port), host);`,
      page: `<!doctype html><iframe src="/frame" sandbox="allow-scripts"></iframe><p id="p"></p><script>
const got = [], add = (what) => { got.push(what); document.getElementById("p").textContent = got.sort().join(" "); };
addEventListener("message", ({ data }) => add("frame:" + data));
new Worker("/worker").onmessage = ({ data }) => add("worker:" + data);
localStorage.setItem("a", "b"); add("stored:" + localStorage.getItem("a"));
fetch("/none").then((answer) => add("fetched:" + answer.status));
</script>`,
      frame: `<script>parent.postMessage(6 * 7, "*")</script>`,
      worker: `let sum = 0; for (let i = 0; i < 1000; i++) sum += i; postMessage(sum);`,
    },
    // Its messages depend on the machine.
    { comparesErrors: false },
  );
  expect(stdout).toContain(`<p id="p">fetched:404 frame:42 stored:b worker:499500</p>`);
  expect(stdout).toMatch(/\n0\n143\n$/);
});
