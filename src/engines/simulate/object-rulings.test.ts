import { expect, it } from "vitest";
import { numberOf } from "../../abi/calls.ts";
import { readCall } from "../../cases/cases.ts";
import { compiledModule } from "../../frontend/testing/compiled.ts";
import { InterpreterEvaluator } from "./interpreter-evaluator.ts";
import { rulingOfObjects } from "./object-rulings.ts";
import { SimulatedTree } from "./tree.ts";

const { program } = compiledModule(`import { allow, deny, policy } from "portcullis";
export default policy(
  {
    files: {
      read: ["/usr", "/home/me"],
      write: ["/home/me/src"],
      except: ["/home/me/.ssh"],
    },
    tcp: { connect: [443n] },
    scope: ["abstract-socket"],
  },
  (call) => (call.name === "unlink" ? deny("EPERM", "the step") : allow),
);
`);

function ruling(text: string, by = program!): string {
  const { call, diagnostics } = readCall(text, "x86_64");
  if (call === undefined) throw new Error(diagnostics.map(({ message }) => message).join());
  const found = rulingOfObjects(by, { number: call.number, arguments: call.registers }, call.memory);
  if (found === undefined || found === "unknown") return found ?? "ok";
  return `${found.verdict} ${found.rule} ${found.reason}`;
}

it.each<readonly [call: string, expected: string]>([
  ['openat(AT_FDCWD, "/usr/lib/libc.so.6", O_RDONLY)', "ok"],
  ['open("/etc/hosts", O_RDONLY)', "deny EACCES policy.ts:5:7 files.read does not have /etc/hosts"],
  ['open("/usr/x", O_RDWR)', "deny EACCES policy.ts:6:7 files.write does not have /usr/x"],
  ['open("/usr/x", O_RDONLY|O_TRUNC)', "deny EACCES policy.ts:6:7 files.write does not have /usr/x"],
  ['open("/usr", O_RDONLY|O_DIRECTORY)', "ok"],
  ['open("/etc", O_PATH)', "ok"],
  ['open("/usr", O_RDWR|O_TMPFILE)', "deny EACCES policy.ts:6:7 files.write does not have /usr"],
  ['openat2(AT_FDCWD, "/usr/x", {flags=O_WRONLY}, 24)', "deny EACCES policy.ts:6:7 files.write does not have /usr/x"],
  ['creat("/home/me/src/x", 0644)', "ok"],
  [
    'open("/home/me/.ssh/id", O_RDONLY)',
    "deny EACCES policy.ts:5:7 files.read does not have /home/me/.ssh/id, because of the exception /home/me/.ssh",
  ],
  [
    'open("/home/me", O_RDONLY|O_DIRECTORY)',
    "deny EACCES policy.ts:5:7 files.read does not have /home/me, because a directory above the exception /home/me/.ssh has only the entries of the start",
  ],
  ['open("x", O_RDONLY)', "unknown"],
  ['open("/usr/../etc/shadow", O_RDONLY)', "unknown"],
  ['execve("/bin/sh")', "deny EACCES policy.ts:5:7 files.read does not have /bin/sh"],
  ['mkdirat(AT_FDCWD, "/home/me/src/d", 0755)', "ok"],
  ['mkdir("/opt/d", 0755)', "deny EACCES policy.ts:6:7 files.write does not have /opt/d"],
  ['mknod("/opt/d", S_IFIFO|0644, 0)', "deny EACCES policy.ts:6:7 files.write does not have /opt/d"],
  ['symlink("/etc", "/home/me/src/l")', "ok"],
  ['unlinkat(AT_FDCWD, "/home/me/src/d", AT_REMOVEDIR)', "ok"],
  ['rmdir("/opt/d")', "deny EACCES policy.ts:6:7 files.write does not have /opt/d"],
  ['truncate("/usr/x", 0)', "deny EACCES policy.ts:6:7 files.write does not have /usr/x"],
  ['rename("/home/me/src/a", "/home/me/src/b/c")', "ok"],
  [
    'renameat2(AT_FDCWD, "/home/me/src/a", AT_FDCWD, "/opt/a", RENAME_NOREPLACE)',
    "deny EACCES policy.ts:6:7 files.write does not have /home/me/src/a or /opt/a",
  ],
  ['link("/home/me/src/a", "b")', "unknown"],
  ["connect(3, 10.0.0.1:443)", "ok"],
  ["connect(3, 10.0.0.1:80)", "deny EACCES policy.ts:9:5 tcp.connect does not have port 80"],
  ["bind(3, 0.0.0.0:80)", "ok"],
  ["bind(3, unix:/run/s)", "deny EACCES policy.ts:6:7 files.write does not have /run/s"],
  ["connect(3, abstract:@bus)", "deny EPERM policy.ts:10:5 scope has abstract-socket"],
  ["connect(3, unix:/run/s)", "ok"],
  ["getpid()", "ok"],
])("%s: %s", (call, expected) => {
  expect(ruling(call)).toBe(expected);
});

it("the declarations are asked about a call that the step allows, and flags with unknown bits show nothing", () => {
  const number = numberOf("open", "x86_64")!;
  const path = (text: string) => new Map([["path", { is: "text", bytes: Buffer.from(text), isCut: false } as const]]);
  const { command } = new SimulatedTree(new InterpreterEvaluator(program!));
  expect(command.call({ number, memory: path("/etc/hosts") })).toMatchObject({
    verdict: "deny EACCES",
    errno: 13,
    passes: false,
    rule: "policy.ts:5:7",
  });
  expect(command.call({ number, memory: path("/etc/hosts") }, { unknown: [0n, 3n] }).verdict).toBe("allow");
  expect(command.call({ number: numberOf("unlink", "x86_64")!, memory: path("/etc/hosts") })).toMatchObject({
    verdict: "deny EPERM",
    reason: "the step",
  });
});

it("a socket of UDP may have a port only if the policy permits to bind it to one", () => {
  const withPorts = (bind: string) =>
    compiledModule(`import { allow, policy } from "portcullis";
export default policy({ udp: { bind: [${bind}], connect: [53n] } }, () => allow);
`).program!;
  const call = "connect(3, 10.0.0.1:53, 16)";
  expect(ruling(call, withPorts("0n"))).toBe("ok");
  expect(ruling(call, withPorts("5353n"))).toBe("ok");
  expect(ruling(call, withPorts(""))).toBe(
    "deny EACCES policy.ts:2:25 udp.bind does not have port 0, to which a socket without a port is bound",
  );
});
