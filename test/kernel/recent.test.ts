/** What the kernels of Debian 13 lack: Landlock's rights of Linux 7.1 and 7.2, on the kernel that kernel/fetch fetches. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { compileDriver } from "../native/landlock/agreement.ts";
import { bundleGuest } from "../support/bundle.ts";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { type Command, doctorUntil, eachInMachine, full, type Outcome, unable } from "./vm.ts";

const reason = unable("recent");
const folder = resolve("build/test/recent");
const program = resolve("bin/portcullis");
const guest = (name: string): string => resolve("test/kernel/guest/recent", name);
/** A folder of the machine. */
const sockets = "/dev/shm/sockets";

const policies = {
  ports: "udp: { bind: [0n, 5353n], connect: [53n] }",
  "own-port": "udp: { bind: [5353n], connect: [53n] }",
  all: `
    files: { read: ["/usr", "/proc", "${guest("")}"], runtime: true },
    tcp: { connect: [53n] },
    udp: { bind: [0n], connect: [53n] },
    unix: { connect: ["${sockets}/agent"] },
  `,
  sockets: `unix: { connect: ["${sockets}/agent", "${sockets}/letters"] }`,
};
const fileOf = (name: keyof typeof policies): string => join(folder, `${name}.ts`);

const sh = (script: string, more: Partial<Command> = {}): Command => ({ words: ["sh", "-c", script], ...more });
const asUser = { uid: 65_534, env: { HOME: "/dev/shm" } };
/** The client under a policy, and the server outside of its tree. */
const underPolicy = (name: keyof typeof policies, more: Partial<Command> = {}): Command => ({
  words: [
    ...["python3", guest("server.py"), sockets],
    ...[program, "run", "-q", "-p", fileOf(name), "--", "python3", guest("client.py"), sockets],
  ],
  ...more,
});

const containerPolicies = ["counting", "sealed"];
const bundleOf = (name: string): string => join(folder, `${name}.pcl`);

const events = "/dev/shm/events";
/** A program of the tree is denied requests, while another one is that is in a domain of its own. */
const denialsOf = (more: Partial<Command> = {}): Command =>
  sh(
    `
[ "$(id -u)" != 0 ] || echo secret >/root/a-secret
touch ${events}.running
python3 ${guest("other.py")} ${events}.running &
python3 ${guest("server.py")} ${sockets} ${program} run -q --events ${events} -p ${fileOf("all")} -- \
  /usr/bin/python3 ${guest("denials.py")} ${sockets}
rm ${events}.running
wait
cat ${events}; rm ${events}`,
    more,
  );

/** The number of random trials for each user and for each maker of rules; each trial has 40 operations. */
const [seeds, trials] = [full ? 20 : 1, full || runs("random") ? 25 : 15];
const operations = 4 * seeds * trials * 40;

/** The limit of the longest program, in seconds. */
const timeout = patience.machine / 1000;

const commands = {
  kernel: sh("uname -r"),
  files: sh("echo text >made-in-the-machine; cat made-in-the-machine; ls package.json"),
  namespace: sh("unshare -Ur id -u", asUser),
  doctor: { words: doctorUntil("engine "), timeout },
  explain: { words: [program, "explain", "-p", fileOf("sockets")] },
  ports: underPolicy("ports"),
  "ports of a user": underPolicy("ports", asUser),
  "own port": underPolicy("own-port"),
  sockets: underPolicy("sockets"),
  "sockets of a user": underPolicy("sockets", asUser),
  containers: sh(
    containerPolicies.map((name) => `dist/native/x64/launcher container check ${bundleOf(name)}; echo $?`).join("\n"),
  ),
  denials: denialsOf(),
  "denials of a user": denialsOf(asUser),
  decisions: {
    words: ["node", join(folder, "decisions.cjs"), join(folder, "driver"), `${seeds}`, `${trials}`],
    timeout,
  },
} satisfies Record<string, Command>;

const outcomes = new Map<string, Outcome>();
const of = (name: keyof typeof commands): Outcome => outcomes.get(name)!;
/** What the client could not do, in the order of its attempts. */
const deniedIn = (name: keyof typeof commands): readonly string[] => {
  const { status, stdout, stderr } = of(name);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("\nstatus 0\n");
  return stdout.split("\n").flatMap((line) => /^(.*) Permission denied$/.exec(line)?.[1] ?? []);
};

beforeAll(async () => {
  if (reason !== undefined) return;
  mkdirSync(folder, { recursive: true });
  for (const [name, settings] of Object.entries(policies))
    writeFileSync(
      join(folder, `${name}.ts`),
      `import { allow, policy } from "portcullis";\nexport default policy({ ${settings} }, () => allow);\n`,
    );
  for (const name of containerPolicies)
    execFileSync(program, ["compile", "-p", `test/kernel/guest/crun/${name}.ts`, "-o", bundleOf(name)]);
  compileDriver(join(folder, "driver"));
  await bundleGuest(guest("decisions.ts"), join(folder, "decisions.cjs"));
  const found = await eachInMachine({ kernel: "recent", append: ["audit=1"] }, Object.values(commands));
  for (const [index, name] of Object.keys(commands).entries()) outcomes.set(name, found[index]!);
}, patience.machineTest);

describe("Linux 7.3", () => {
  beforeEach((context) => {
    if (reason !== undefined) context.skip(reason);
  });

  it("boots as a distribution configures it, with the host's files", () => {
    expect(of("kernel").stdout).toMatch(/^[7-9]\.\d/);
    expect(of("files")).toMatchObject({ status: 0, stdout: "text\npackage.json\n" });
    expect(of("namespace")).toMatchObject({ status: 0, stdout: "0\n" });
  });

  it("has all rights of Landlock that policies declare", () => {
    expect(of("doctor").stdout).toMatch(
      /^ok +files, files.truncate, tcp, files.ioctl, scope, udp, unix of policies \(Landlock, ABI 1\d\)$/m,
    );
    const { stdout } = of("explain");
    expect(stdout).not.toMatch(/supervise|this kernel cannot/);
    expect(stdout).toContain(`unix.connect  ${sockets}/agent ${sockets}/letters`);
  });

  it.each(["ports", "ports of a user"] as const)("restricts UDP: %s", (name) => {
    expect(deniedIn(name)).toEqual([
      "bind 5354",
      "connect 54",
      "connect 54 by IPv6",
      "send 54",
      "bound, send 54",
      "connected, send 54",
    ]);
  });

  it("binds a socket that has no port only if `udp.bind` has 0", () => {
    expect(deniedIn("own port")).toEqual([
      "bind 5354",
      "bind 0",
      ...["connect 53", "connect 54", "connect 53 by IPv6", "connect 54 by IPv6", "send 53", "send 54"],
      ...["bound, send 54", "connected, send 54"],
    ]);
  });

  it.each(["sockets", "sockets of a user"] as const)("restricts Unix sockets without the supervisor: %s", (name) => {
    // The tree's own socket is not listed.
    expect(deniedIn(name)).toEqual(["other", "other letters", "other letters by sendmsg"]);
    // The supervisor would connect itself.
    expect(of(name).stdout).toContain("peers that the server sees as themselves: 2 of 2\n");
  });

  it("makes an event of each denial by Landlock, and of no other record of the audit", () => {
    const { status, stdout, stderr } = of("denials");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout.split("\n").filter(Boolean);
    const isEvent = (line: string) => line.startsWith("{");
    expect(lines.filter((line) => !isEvent(line))).toEqual([
      ...Array(4).fill("Permission denied"),
      ...["forged True", "own domain 0", "Permission denied", "status 0", expect.stringContaining("0 of 0")],
    ]);
    const at = (line: number, column: number) => `${fileOf("all")}:${line}:${column}`;
    const denied = { kind: "decision", command: "python3", verdict: "deny", errno: "EACCES" };
    expect(lines.filter(isEvent).map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        ...{ ...denied, call: "openat", rule: at(3, 14) },
        object: { blockers: ["fs.read_file"], path: "/root/a-secret" },
      }),
      expect.objectContaining({
        ...{ ...denied, call: "connect", rule: at(4, 5) },
        object: { blockers: ["net.connect_tcp"], port: 54, address: "127.0.0.1" },
      }),
      expect.objectContaining({
        ...{ ...denied, call: "sendto", rule: at(5, 5) },
        object: { blockers: ["net.connect_send_udp"], port: 54, address: "127.0.0.1" },
      }),
      expect.objectContaining({
        ...{ ...denied, call: "connect", rule: at(6, 13) },
        object: { blockers: ["fs.resolve_unix"], path: `${sockets}/other` },
      }),
    ]);
  });

  it("tells no one who may not read the audit", () => {
    expect(of("denials of a user")).toMatchObject({ status: 0, stderr: "" });
    expect(of("denials of a user").stdout).not.toContain("{");
    expect(of("doctor").stdout).toContain("denials of files, ports and scopes are events (the kernel's audit)\n");
  });

  it("gives no container the policy of a bundle, with state and without", () => {
    const { stdout, stderr } = of("containers");
    expect(stdout).toBe("125\n125\n");
    expect(stderr).toContain("portcullis: the filters cannot be taken (errno 5)\n");
    expect(stderr).toContain("  help: the kernel must have BPF_PROG_TYPE_SECCOMP (kernel/README.md)");
  });

  it("decides about objects as the model", () => {
    const { status, stdout, stderr } = of("decisions");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const found = JSON.parse(stdout) as { operations: number; answers: Record<string, number> };
    console.log(`on Linux 7.3: ${found.operations} operations`);
    expect(found.operations).toBe(operations);
    for (const does of ["bind", "connect", "connect unix"])
      for (const answer of ["EACCES", "done"])
        expect(found.answers[`${does}: ${answer}`], `${does}: ${answer}`).toBeGreaterThan(operations / 1000);
  });
});
