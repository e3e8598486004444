import { expect, it } from "vitest";
import { readCall } from "../cases/cases.ts";
import { compilerOf } from "../engines/compilers.ts";
import { engineNames } from "../engines/registry.ts";
import { compiledModule, programOf } from "../frontend/testing/compiled.ts";
import { answer, printAnswer } from "./answer.ts";

const profile = await compilerOf(engineNames[0]!);

/** What `why` knows about a call of a policy with this step. */
function asked(call: string, body: string, head?: string) {
  const program = programOf(body, head === undefined ? {} : { head });
  const reading = readCall(call, "x86_64");
  if (reading.call === undefined) throw new Error(reading.diagnostics.map(({ message }) => message).join());
  const found = answer(program, reading.call, profile);
  return { passes: found.passes, lines: printAnswer(found).trimEnd().split("\n") };
}

const path = 'return call.name === "openat" && call.args.path.text.startsWith("/etc") ? deny("EACCES", "why") : log;';

type Case = readonly [
  what: string,
  passes: boolean | undefined,
  lines: readonly string[],
  call: string,
  body: string,
  head: string | undefined,
];

it.each<Case>([
  [
    "one verdict, with its line and its reason",
    false,
    [
      'openat(AT_FDCWD, "/etc/x", O_RDONLY): deny EACCES  policy.ts:3:75  "why"',
      "  decided by the engine, which reads the memory",
      "  reads args.path",
      '  matches args.path.text.startsWith("/etc")',
    ],
    'openat(AT_FDCWD, "/etc/x", O_RDONLY)',
    path,
    undefined,
  ],
  [
    "the pattern that the memory does not match",
    true,
    [
      'openat(AT_FDCWD, "/x", O_RDONLY): log  policy.ts:3:99',
      "  decided by the engine, which reads the memory",
      "  reads args.path",
      '  but not args.path.text.startsWith("/etc")',
    ],
    'openat(AT_FDCWD, "/x", O_RDONLY)',
    path,
    undefined,
  ],
  [
    "both verdicts, if the memory is not given",
    undefined,
    [
      "openat(AT_FDCWD, 0x1234, O_RDONLY): by memory",
      "  log  policy.ts:3:99",
      '  deny EACCES  policy.ts:3:75  "why"',
      "  decided by the engine, which reads the memory",
      "  reads args.path",
      "  not given: the memory behind args.path",
    ],
    "openat(AT_FDCWD, 0x1234, O_RDONLY)",
    path,
    undefined,
  ],
  [
    "both verdicts, if state decides, and that of the first call",
    undefined,
    [
      "read(3): by state",
      "  log  policy.ts:4:32",
      "  trap  policy.ts:4:23",
      "  at first: log  policy.ts:4:32",
      "  decided by the engine, which knows the state",
      "  reads c",
      "  changes c",
    ],
    "read(3)",
    "return c.add() > 3n ? trap() : log;",
    "const c = perTree.counter();",
  ],
  [
    "a call that no policy sees",
    true,
    ["exit_group(1): allow", "  decided before the policy: this call is always allowed and never an event of a policy"],
    "exit_group(1)",
    "return deny(`EPERM`);",
    undefined,
  ],
  [
    "a call that no policy can name",
    false,
    ["call_999(1): deny ENOSYS", "  decided before the policy: the policy does not evaluate this call"],
    "call_999(1)",
    "return allow;",
    undefined,
  ],
])("the answer to why has %s", (_, passes, lines, call, body, head) => {
  expect(asked(call, body, head)).toEqual({ passes, lines });
});

it.each<readonly [call: string, passes: boolean | undefined, lines: readonly string[]]>([
  [
    'open("/etc/x", O_RDONLY)',
    false,
    [
      'open("/etc/x", O_RDONLY): deny EACCES  policy.ts:2:34  "files.read does not have /etc/x"',
      "  after the step: allow  policy.ts:2:60",
    ],
  ],
  ['open("/usr/x", O_RDONLY)', true, ['open("/usr/x", O_RDONLY): allow  policy.ts:2:60']],
  [
    'open("x", O_RDONLY)',
    undefined,
    [
      'open("x", O_RDONLY): allow  policy.ts:2:60',
      "  not asked: what the policy declares about objects; write an absolute path",
    ],
  ],
])("the declarations about objects are asked after the step: %s", (text, passes, lines) => {
  const { program } = compiledModule(
    'import { allow, policy } from "portcullis";\nexport default policy({ files: { read: ["/usr"] } }, () => allow);\n',
  );
  const found = answer(program!, readCall(text, "x86_64").call!, profile);
  const printed = printAnswer(found)
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("  decided"));
  expect({ passes: found.passes, printed }).toEqual({ passes, printed: lines });
});
