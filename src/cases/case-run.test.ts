/** Case files with calls that go on: what is fulfilled, and what is a failure rather than a crash. */
import { expect, test } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { runCases } from "./case-run.ts";
import { readCases } from "./cases.ts";

const policy = `
import { allow, deny, perTree, policy } from "portcullis";
const r = perTree.rooms({ sides: ["a", "b"], timeout: "10ms", late: deny("EDEADLK", "too long") });
export default policy((call) => {
  if (call.name === "mkdir") r.enter("a");
  if (call.name === "rmdir") r.enter("b");
  return allow;
});`;

function failures(text: string, source = policy) {
  const { program } = loadPolicy("/rooms.ts", { architecture: "x86_64", readFile: () => source });
  const { cases, diagnostics } = readCases(text, "rooms.cases", "x86_64");
  expect(diagnostics).toEqual([]);
  return runCases(program!, cases!).failures.map(
    ({ place, expected, given, forms }) => `${place.line} ${expected} / ${given} (${forms.join()})`,
  );
}

test("calls that go on wait, are admitted, and are late", () => {
  expect(
    failures(`main   getpid()           allow
other = main.fork()
main   begin mkdir("a")   allow
other  rmdir("a")         waits
other  mkdir("a")         allow
other  begin rmdir("a")   waits
main.end()
other  begun              allow
main   begin mkdir("a")   waits
+ 9ms
main   begun              waits
+ 1ms
main   begun              deny EDEADLK @ "too long"
other.end()
main   mkdir("a")         allow
`),
  ).toEqual([]);
});

test("an expectation that is not met is a failure of both forms", () => {
  const forms = "(interpreter,wasm)";
  expect(
    failures(`main   getpid()           allow
other = main.fork()
main   begin mkdir("a")   waits
other  begin rmdir("a")   allow
main.interrupt()
other.end()
other  getpid()           allow
`),
  ).toEqual([
    `3 waits / allow ${forms}`,
    `4 allow / waits ${forms}`,
    `5 the call waits / allow ${forms}`,
    `6 the call runs / waits ${forms}`,
    `7 allow / its earlier call has not ended ${forms}`,
  ]);
});

test("a call that the filter allows is denied by a declaration about objects, in all forms", () => {
  const objects = `
import { allow, deny, policy } from "portcullis";
export default policy({ files: { read: ["/usr"], except: ["/usr/src"] }, tcp: { connect: [443n] } }, (call) =>
  call.name === "mkdir" ? deny("EPERM") : allow);`;
  const cases = `app  open("/usr/lib/a", O_RDONLY)        allow
app  open("/usr/src/a", O_RDONLY)        deny EACCES @ "exception /usr/src"
app  open("/etc/passwd", O_RDONLY)       deny EACCES @ "files.read"
app  connect(3, 10.0.0.1:80, 16)         deny EACCES @ "tcp.connect"
app  mkdir("/usr/src/b")                 deny EPERM
app  open("/etc/passwd", O_RDONLY)       allow
`;
  expect(failures(cases, objects)).toEqual([
    "6 allow / deny EACCES (interpreter,wasm)",
    "6 allow / deny EACCES (classic)",
  ]);
});
