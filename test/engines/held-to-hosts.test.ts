/** `run --hosts` on seccomp-ebpf, on the patched kernel: in a network of the tree's own, and by the proxy alone. */
import { beforeAll, expect, it } from "vitest";
import { eachInMachine, type Outcome, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";

const server = 'require("node:http").createServer((q, s) => s.end("hello\\n")).listen(8765, "127.0.0.1")';
const within = [
  "curl -sS http://web.localhost:8765/",
  'curl -sS -x "$HTTP_PROXY" http://evil.test:8765/',
  "curl -sS --noproxy '*' http://192.0.2.1:80/ 2>/dev/null",
  "exit 5",
].join("; ");
/** Each user's home has the cache of the policy. */
const commands = `
  for user in 0 65534; do
    run="setpriv --reuid $user --regid $user --clear-groups env HOME=/tmp/$user bin/portcullis run --engine seccomp-ebpf"
    $run -p /tmp/allow.ts --hosts web.localhost:8765 -- sh -c '${within.replaceAll("'", `'\\''`)}'
    echo "status $?"
    $run -q -p /tmp/allow.ts --hosts web.localhost:8765 -- curl -sS http://web.localhost:8765/
  done`;
const before = `
  ip link set lo up
  for user in 0 65534; do mkdir /tmp/$user; chown $user /tmp/$user; done
  echo 'import { allow, policy } from "portcullis"; export default policy(() => allow);' >/tmp/allow.ts
  node -e '${server}' >/dev/null 2>&1 & echo $! >/tmp/server
  curl -sS --retry 100 --retry-connrefused --retry-delay 1 -o /dev/null http://127.0.0.1:8765/ 2>/dev/null`;
const sh = (script: string) => ({ words: ["sh", "-c", script] });

const circumstances = [
  { name: "in a network of its own", denied: "host 192.0.2.1:80, by its address: denied" },
  { name: "by the proxy alone", denied: "denied with ENETUNREACH" },
] as const;

const reason = unable("patched");
let outcomes: Outcome[] = [];

beforeAll(async () => {
  if (reason !== undefined) return;
  const most = "/proc/sys/user/max_user_namespaces";
  const withoutNamespaces = `had=$(cat ${most}); echo 0 >${most}\n${commands}\necho $had >${most}`;
  const after = 'kill "$(cat /tmp/server)"';
  outcomes = await eachInMachine({ kernel: "patched" }, [before, commands, withoutNamespaces, after].map(sh));
}, patience.machineTest);

it.for(circumstances)("hosts of a tree are reached under seccomp-ebpf by name, $name", ({ name, denied }, context) => {
  if (reason !== undefined) context.skip(reason);
  const outcome = outcomes[1 + circumstances.findIndex((each) => each.name === name)];
  const one = /hello\nportcullis: evil\.test:8765: no entry permits .*\nstatus 5\nhello\n/.source;
  expect(outcome).toMatchObject({ status: 0, stdout: expect.stringMatching(new RegExp(`^${one}${one}$`)) });
  for (const text of ["host evil.test:8765, by the proxy (HTTP): denied", denied])
    expect(outcome?.stderr.split(text)).toHaveLength(3);
});
