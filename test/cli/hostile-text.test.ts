/**
 * No verb prints terminal control characters or forged lines from a policy, a profile, a trace, a case file or file
 * names. JSON output preserves texts.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { internalError } from "../../src/cli/context.ts";
import { jsonText, safeLines, safeText } from "../../src/diagnostics/width.ts";
import { property } from "../../src/ir/testing/property.ts";
import { patience } from "../support/patience.ts";
import { folderOf, portcullis } from "./harness.ts";

test("only our own colours are printed as escape sequences, and only if colours are enabled", () => {
  const text = "\u001b[1;31merror\u001b[0m \u001b[2J\u009b31m";
  expect(safeLines(text, true)).toBe("\u001b[1;31merror\u001b[0m \ufffd[2J\ufffd31m");
  expect(safeLines(text, false)).toBe("\ufffd[1;31merror\ufffd[0m \ufffd[2J\ufffd31m");
});

/** Control characters of C0 and C1, of direction, invisible ones, line ends of all kinds, halves of pairs. */
const pieces = [
  ..."\u001b[2J \u009b31m \r \n \u0007 \u007f \u0085 \u202e \u2066 \u200f \u061c \u2028 \ufeff \u{e0041} \ufffa".split(
    " ",
  ),
  "\ud800",
  "\nforged: allow\n",
  "plain",
];
const ranges: readonly (readonly [from: number, to: number])[] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2066, 0x2069],
  [0xd800, 0xdfff],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe007f],
];

/** The first character of a text that must not reach a terminal, in hexadecimal. */
function unsafeIn(text: string): string | undefined {
  const codes = [...text].map((character) => character.codePointAt(0)!);
  return codes.find((code) => ranges.some(([from, to]) => from <= code && code <= to))?.toString(16);
}

const hostileText = fc.array(fc.constantFrom(...pieces), { minLength: 2, maxLength: 6 }).map((parts) => parts.join(""));
/** A file's name has no slash, no NUL and no half of a pair. */
const hostileName = hostileText.map((text) => `n${text.replaceAll(/[/\0\p{Cs}]/gu, "")}`);

function expectSafe(outcome: { readonly out: string; readonly err: string }, what: readonly string[]): void {
  for (const text of [outcome.out, outcome.err]) {
    expect(unsafeIn(text), what.join(" ")).toBeUndefined();
    expect(text.split("\n").filter((line) => line.startsWith("forged"))).toEqual([]);
  }
}

const written = (text: string) => jsonText(text).replaceAll("\\ud800", "");

function policyOf(text: string): string {
  return `import { allow, deny, perProcess, policy, report } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
export default policy((call) => {
  if (call.name === "listen") phase.enter("serving");
  if (call.name === "openat") report(${written(text)}, { fd: call.raw.arg0 });
  if (call.name === "socket") return deny("EACCES", ${written(text)});
  if (call.name === "accept4" && phase.is("serving")) return deny("EPERM", ${written(text)});
  return allow;
});
`;
}

describe("every verb", () => {
  property([hostileText, hostileName], { numRuns: 12 })("prints safe lines", async (text, name) => {
    const folder = folderOf({});
    const file = (extension: string, content: string) => {
      const path = join(folder, `${name}.${extension}`);
      writeFileSync(path, content);
      return path;
    };
    const policy = file("ts", policyOf(text));
    const wrong = file(
      "wrong.ts",
      `${policyOf(text)}\n// ${text}\nconst wrong = "${text.replaceAll(/[\n\r\u2028\p{Cs}]/gu, "")}" + 1n;`,
    );
    const profile = file(
      "json",
      `{"defaultAction":"SCMP_ACT_ALLOW","${name}":1,"syscalls":[{"names":["ptrace",${written(text)}],"action":"SCMP_ACT_ERRNO","comment":${written(text)}}]}`
        .replaceAll(/\n/g, " ")
        .replaceAll(/"n[^"]*":1/g, `${jsonText(name)}:1`),
    );
    const cases = file(
      "cases",
      `m socket(AF_INET) allow\nm getppid() deny EPERM @ "${text.replaceAll(/["\n\r]/g, "")}"\n`,
    );
    const trace = file(
      "jsonl",
      [{ call: "socket" }, { call: "openat", arguments: ["1"] }, { call: "listen" }]
        .map((one) => `${JSON.stringify({ v: 1, kind: "call", tid: 10, ...one })}\n`)
        .join(""),
    );
    const noTrace = file("strace", `${text}\n10 ${text}( = 0\n`);
    const bundle = join(folder, `${name}.pcl`);
    const missing = join(folder, `${name}.missing.ts`);
    for (const argv of [
      ["check", policy],
      ["check", wrong],
      ["check", profile],
      ["check", missing],
      ["check", "--set", `${name}=${name}`, policy],
      ["explain", policy],
      ["explain", "--ir", policy],
      ["explain", profile],
      ["why", policy, "socket(AF_INET)"],
      ["why", policy, "accept4(3)"],
      ["why", policy, text],
      ["why", profile, "ptrace(0)"],
      ["disasm", "--pure", policy],
      ["disasm", profile],
      ["disasm", "--target", "seccomp", policy],
      ["compile", "-p", policy, "-o", bundle],
      ["disasm", bundle],
      ["simulate", policy, trace],
      ["simulate", policy, noTrace],
      ["test", "-p", policy, cases],
      ["flow", trace],
      ["flow", missing],
      ["run", "-p", missing, "--", "true"],
      ["help", text],
      [text],
      ...["check", "explain"].map((verb) => [verb, "--json", policy]),
      ["check", "--json", wrong],
      ["why", "--json", policy, "socket(AF_INET)"],
      ["simulate", "--all", "--json", policy, trace],
      ["test", "--json", "-p", policy, cases],
    ]) {
      expectSafe(await portcullis(...argv), argv);
    }
  });

  property([hostileText], { numRuns: 10 })("preserves texts in JSON", async (text) => {
    const folder = folderOf({ "p.ts": policyOf(text) });
    const plain = text.replaceAll(/\p{Cs}/gu, "");
    const found = JSON.parse((await portcullis("why", "--json", join(folder, "p.ts"), "socket(AF_INET)")).out) as {
      cases: { outcomes: { verdicts: { reason: string }[] }[] }[];
    };
    expect(found.cases[0]!.outcomes[0]!.verdicts[0]!.reason).toBe(plain);
  });
});

describe("the verbs that start a command", () => {
  const program = resolve("bin/portcullis");
  property([hostileName], { numRuns: 2 })("print safe lines, also of their own files", (name) => {
    const folder = folderOf({ "p.ts": policyOf(name) });
    copyFileSync("/bin/true", join(folder, name));
    mkdirSync(join(folder, `${name}.folder`));
    symlinkSync("/dev/full", join(folder, `${name}.full`));
    for (const [message, ...argv] of [
      ["calls of", "record", "--", `./${name}`],
      ["calls of", "record", "-o", `${name}.x`, "--", "true"],
      ["P0914", "record", "-o", `${name}.x`, "--", "true"],
      ["calls of", "record", "--append", "-o", `${name}.x`, "--", "true"],
      ["P0914", "record", "-o", `${name}.folder`, "--", "true"],
      ["P0914", "record", "-o", `${name}/x`, "--", "true"],
      ["P0911", "record", "-o", "gone.trace", "--", `./${name}.gone`],
      ["were lost|are lost|is lost", "run", "-p", "p.ts", "--events", `${name}.full`, "--", "true"],
      ["reports: ", "run", "-p", "p.ts", "--", "true"],
      ["AUDIT", "run", "--audit", "-p", "p.ts", "--", `./${name}`],
      ["P0910", "run", "-p", "p.ts", "--events", `${name}.folder`, "--", "true"],
      ["P0915", "run", "-p", "p.ts", "--status", `${name}.folder`, "--", "true"],
      ["P0911", "run", "-p", "p.ts", "--", `./${name}.gone`],
      ["P0901", "run", "-p", `${name}.gone.ts`, "--", "true"],
      ["P0907", "run", "-p", "p.ts", "--events", `fd:${name}`, "--", "true"],
      ["P0915", "top", `${name}.gone`],
    ]) {
      const ran = spawnSync(program, argv, { cwd: folder, encoding: "utf8", timeout: patience.command });
      expect(ran.stderr, argv.join(" ")).toMatch(new RegExp(message!));
      const lines = ran.stderr.split("\n");
      expect(
        lines.map((line) => unsafeIn(line)),
        argv.join(" "),
      ).toEqual(lines.map(() => undefined));
      expectSafe({ out: ran.stdout, err: ran.stderr }, argv);
    }
  });

  property([hostileText])("print a safe internal error", (text) => {
    const error = new Error(`ENOENT: ${text}`);
    for (const withStack of [false, true])
      for (const line of internalError(error, withStack).split("\n")) expect(unsafeIn(line)).toBeUndefined();
    expect(internalError(error, false).split("\n")).toHaveLength(4);
    expect(internalError(error, false)).toMatch(/\n {2}version: portcullis \d\S*, Node.js v\d.*, Linux \d.*\n$/);
  });
});

describe("the launcher, which has no library,", () => {
  const launcher = resolve("dist/native", process.arch, "launcher");
  const printed = (name: Uint8Array) => {
    // Node passes text as UTF-8: bash makes the bytes.
    const quoted = [...name].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    const ran = spawnSync("bash", ["-c", `exec "$0" run $'n${quoted}' true`, launcher]);
    expect(ran.status).toBe(125);
    return new TextDecoder("utf-8", { fatal: true }).decode(ran.stderr);
  };

  property([fc.oneof(hostileText, fc.string({ unit: "binary" }))], { numRuns: 40 })("prints no such name", (text) => {
    const name = text.replaceAll("\0", "").replaceAll(/\p{Cs}/gu, "");
    const message = printed(new TextEncoder().encode(name));
    expect(unsafeIn(message.slice(0, -1))).toBeUndefined();
    expect(message.replaceAll("\ufffd", "")).toBe(
      `portcullis: n${safeText(name).replaceAll("\ufffd", "")}: the bundle cannot be used (ENOENT)\n`,
    );
  });

  property([fc.uint8Array({ min: 1, minLength: 1, maxLength: 12 })], { numRuns: 40 })(
    "prints no other bytes",
    (name) => {
      const message = printed(name.map((byte) => (byte === 0x2f ? 1 : byte)));
      expect(message).not.toMatch(/\n./);
      expect(unsafeIn(message.slice(0, -1))).toBeUndefined();
    },
  );
});

describe("the functions", () => {
  property([fc.oneof(hostileText, fc.string({ unit: "binary" }))])("agree", (text) => {
    expect(unsafeIn(safeText(text))).toBeUndefined();
    expect(safeText(text)).not.toMatch(/[\n\t]/);
    expect(JSON.parse(jsonText(text))).toBe(text);
    expect(unsafeIn(jsonText({ text }))).toBeUndefined();
    expect(unsafeIn(safeLines(text, false))).toBeUndefined();
  });
});
