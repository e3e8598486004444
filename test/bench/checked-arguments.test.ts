/** The forms of an allow-list of arguments: equal verdicts, also for calls that are made to have the key of another. */
import { describe, expect, it } from "vitest";
import { type Checked, withChecked } from "../../bench/arguments/document.ts";
import { compareVerdicts, formsOf } from "../../bench/arguments/forms.ts";
import { mixOf } from "../../bench/arguments/mix.ts";
import { argumentProfile } from "../../bench/arguments/profile.ts";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { type CallEvent, knownWord, type Trace, unknownWord } from "../../src/traces/trace.ts";

const architecture = "x86_64";

function call(name: string, ...words: readonly bigint[]): CallEvent {
  return {
    kind: "call",
    tid: 1,
    time: undefined,
    place: { line: 1, column: 1, length: 1 },
    architecture: auditArchitecture[architecture],
    number: callByName(name)!.number[architecture]!,
    arguments: Array.from({ length: 6 }, (_, index) => knownWord(words[index] ?? 0n)),
    instructionPointer: unknownWord,
    memory: new Map(),
    result: unknownWord,
  };
}

const traceOf = (events: readonly CallEvent[]) => ({ events }) as unknown as Trace;
const profileOf = (events: readonly CallEvent[], most = 1000) => argumentProfile([traceOf(events)], architecture, most);

/** Descriptors 3 … 40, each with an option of its own; a wide range of offsets; negative values; flags. */
const recorded = [
  ...Array.from({ length: 38 }, (_, index) => call("fcntl", BigInt(index + 3), BigInt(index % 5), 0n)),
  ...Array.from({ length: 9 }, (_, index) => call("lseek", 3n, 1n << BigInt(index), BigInt(index % 3))),
  ...[1n, 2n, 10n].flatMap((fd) => [call("read", fd, 0x1000n, 77n), call("shutdown", fd, fd & 1n)]),
  call("kill", -1n, 15n),
  call("kill", -5n, 1n),
  call("kill", 70_000n, 0n),
  call("madvise", 0x7f00_0000_0000n, 4096n, 4n),
  call("madvise", 0n, 0n, 8n),
  call("futex", 0x1000n, 129n, 1n, 0n, 0n, 0n),
  call("futex", 0x1000n, 393n, 0n, 0n, 0n, 0xffff_ffffn),
  call("prctl", 15n, 1n << 63n, 0n, 0n, 0n),
  call("prctl", 15n, 0xffff_ffff_ffff_ffffn, 1n, 0n, 0n),
  call("getpid"),
  call("exit_group", 3n),
  call("io_uring_setup", 8n),
];

describe("an allow-list of arguments", () => {
  it("leaves out calls that no policy decides, and calls that no list can name", () => {
    const { profile, calls, total } = profileOf(recorded);
    expect(total).toBe(recorded.length);
    expect(calls.length).toBe(recorded.length - 2);
    const read = profile.rules.filter(({ name }) => name === "read");
    expect(read.map(({ comparisons }) => comparisons.map(({ b }) => b))).toEqual([[1n], [2n], [10n]]);
    expect(profileOf(recorded, 7).profile.rules.length).toBe(7);
  });

  it("has equal verdicts in libseccomp's filter, in ours and in the policy that remembers", () => {
    const forms = formsOf(profileOf(recorded).profile);
    const { compared, libseccomp, remembering } = compareVerdicts(forms, [...recorded, ...recorded]);
    expect(compared).toBeGreaterThan(30 * recorded.length);
    expect(libseccomp.length).toBe(2 * recorded.length);
    expect(remembering.every((steps) => steps > 0)).toBe(true);
    expect(forms.texts.remembering).toContain("checked.has(key)");
    expect(forms.texts.searching).not.toContain("perTree");
  });

  it("remembers no call under the key of another", () => {
    // The cache has shutdown(1, 1); the others would have its key if their values were not examined first.
    const forms = formsOf(profileOf(recorded).profile);
    const remembered = [call("shutdown", 1n, 1n), call("shutdown", 2n, 0n), call("fcntl", 4n, 1n, 0n)];
    const forged = [-1n, 0n, 1n, 2n, 3n, 10n, 16n, 17n, 1n << 31n, (1n << 32n) + 1n, 1n << 54n].flatMap((fd) =>
      [-16n, -1n, 0n, 1n, 2n, 3n, 1n << 31n].flatMap((how) => [
        call("shutdown", fd, how),
        call("fcntl", fd, how, 0n),
        call("fcntl", fd, how, 1n << 54n),
        call("listen", fd, how),
      ]),
    );
    expect(() => compareVerdicts(forms, [...remembered, ...forged])).not.toThrow();
  });

  it("is found to differ if one form differs", () => {
    const [forms, others] = [profileOf(recorded), profileOf(recorded.slice(1))].map(({ profile }) => formsOf(profile));
    const mixed = { ...forms!, libseccomp: others!.libseccomp };
    expect(() => compareVerdicts(mixed, recorded)).toThrow(
      /^call 72\(3, 0, 0, 0, 0, 0\) is allowed by some forms only/,
    );
  });
});

it("the mix has the calls on descriptors that are not open, as often as the recording", () => {
  const calls = [
    ...Array.from({ length: 30 }, () => call("read", 5n, 0x1000n, 77n)),
    call("close", 9n),
    ...recorded.slice(-4),
  ];
  const { lines, share } = mixOf(calls, architecture);
  expect(lines).toBe("0 5 0 0 0 0 0 968\n3 9 0 0 0 0 0 32\n");
  expect(share).toBeCloseTo(31 / 35);
});

it("the document's part is replaced, and nothing else", () => {
  const pairs = { ours: 1, reference: 2, ratio: 0.5 };
  const rates = { perSecond: pairs, perProcessorSecond: pairs };
  const checked: Checked = {
    server: "redis",
    lists: 600,
    share: 0.987,
    compared: 12_345,
    mean: { libseccomp: 30, searching: 15, remembering: 77 },
    costs: { none: 100, libseccomp: 140, searching: 120, remembering: 300 },
    here: { libseccomp: rates, searching: rates, remembering: rates },
    inMachine: undefined,
  };
  const document =
    "before\n<!-- checked arguments: npm run bench -- arguments writes this part -->\nold\n<!-- end of the part -->\nafter\n";
  const text = withChecked(document, [checked]);
  expect(text).toContain("| redis | 600 (98.7 %) | 12,345 | 30.0 | 15.0 | 77.0 | 40 | 20 | 200 |");
  expect(text).toContain(
    "| redis | 0.500, 0.500 | 0.500, 0.500 | 0.500, 0.500 | not measured | not measured | not measured |",
  );
  expect([text.startsWith("before\n<!--"), text.endsWith("-->\nafter\n"), text.includes("old")]).toEqual([
    true,
    true,
    false,
  ]);
  expect(withChecked(text, [checked])).toBe(text);
  expect(() => withChecked("another", [checked])).toThrow("no part");
});
