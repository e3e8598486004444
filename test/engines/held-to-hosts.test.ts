/** `run --hosts` on seccomp-ebpf, on the patched kernel: in a network of the tree's own, and by the proxy alone. */
import { describe, expect, it } from "vitest";
import { eachInMachine, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";

const server = 'require("node:http").createServer((q, s) => s.end("hello\\n")).listen(8765, "127.0.0.1")';
const within = [
  "curl -sS http://web.localhost:8765/",
  'curl -sS -x "$HTTP_PROXY" http://evil.test:8765/',
  "curl -sS --noproxy '*' http://192.0.2.1:80/ 2>/dev/null",
  "exit 5",
].join("; ");
const script = (limit: string) => `
  ip link set lo up; ${limit}
  echo 'import { allow, policy } from "portcullis"; export default policy(() => allow);' >/tmp/allow.ts
  node -e '${server}' >/dev/null 2>&1 & server=$!
  curl -sS --retry 100 --retry-connrefused --retry-delay 1 -o /dev/null http://127.0.0.1:8765/ 2>/dev/null
  for user in 0 65534; do
    setpriv --reuid $user --regid $user --clear-groups bin/portcullis run --engine seccomp-ebpf -p /tmp/allow.ts \\
      --hosts web.localhost:8765 -- sh -c '${within.replaceAll("'", `'\\''`)}'
    echo "status $?"
    setpriv --reuid $user --regid $user --clear-groups bin/portcullis run -q --engine seccomp-ebpf -p /tmp/allow.ts \\
      --hosts web.localhost:8765 -- curl -sS http://web.localhost:8765/
  done
  kill $server`;

describe("hosts of a tree under seccomp-ebpf", { timeout: patience.machineTest }, () => {
  for (const { name, limit, denied } of [
    { name: "in a network of its own", limit: "", denied: "host 192.0.2.1:80, by its address: denied" },
    {
      name: "by the proxy alone",
      limit: "echo 0 >/proc/sys/user/max_user_namespaces",
      denied: "denied with ENETUNREACH",
    },
  ]) {
    it(`are reached by name, ${name}`, async (context) => {
      const why = unable("patched");
      if (why !== undefined) context.skip(why);
      const env = { HOME: "/tmp" };
      const [outcome] = await eachInMachine({ kernel: "patched" }, [{ words: ["sh", "-c", script(limit)], env }]);
      const one = /hello\nportcullis: evil\.test:8765: no entry permits .*\nstatus 5\nhello\n/.source;
      expect(outcome).toMatchObject({ status: 0, stdout: expect.stringMatching(new RegExp(`^${one}${one}$`)) });
      for (const text of ["host evil.test:8765, by the proxy (HTTP): denied", denied])
        expect(outcome?.stderr.split(text)).toHaveLength(3);
    });
  }
});
