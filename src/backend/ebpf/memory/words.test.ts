/** Compares the words that a seccomp program computes with the reference meaning, on a model of the kernel's copies. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { callByName, numberOf, registerOf } from "../../../abi/calls.ts";
import { returnWord } from "../../../abi/return-word.ts";
import { loadPolicy } from "../../../frontend/load.ts";
import {
  type AddressPart,
  addressKinds,
  maximumListBytes,
  type Observation,
  type ObservedWord,
  type Reading,
  type Shape,
  type TextPart,
} from "../../../ir/observation.ts";
import { type Memory, Observer } from "../../../ir/observe.ts";
import type { Program, Statement } from "../../../ir/program.ts";
import { SeededChoices } from "../../../ir/testing/arbitrary.ts";
import { seeds } from "../../../ir/testing/seeds.ts";
import type { Pattern } from "../../../patterns/pattern.ts";
import { PatternChoices } from "../../../patterns/testing/arbitrary.ts";
import { multiplied, multiplying } from "../../../patterns/testing/multiplying.ts";
import { compileForSeccomp } from "../seccomp.ts";
import { refusals } from "../targets/records.ts";
import { ModelledTree, modelledCopy } from "../testing/seccomp.ts";

const base = loadPolicy("test/goldens/ebpf/limit.ts", { architecture: "x86_64" }).program!;
/** Of a record: more values would not fit the model's stack. */
const wordsOfReport = 4;

const source = (call: string, register: number, length?: number) => ({
  number: numberOf(call, "x86_64")!,
  register,
  length,
});

/** A program that reports all words of one observation, in calls that pass the argument in different registers. */
function reporting(shape: Shape, sources: Observation["sources"], readings: readonly Reading[]): Program {
  const sorted = [...sources].sort((a, b) => a.number - b.number);
  const words: ObservedWord[] = readings.map((reads) => ({ observation: 0, reads }));
  const chunks = Array.from({ length: Math.ceil(words.length / wordsOfReport) }, (_, chunk) =>
    words.slice(wordsOfReport * chunk, wordsOfReport * (chunk + 1)).map((_word, at) => wordsOfReport * chunk + at),
  );
  const body: Statement[] = [
    ...chunks.map(
      (chunk, report): Statement => ({
        kind: "report",
        report,
        values: chunk.map((word) => ({ kind: "observed", word })),
        at: undefined,
      }),
    ),
    { kind: "return", verdict: { kind: "verdict", verdict: 0 }, at: undefined },
  ];
  return {
    ...base,
    admission: {
      ...base.admission,
      always: [],
      judged: [{ from: 0n, to: 462n }],
    },
    cells: [],
    tables: [],
    locals: [],
    parameters: [],
    reports: chunks.map((chunk, index) => ({
      text: `r${index}`,
      values: chunk.map((word) => ({ name: `w${word}`, print: "unsigned" as const })),
      at: undefined,
    })),
    observations: [{ name: "argument", shape, sources: sorted, at: undefined }],
    words,
    body,
  };
}

function run(program: Program, unprivileged = false, locked = false) {
  const { compiled, diagnostics } = compileForSeccomp(program, { unprivileged, reportsVerdicts: true });
  if (compiled === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const tree = new ModelledTree(program, { ...compiled, locked });
  const [observation] = program.observations as [Observation];
  return {
    declared: compiled.declared,
    evaluate(number: number, memory: Memory, hidden = false) {
      const event = {
        number,
        architecture: auditArchitecture.x86_64,
        instructionPointer: 0n,
        arguments: [0n, 0n, 0n, 0n, 0n, 0n],
      } as const;
      const declaration = compiled.declared.find((one) => one.number === number);
      const copy = declaration && modelledCopy(observation, memory, declaration.size);
      const copies = new Map(copy === undefined ? [] : [[declaration!.argument, { ...copy, hidden }]]);
      return tree.evaluate(0, event, { now: 0n, who: 1n, owner: 0n, copies });
    },
  };
}

function compare(program: Program, memories: readonly Memory[], unprivileged = false): void {
  const observer = new Observer(program);
  const { evaluate } = run(program, unprivileged);
  for (const { number } of program.observations[0]!.sources)
    for (const memory of memories) {
      const wanted = observer.observe(number, [memory]);
      if (!("words" in wanted)) throw new Error("failed copies are never judged");
      const { records } = evaluate(number, memory);
      const where = memory.is === "bytes" ? Buffer.from(memory.bytes).toString("latin1") : JSON.stringify(memory);
      expect(
        records.flatMap(({ values }) => values),
        where,
      ).toEqual(wanted.words);
    }
}

const text = (bytes: Uint8Array): Memory => ({ is: "bytes", bytes });
const withoutZeros = (bytes: Uint8Array): Uint8Array => bytes.filter((byte) => byte !== 0);
const absent: Memory = { is: "absent" };
const matches = (part: TextPart, patterns: readonly Pattern[]): Reading => ({ is: "matches", part, patterns });
const plain = (kind: Pattern["kind"], ...texts: string[]): Pattern[] => texts.map((each) => ({ kind, text: each }));
const paths = [source("open", 0), source("openat", 1), source("execve", 0)];

describe("paths", () => {
  it("match as the reference, for random patterns", () => {
    for (const seed of seeds(60)) {
      const choices = new PatternChoices(seed);
      const patterns = [choices.patterns(2), choices.patterns(2)] as const;
      const program = reporting({ is: "path" }, paths, [
        matches({ is: "whole" }, patterns[0]),
        { is: "length" },
        matches({ is: "whole" }, patterns[1]),
      ]);
      const subjects = Array.from({ length: 16 }, () => choices.subject(patterns.flat())).map(withoutZeros);
      compare(program, [absent, ...[...subjects, new Uint8Array()].map(text)], seed % 2 === 0);
    }
  });

  it("of long lists, with texts up to the kernel's limit", () => {
    const list = [
      ...plain("is", "/etc/passwd", "/run/user/1000/keyring/ssh", "/"),
      ...plain("under", "/usr", "/lib", "/etc/ssl", "/tmp/é", `/${"d".repeat(300)}`),
      ...plain("startsWith", "/proc/", "relative"),
    ];
    const program = reporting({ is: "path" }, paths, [matches({ is: "whole" }, list)]);
    const subjects = list.flatMap(({ text: one }) => [one, `${one}/x`, `${one}x`, one.slice(0, -1)]);
    compare(
      program,
      [...subjects, "/usr/".padEnd(4095, "x"), "x".repeat(4095)].map((one) => text(Buffer.from(one))),
    );
    compare(program, [text(Buffer.from("/usr/bin"))], true);
    // Only what the patterns look at is declared.
    expect(run(program).declared).toEqual(
      program.observations[0]!.sources.map(({ number, register }) => ({
        number,
        argument: register,
        kind: "path",
        size: 304,
      })),
    );
  });

  it("are read only where a call's verdict needs them", () => {
    const program = reporting({ is: "path" }, paths, [{ is: "length" }]);
    const { declared } = run(program);
    expect(declared.map(({ size }) => size)).toEqual([0, 0, 0]);
  });

  it("of a process that is not dumpable are refused", () => {
    const program = reporting({ is: "path" }, paths, [matches({ is: "whole" }, plain("is", "/a"))]);
    const { returned, records } = run(program).evaluate(2, text(Buffer.from("/a")), true);
    expect(returned).toBe(returnWord("ERRNO", 1));
    expect(records.map(({ which }) => which)).toEqual([refusals.unseen]);
  });
});

describe("patterns of several automata match as the reference does", () => {
  const texts = multiplied.map((one) => Buffer.from(one));

  it("in paths", () => {
    const program = reporting({ is: "path" }, paths, [
      matches({ is: "whole" }, multiplying),
      matches({ is: "whole" }, multiplying.slice(3)),
    ]);
    for (const unprivileged of [false, true]) compare(program, [absent, ...texts.map(text)], unprivileged);
  });

  it("in lists", () => {
    const shape = { is: "strings", entries: 12, bytes: maximumListBytes } as const;
    const lists = texts.map((_, index) => texts.slice(index, index + 3));
    compare(
      reporting(
        shape,
        [source("execve", 1)],
        [{ is: "any-entry", patterns: multiplying }, matches({ is: "entry", index: 1 }, multiplying)],
      ),
      [absent, ...lists.map((entries): Memory => ({ is: "strings", entries }))],
    );
  });

  it("in addresses", () => {
    const readings = [matches({ is: "socket-path" }, multiplying), matches({ is: "abstract-name" }, multiplying)];
    const addresses = texts.flatMap((one) => [
      Buffer.from([1, 0, ...one]),
      Buffer.from([1, 0, ...one, 0, ...Buffer.from("/.aws/x")]),
      Buffer.from([1, 0, 0, ...one]),
    ]);
    for (const reading of readings)
      compare(reporting({ is: "address" }, [source("connect", 1, 2)], [reading]), [absent, ...addresses.map(text)]);
  });
});

it("strings are the kernel's copies of them", () => {
  const shape = { is: "string", bytes: 4096 } as const;
  const program = reporting(
    shape,
    [source("mount", 0), source("fsopen", 0), source("symlink", 0)],
    [matches({ is: "whole" }, plain("is", "tmpfs", "proc", "")), { is: "length" }],
  );
  compare(program, [absent, ...["tmpfs", "tmp", "tmpfs2", "proc", "", "x"].map((one) => text(Buffer.from(one)))]);
});

describe("lists", () => {
  const shape = { is: "strings", entries: 12, bytes: maximumListBytes } as const;
  const argv = [source("execve", 1), source("execveat", 2)];

  it("match as the reference does", () => {
    for (const seed of seeds(30)) {
      const [choices, numbers] = [new PatternChoices(seed), new SeededChoices(seed)];
      const patterns = choices.patterns(2);
      const program = reporting(shape, argv, [
        matches({ is: "entry", index: 0 }, patterns),
        matches({ is: "entry", index: 2 }, patterns),
        { is: "any-entry", patterns },
        { is: "length" },
      ]);
      const list = (): Memory => ({
        is: "strings",
        entries: Array.from({ length: numbers.below(13) }, () => withoutZeros(choices.subject(patterns))),
      });
      compare(program, [absent, { is: "strings", entries: [] }, ...Array.from({ length: 8 }, list)], seed % 2 === 0);
    }
  });

  it("with more text than the kernel matches for a call are refused", () => {
    const patterns: readonly Pattern[] = plain("endsWith", "x");
    const program = reporting(shape, argv, [{ is: "any-entry", patterns }]);
    const entries = (bytes: number): Memory => ({ is: "strings", entries: [new Uint8Array(bytes).fill(97)] });
    const most = (locked: boolean) => (locked ? 32 : 256) * 1024 - 16;
    for (const locked of [false, true]) {
      const { evaluate } = run(program, false, locked);
      expect(evaluate(59, entries(most(locked))).records).toHaveLength(1);
      const { returned, records } = evaluate(59, entries(most(locked) + 1));
      expect({ locked, returned, records }).toEqual({ locked, returned: returnWord("ERRNO", 7), records: [] });
    }
    // A text whose result is certain is not read to its end.
    const settled = reporting(shape, argv, [{ is: "any-entry", patterns: plain("startsWith", "a") }]);
    expect(run(settled).evaluate(59, entries(most(false) + 1)).records).toHaveLength(1);
  });

  it("longer than the policy's bound are not judged", () => {
    const program = reporting(shape, argv, [{ is: "length" }]);
    const entries = (count: number): Memory => ({ is: "strings", entries: new Array(count).fill(Buffer.from("a")) });
    expect(run(program).evaluate(59, entries(12)).records).toHaveLength(1);
    expect(run(program).evaluate(59, entries(13))).toMatchObject({ returned: returnWord("ERRNO", 7), records: [] });
  });

  it("with more bytes than the policy's bound, NULs included, are not judged", () => {
    for (const unprivileged of [false, true]) {
      const { evaluate } = run(reporting({ ...shape, bytes: 100 }, argv, [{ is: "length" }]), unprivileged);
      const entries = (...sizes: number[]): Memory => ({
        is: "strings",
        entries: sizes.map((one) => Buffer.alloc(one, 97)),
      });
      const judged = [[99], [], [0, 0, 0], [49, 49], [39, 29, 29]];
      for (const sizes of judged) expect(evaluate(59, entries(...sizes)).records).toHaveLength(1);
      expect(evaluate(59, absent).records).toHaveLength(1);
      for (const sizes of [[100], [49, 50], [39, 29, 30], new Array<number>(11).fill(9)]) {
        const { returned, records } = evaluate(59, entries(...sizes));
        expect({ sizes, returned, records }).toEqual({ sizes, returned: returnWord("ERRNO", 7), records: [] });
      }
    }
  });

  it("of a policy that bounds bytes and not entries are no program's", () => {
    const program = reporting({ ...shape, entries: 1024, bytes: 100 }, argv, [{ is: "length" }]);
    const { compiled, diagnostics } = compileForSeccomp(program, { unprivileged: false, reportsVerdicts: true });
    expect(compiled).toBeUndefined();
    expect(diagnostics[0]).toMatchObject({
      message: expect.stringContaining("a bound of its bytes needs a bound of its entries, at most "),
      help: expect.stringMatching(/^lists: \{ entries: \d+n \}; or run the policy under --engine notify$/),
    });
  });
});

describe("addresses", () => {
  const parts: readonly AddressPart[] = ["kind", "family", "port", "high", "low"];
  const names: readonly Pattern[] = [...plain("is", "/run/a", "/run/a\u00e9"), ...plain("under", "/run/b")];
  const loose: readonly Pattern[] = [...plain("endsWith", ".sock"), ...plain("matches", "*bus*")];
  const readings: readonly Reading[] = [
    ...parts.map((part): Reading => ({ is: "address", part })),
    { is: "length" },
    matches({ is: "socket-path" }, names),
    matches({ is: "abstract-name" }, names),
  ];
  const looseReadings = [loose, ...loose.map((pattern) => [pattern])].flatMap((patterns) => [
    matches({ is: "socket-path" }, patterns),
    matches({ is: "abstract-name" }, patterns),
  ]);

  function* addresses(): Generator<Uint8Array> {
    const choices = new SeededChoices(11);
    const texts = ["/run/a", "/run/b/c", "/run/b", "/x.sock", "a/bus/b", "\0/run/a", "\0/run/b/c", "\0x.sock", "\0"];
    for (const family of [0, 1, 2, 10, 16, 40, 17, 0x102])
      for (const length of [0, 1, 2, 3, 4, 8, 15, 16, 17, 23, 24, 28, 110, 128]) {
        const bytes = Uint8Array.from({ length }, (_, index) =>
          index < 2 ? (family >> (8 * index)) & 0xff : choices.below(256),
        );
        yield bytes;
        yield bytes.map((byte, index) => (index === 2 ? 0 : byte));
      }
    for (const one of texts)
      for (const rest of ["", "\0", "\0more", "\0".repeat(20), "y"]) yield Buffer.from(`\x01\0${one}${rest}`, "latin1");
    for (const size of [125, 126]) yield Buffer.from(`\x01\0${"/x.sock".padStart(size, "/")}`, "latin1");
    yield Buffer.from(`\x01\0\0${"x.sock".padStart(125, "\0")}`, "latin1");
  }

  it("are equal to the reference, for every kind and length", () => {
    const sources = [source("bind", 1, 2), source("connect", 1, 2), source("sendto", 4, 5)];
    compare(reporting({ is: "address" }, sources, readings), [absent, ...[...addresses()].map(text)]);
    for (const reading of looseReadings)
      compare(reporting({ is: "address" }, sources.slice(0, 1), [reading]), [...addresses()].map(text));
  });

  it("are also those of messages", () => {
    const program = reporting({ is: "message" }, [source("sendmsg", 1)], readings);
    compare(program, [absent, ...[...addresses()].map(text)]);
  });

  it("stand beside the length of the control data", () => {
    const controls = [0n, 1n, 24n, 0x7fff_ffffn, 0x1_0000_0000n, 0xffff_ffff_ffff_ffffn];
    const memories = controls.flatMap((controlLength): Memory[] =>
      [new Uint8Array(0), Uint8Array.of(2, 0, 1, 187, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)].map((bytes) => ({
        is: "bytes",
        bytes,
        controlLength,
      })),
    );
    const control: Reading = { is: "control-length" };
    for (const list of [[control], [control, ...readings], [...readings, control]])
      compare(reporting({ is: "message" }, [source("sendmsg", 1)], list), memories);
  });

  it("of the kind `none` come first, so that no address is 0", () => {
    expect(addressKinds[0]).toBe("none");
  });
});

it("fields of structures are zero behind the structure's end", () => {
  const shape = { is: "structure", name: "open_how", minimum: 24, size: 24 } as const;
  const program = reporting(
    shape,
    [source("openat2", 2, 3)],
    [
      { is: "field", offset: 0, bytes: 8 },
      { is: "field", offset: 16, bytes: 8 },
      { is: "field", offset: 20, bytes: 4 },
      { is: "length" },
    ],
  );
  const choices = new SeededChoices(3);
  const bytes = (length: number) => Uint8Array.from({ length }, () => choices.below(256));
  compare(program, [absent, ...[0, 4, 17, 23, 24, 32, 100].map((length) => text(bytes(length)))]);
});

it("the path of quotactl's device is an argument that the kernel copies", () => {
  const device = [source("quotactl", registerOf(callByName("quotactl")!, 1, "x86_64"))];
  const program = reporting({ is: "path" }, device, [{ is: "length" }]);
  compare(program, [absent, text(Buffer.from("/dev/sda"))]);
});

describe("refuses conditions that the kernel's programs cannot have, with the reason:", () => {
  const messageOf = (program: Program): string => {
    const { diagnostics } = compileForSeccomp(program, { unprivileged: false, reportsVerdicts: true });
    return diagnostics.map(({ code, message, help }) => `${code} ${message}; ${help}`).join("\n");
  };

  it("the object that a path leads to", () => {
    const objects = [{ is: "under", path: "/etc" }] as const;
    const program = reporting({ is: "path" }, paths, [{ is: "resolved", objects }]);
    expect(messageOf(program)).toMatch(/^P0606 .*which object a path leads to; run the policy under --engine notify$/);
  });

  it("an argument that the kernel does not copy", () => {
    const call = callByName("memfd_create")!;
    const program = reporting(
      { is: "string", bytes: 250 },
      [source("memfd_create", registerOf(call, 0, "x86_64"))],
      [{ is: "length" }],
    );
    expect(messageOf(program)).toMatch(
      /^P0606 .*this argument of memfd_create .*; leave the question out for memfd_create; or run /,
    );
  });
});
