/**
 * Runs the launcher's reader of bundles (native/launcher/bundle.c) on mutated bundles, most with a recomputed digest.
 * It reads only the bundle's memory, rejects every bundle that the TypeScript reader rejects, and the launcher that
 * loads an accepted bundle ends with a message.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BundleError } from "../../src/bundle/bundle.ts";
import { digestOffset, sections, tableEntrySize } from "../../src/bundle/format.ts";
import { decodeBundle } from "../../src/bundle/read.ts";
import { digestOf, encodeBundle } from "../../src/bundle/write.ts";
import { compileArtifact } from "../../src/compile/ebpf/artifact.ts";
import { makeBundle } from "../../src/engines/make-bundle.ts";
import { type Choices, pick, SeededChoices, weighted } from "../../src/ir/testing/choices.ts";
import { generateProgram } from "../../src/ir/testing/programs.ts";
import { campaignSeconds, firstSeed } from "../../src/ir/testing/seeds.ts";
import { loadPolicy } from "../../src/language/load.ts";
import { buildReader, isAccepted, readInC } from "../bundle/readers.ts";
import { patience } from "../support/patience.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-bundle-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tableOffset = 64;

/** With open parameters. */
function openBundles(): Uint8Array[] {
  return [1, 2, 3, 4, 5, 6].flatMap((seed) => {
    const program = generateProgram(new SeededChoices(seed), { parameters: true, statements: 10 });
    const { artifact } = compileArtifact({ ...program, architecture: "x86_64" }, "seccomp", { reportsVerdicts: true });
    if (artifact === undefined) return [];
    return [encodeBundle(makeBundle(artifact, { compiler: "portcullis test", fixed: [], sources: new Map() }))];
  });
}

function bundles(): Uint8Array[] {
  const files = readdirSync("policies").filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"));
  return files.flatMap((file) =>
    (["seccomp", "unprivileged"] as const).flatMap((target) => {
      const { program, sources } = loadPolicy(join("policies", file), { architecture: "x86_64" });
      const { artifact } = compileArtifact(program!, target, { reportsVerdicts: true });
      if (artifact === undefined) return [];
      return [encodeBundle(makeBundle(artifact, { compiler: "portcullis test", fixed: [], sources }))];
    }),
  );
}

/** Makes one to three changes; mostly recomputes the digest, so that the later checks run. */
function mutated(choices: Choices, original: Uint8Array): Uint8Array {
  let bytes = original.slice();
  for (let changes = 1 + choices.below(3); changes > 0; changes--) {
    // Truncated bundles keep their digest.
    if (bytes.length < tableOffset + tableEntrySize * sections.length + 8) break;
    const view = new DataView(bytes.buffer);
    const anywhere = () => choices.below(Math.max(1, bytes.length - 8));
    const interesting = [
      0, 1, 2, 3, 7, 8, 63, 64, 4095, 4096, 4097, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff,
    ];
    weighted(choices, [
      [2, () => view.setUint8(anywhere(), choices.below(256))],
      [6, () => view.setUint32(anywhere() & ~3, pick(choices, interesting), true)],
      [
        4,
        () => {
          // A word of a table that the reader follows, not of the policy's strings.
          const entry = tableOffset + tableEntrySize * pick(choices, [1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 19]);
          const [offset, count, size] = [4, 8, 12].map((at) => view.getUint32(entry + at, true)) as [
            number,
            number,
            number,
          ];
          const words = Math.floor((count * size) / 4);
          if (words > 0 && offset + 4 * words <= bytes.length)
            view.setUint32(offset + 4 * choices.below(words), pick(choices, interesting), true);
        },
      ],
      [2, () => view.setUint32(tableOffset + 4 * choices.below(4 * sections.length), pick(choices, interesting), true)],
      [1, () => (bytes = bytes.slice(0, choices.below(bytes.length)))],
      [1, () => (bytes = Uint8Array.from([...bytes, ...new Array(choices.below(64)).fill(0)]))],
    ]);
  }
  if (bytes.length > tableOffset + tableEntrySize * sections.length && choices.below(8) > 0) {
    const view = new DataView(bytes.buffer);
    if (choices.below(4) > 0) view.setUint32(12, bytes.length, true);
    const launch = view.getUint32(tableOffset + tableEntrySize * (sections.length - 1) + 4, true);
    if (launch <= bytes.length && launch >= tableOffset) bytes.set(digestOf(bytes, launch), digestOffset);
  }
  return bytes;
}

const runs = campaignSeconds > 0 ? 200_000 : 4000;

const originals = [...bundles(), ...openBundles()];

function mutations(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const choices = new SeededChoices(firstSeed + index);
    return mutated(choices, pick(choices, originals));
  });
}

/** The error of the TypeScript reader, or undefined. */
function refusal(bytes: Uint8Array): string | undefined {
  try {
    decodeBundle(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof BundleError) return error.message;
    throw error;
  }
}

/** Sections that the launcher does not read: texts, the meaning of records, the policy's lines. */
const unread =
  /UTF-8|string is not there|a string is out of range|a parameter has no name|a parameter is fixed and open|source map|place|verdict|report|functions|lines|one name|where they are/;
/** Checks that only the launcher makes. */
const onlyHere = /another architecture|another place than seccomp|too large|no places/;

describe("the launcher's reader", () => {
  it("accepts the compiler's output", (context) => {
    if (process.arch !== "x64") context.skip("the bundles are for x86-64");
    expect(read(originals)).toEqual(originals.map(() => "ok"));
  });

  it("rejects each bundle that the other reader rejects, and reads no other memory", (context) => {
    if (process.arch !== "x64") context.skip("the bundles are for x86-64");
    const inputs = mutations(runs);
    const verdicts = read(inputs);
    expect(verdicts.length).toBe(inputs.length);
    const good = inputs.filter((_, index) => verdicts[index] === "ok");
    // Mutations that leave the bundle valid: other reasons, line numbers, constants.
    expect(good.length).toBeGreaterThan(runs / 100);
    const tooGood = good.flatMap((bytes) => refusal(bytes) ?? []).filter((why) => !unread.test(why));
    expect([...new Set(tooGood)]).toEqual([]);
    const tooBad = verdicts.filter(
      (why, index) => why !== "ok" && !onlyHere.test(why) && refusal(inputs[index]!) === undefined,
    );
    expect([...new Set(tooBad)]).toEqual([]);
    // Every check has rejected a bundle.
    expect(new Set(verdicts).size).toBeGreaterThan(25);
  });

  it("passes accepted bundles to a loader that runs the command or prints an error", (context) => {
    if (process.arch !== "x64") context.skip("the bundles are for x86-64");
    const inputs = mutations(2000);
    const verdicts = read(inputs);
    const good = inputs.filter((_, index) => verdicts[index] === "ok").slice(0, campaignSeconds > 0 ? 10_000 : 100);
    const file = join(folder, "mutated.pcl");
    for (const bytes of good) {
      writeFileSync(file, bytes);
      const ran = spawnSync(`dist/native/${process.arch}/launcher`, ["run", file, "/bin/true"], {
        encoding: "utf8",
        timeout: patience.command,
      });
      // The policy may deny calls of /bin/true or kill it; the launcher itself never crashes (SIGSEGV, SIGBUS).
      if (ran.signal !== null) expect(ran.signal).toBe("SIGSYS");
      if (ran.status === 125) expect(ran.stderr).toMatch(/^portcullis: .+/);
    }
  });
});

function read(inputs: readonly Uint8Array[]): string[] {
  const reader = join(folder, "bundle-reader");
  buildReader(reader);
  return readInC(reader, inputs, patience.command).map((result) => (isAccepted(result) ? "ok" : result));
}
