/**
 * Compares the two parsers of `--set` for open parameters, src/backend/bundle/settings.ts and native/launcher/parameters.c, on
 * the same strings: they give the same words or the same errors. The C side runs under the compiler's sanitizers.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { decodeBundle } from "../../src/backend/bundle/read.ts";
import { parameterWordsFor, SettingError } from "../../src/backend/bundle/settings.ts";
import { encodeBundle } from "../../src/backend/bundle/write.ts";
import { compileArtifact } from "../../src/backend/ebpf/artifact.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { launch } from "../../src/engines/seccomp-ebpf/launch.ts";
import type { Parameter } from "../../src/ir/program.ts";
import { generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { pick } from "../../src/ir/testing/choices.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-settings-"));
  const sources = [
    "test/bundle/settings.c",
    ...["bundle", "layer_format", "parameters", "sha256"].map((one) => `native/launcher/${one}.c`),
  ];
  const flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"];
  const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  execFileSync("gcc", [...flags, ...sanitizers, "-o", join(folder, "settings"), ...sources]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = undefined;
const signedMost = (1n << 63n) - 1n;
const parameters: readonly Parameter[] = [
  { name: "most", kind: "integer", from: 1n, to: 100_000n, default: 16n, at },
  { name: "any-word", kind: "integer", from: 0n, to: 2n * signedMost + 1n, default: 2n * signedMost + 1n, at },
  { name: "offset", kind: "integer", from: -5n, to: 5n, default: -1n, at },
  { name: "lowest", kind: "integer", from: -signedMost - 1n, to: signedMost, default: 0n, at },
  { name: "below", kind: "integer", from: -9n, to: -3n, default: -3n, at },
  { name: "network", kind: "flag", from: 0n, to: 1n, default: 1n, at },
  { name: "needed", kind: "flag", from: 0n, to: 1n, default: undefined, at },
];

const program = { ...generateProgram(new SeededChoices(1), { stateless: true }), parameters };
const { artifact } = compileArtifact({ ...program, architecture: hostArchitecture()! }, "seccomp", {
  reportsVerdicts: false,
});
const fixed = [
  ["mode", "strict=very"],
  ["capacity", "16"],
] as const;
const file = encodeBundle(makeBundle(artifact!, { compiler: "test", fixed, sources: new Map() }));
const bundle = decodeBundle(file);

function framed(text: string): Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  return [new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes];
}

function inC(questions: readonly (readonly string[])[]): string[] {
  const asked = questions.flatMap((given) => [
    new Uint8Array(Uint32Array.of(given.length).buffer),
    ...given.flatMap(framed),
  ]);
  const input = Buffer.concat([new Uint8Array(Uint32Array.of(file.length).buffer), file, ...asked]);
  return execFileSync(join(folder, "settings"), { input, maxBuffer: 1 << 26 })
    .toString()
    .trimEnd()
    .split("\n");
}

/** Parses settings like the command line, with the numbers of `enum setting_fault` as errors. */
function here(given: readonly string[]): string {
  const settings = new Map<string, string>();
  for (const one of given) {
    const sign = one.indexOf("=");
    if (sign < 1) return "fault 1";
    const name = one.slice(0, sign);
    if (settings.has(name)) return "fault 2";
    try {
      parameterWordsFor(
        { ...bundle, parameters: bundle.parameters.filter((known) => known.name === name) },
        new Map([[name, "?"]]),
      );
    } catch (error) {
      if (error instanceof SettingError && /fixed|has no parameter/.test(error.message))
        return error.message.includes("fixed") ? "fault 4" : "fault 3";
    }
    settings.set(name, one.slice(sign + 1));
  }
  try {
    return parameterWordsFor(bundle, settings)
      .map((word) => word.toString(16))
      .join(" ");
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    return error.message.includes("not given") ? "fault 6" : "fault 5";
  }
}

const values = [
  ...["0", "1", "16", "100000", "100001", "-1", "-0", "-5", "-6", "5", "6", "0x10", "0XfF", "-0x3", "0b101", "0o17"],
  ...["18446744073709551615", "18446744073709551616", "9223372036854775807", "9223372036854775808"],
  ...["-9223372036854775808", "-9223372036854775809", "0xffffffffffffffff", "0x1ffffffffffffffff", "1_000n", "1n"],
  ...[
    "",
    "n",
    "-",
    "0x",
    "0x_",
    "_1_",
    "1 ",
    " 1",
    "+1",
    "1.5",
    "1e3",
    "٣",
    "true",
    "false",
    "TRUE",
    "0b2",
    "0o8",
    "08",
  ],
  ...["--1", "0x-1", "1nn", "1=2", "0".repeat(40), "0".repeat(41), `-${"0".repeat(39)}`, "_".repeat(60), "\n1", "1\n"],
];
const names = [...parameters.map(({ name }) => name), "mode", "capacity", "mos", "mostt", "capacit", "strict", ""];

describe("both parsers of --set for a bundle", () => {
  it("give the same words for the same strings, for each parameter", () => {
    const questions = names.flatMap((name) => values.map((value) => ["needed=true", `${name}=${value}`]));
    expect(inC(questions).map((line) => line.trim())).toEqual(questions.map(here));
  });

  it("agree on random settings", () => {
    const choices = new SeededChoices(1);
    const good = ["most=7", "any-word=0xff", "offset=-2", "lowest=-1", "below=-4", "network=false"];
    const questions = Array.from({ length: 3000 }, () => [
      ...(choices.below(4) === 0 ? [] : ["needed=true"]),
      ...Array.from({ length: choices.below(4) }, () => {
        if (choices.below(2) === 0) return pick(choices, good);
        return choices.below(20) === 0 ? pick(choices, names) : `${pick(choices, names)}=${pick(choices, values)}`;
      }),
    ]);
    const wanted = questions.map(here);
    expect(inC(questions).map((line) => line.trim())).toEqual(wanted);
    expect(new Set(wanted.filter((line) => line.startsWith("fault"))).size).toBe(6);
    expect(wanted.filter((line) => !line.startsWith("fault")).length).toBeGreaterThan(500);
  });

  it("give the only words that the launcher accepts from Node", (context) => {
    if (!existsSync(`dist/native/${process.arch}/launcher`)) context.skip("make build");
    const words = parameterWordsFor(bundle, new Map([["needed", "true"]]));
    const outside = words.with(0, 100_001n);
    for (const given of [[], words.slice(1), [...words, 0n], outside, words.with(2, 6n), words.with(5, 2n)]) {
      const start = () =>
        launch(["/bin/true"], { bundle: file, parameters: given }, { killTree: false, dieWithParent: false });
      expect(start).toThrow("the launcher refuses the bundle: an open parameter cannot have this value");
    }
  });

  it("report errors with a remedy", () => {
    const message = (given: Readonly<Record<string, string>>): string => {
      try {
        parameterWordsFor(bundle, new Map(Object.entries(given)));
      } catch (error) {
        if (error instanceof SettingError) return `${error.message}; ${error.help}`;
      }
      return "";
    };
    expect(message({})).toBe("the parameter needed has no default, and is not given; --set needed=…, true or false");
    expect(message({ needed: "true", most: "0" })).toBe(
      'the parameter most must be an integer from 1 to 100000, not "0"; --set most=…',
    );
    expect(message({ capacity: "8" })).toBe(
      'the parameter capacity is fixed in this bundle: it is "16"; compile the policy again: portcullis compile -p random.ts --set capacity=… -o FILE.pcl',
    );
    expect(message({ moost: "8" })).toMatch(/^the bundle has no parameter "moost"; open parameters: most, /);
  });
});
