/** `limits` on seccomp-ebpf, on the patched kernel: the kernel's count for an ordinary user, the program's for root, and sizes. */
import { beforeAll, expect, it } from "vitest";
import { eachInMachine, type Outcome, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";

const most = 8;
const policy = `import { allow, parameter, policy } from "portcullis";
const most = parameter.integer("most", { default: ${most}n });
const size = parameter.integer("size", { default: 1_048_576n });
export default policy({ files: { private: ["/tmp"] }, limits: { processes: most, privateSize: size } }, () => allow);
`;
/** A shell ends when it cannot fork. The last number is that of its children, with the shell one less than the limit. */
const bomb = `for i in ${Array.from({ length: 3 * most }, (_, index) => index + 1).join(" ")}; do sleep 100 & echo $i; done`;
/** No process of the tree raises the limit, its own or another's; and a user namespace has the same. */
const raise = `for pid in $$ 1; do prlimit --pid $pid --nproc=1000:1000 && echo raised; done 2>/dev/null`;
const nested = `unshare --user --map-root-user sh -c '${bomb}' 2>/dev/null`;
const fill = "head -c 2M /dev/zero >/tmp/x; stat -c %s /tmp/x";
const attempts = { bomb, raise: `${raise}; ${bomb}`, nested, fill } as const;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const attempt = (user: number, script: string, options = "") => ({
  words: [
    ...["sh", "-c"],
    `cd / && setpriv --reuid ${user} --regid ${user} --clear-groups env HOME=/tmp/limits-${user} "$OLDPWD/bin/portcullis" run \
      --engine seccomp-ebpf -p /tmp/limits/limits.ts --kill-tree ${options} -- sh -c ${quoted(script)}`,
  ],
});
const before = {
  words: [
    ...["sh", "-c"],
    `mkdir -p /tmp/limits && cat >/tmp/limits/limits.ts <<'END'
${policy}END
for user in 0 65534; do mkdir -p /tmp/limits-$user && chown $user /tmp/limits-$user; done`,
  ],
};
const users = [0, 65_534] as const;
const cases = users.flatMap((user) => [
  ...Object.entries(attempts).map(([name, script]) => ({ user, name, script, options: "" })),
  { user, name: "0 is none", script: bomb, options: "--set most=0 --set size=0" },
]);

const reason = unable("patched");
let outcomes: Outcome[] = [];

beforeAll(async () => {
  if (reason !== undefined) return;
  const runs = cases.map(({ user, script, options }) => attempt(user, script, options));
  outcomes = (await eachInMachine({ kernel: "patched" }, [before, ...runs])).slice(1);
}, patience.machineTest);

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");

it.for(cases)("limits under seccomp-ebpf, as user $user: $name", ({ user, name, options }, context) => {
  if (reason !== undefined) context.skip(reason);
  const outcome = outcomes[cases.findIndex((one) => one.user === user && one.name === name)]!;
  if (name === "fill") {
    expect(outcome.stdout).toBe("1048576\n");
    expect(outcome.stderr).toContain("/tmp of the tree was full");
    expect(outcome.stderr).toContain("; to permit more: --set size=2097152\n");
    return;
  }
  if (options !== "") {
    expect(outcome.stdout).toBe(numbers(3 * most));
    return;
  }
  // A user namespace needs a process of its own in between, if the policy lets one be made at all.
  if (name === "nested") expect(outcome.stdout.split("\n").length).toBeLessThanOrEqual(most);
  // Root may raise its own limit, which is not the one that holds it.
  else expect(user === 0 ? outcome.stdout.replaceAll("raised\n", "") : outcome.stdout).toBe(numbers(most - 1));
  if (name === "bomb")
    expect(outcome.stderr).toMatch(
      user === 0
        ? /denied with EAGAIN \(.*to permit it: --set most=16\n/
        : /as many processes .*\(8\).*--set most=16\n/,
    );
});
