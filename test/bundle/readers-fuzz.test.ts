/**
 * Compares the two readers of bundles, src/bundle/read.ts and native/launcher/bundle.c, on the same bytes: the
 * launcher's accepts every bundle that the other accepts; a bundle that only the launcher's accepts differs in parts
 * that it does not use. The C side runs under the compiler's sanitizers.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BundleError } from "../../src/bundle/bundle.ts";
import { headerSize, sections, tableEntrySize } from "../../src/bundle/format.ts";
import { decodeBundle } from "../../src/bundle/read.ts";
import { encodeBundle } from "../../src/bundle/write.ts";
import { compileArtifact } from "../../src/compile/ebpf/artifact.ts";
import { makeBundle } from "../../src/engines/make-bundle.ts";
import { generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { campaignSeconds, firstSeed } from "../../src/ir/testing/seeds.ts";
import { loadPolicy } from "../../src/language/load.ts";
import { hostArchitecture } from "../../src/linux/architecture.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-readers-"));
  const sources = ["test/bundle/reader.c", "native/launcher/bundle.c", "native/launcher/sha256.c"];
  const flags = ["-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  execFileSync("gcc", [...flags, "-o", join(folder, "reader"), ...sources]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The launcher's result for each. */
function readInC(bundles: readonly Uint8Array[]): string[] {
  const frames = bundles.flatMap((bytes) => [new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes]);
  const said = execFileSync(join(folder, "reader"), { input: Buffer.concat(frames), maxBuffer: 1 << 26 });
  return said.toString().trimEnd().split("\n");
}

function readHere(bytes: Uint8Array): string {
  try {
    decodeBundle(bytes);
    return "ok";
  } catch (error) {
    if (error instanceof BundleError) return error.message;
    throw error;
  }
}

/** The launcher does not check the parts that it does not use. */
const forPeople =
  /a verdict |its first verdict|a report|a value belongs to no|not UTF-8|string is out of range|a parameter has no name|a parameter is fixed and open|source map|the functions|the lines|lines have|one name|unknown architecture/;

const policies = ["exec-once", "order", "fork-rate", "nginx", "connect-hosts"];
const whole = policies.map((name) => {
  const { program, sources } = loadPolicy(`policies/${name}.ts`, { architecture: hostArchitecture()! });
  const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
  return encodeBundle(makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources }));
});

/** With open parameters of every kind. */
for (const seed of [1, 2, 3, 4]) {
  const random = generateProgram(new SeededChoices(seed), { parameters: true, rooms: seed > 2, statements: 10 });
  const { artifact } = compileArtifact({ ...random, architecture: hostArchitecture()! }, "seccomp", {
    reportsVerdicts: true,
  });
  if (artifact === undefined) continue;
  const fixed = [["mode", "strict"]] as const;
  whole.push(encodeBundle(makeBundle(artifact, { compiler: "portcullis test", fixed, sources: new Map() })));
}

/** Recomputes the digest, if the bundle has one. */
function seal(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const launch = view.getUint32(headerSize + tableEntrySize * (sections.length - 1) + 4, true);
  if (launch > bytes.length) return bytes;
  const digest = createHash("sha256").update(bytes.subarray(0, 32)).update(bytes.subarray(64, launch)).digest();
  bytes.set(digest, 32);
  return bytes;
}

const interesting = [0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 127, 128, 255];

/**
 * Changes a few words or bytes: anywhere, or in a section that is chosen first, so that small sections are changed as
 * often.
 */
function mutate(bytes: Uint8Array, choices: SeededChoices): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  const changes = 1 + choices.below(3);
  for (let change = 0; change < changes; change += 1) {
    const table = headerSize + tableEntrySize * choices.below(sections.length);
    const [start, size] = [
      view.getUint32(table + 4, true),
      view.getUint32(table + 8, true) * view.getUint32(table + 12, true),
    ];
    const inSection = start + choices.below(Math.max(1, Math.min(size, changed.length)));
    const at = choices.below(8) === 0 ? choices.below(changed.length) : Math.min(inSection, changed.length - 1);
    if (choices.below(2) === 0) changed[at] = interesting[choices.below(interesting.length)]!;
    else if (at + 4 <= changed.length)
      view.setUint32(at, choices.below(3) === 0 ? 0xffff_ffff : choices.below(4096), true);
  }
  return choices.below(8) === 0 ? changed : seal(changed);
}

function compare(bundles: readonly Uint8Array[]): number {
  const inC = readInC(bundles);
  let taken = 0;
  bundles.forEach((bytes, index) => {
    const here = readHere(bytes);
    const said = inC[index];
    const name = `bundle ${index} of these: ${here} / ${said}`;
    if (here === "ok" && said !== "ok") expect(said, name).toMatch(/another architecture|another place than seccomp/);
    if (here !== "ok" && said === "ok") expect(here, name).toMatch(forPeople);
    if (here === "ok" && said === "ok") taken += 1;
  });
  return taken;
}

describe("both readers of bundles", () => {
  it("accept the writer's output", () => {
    expect(readInC(whole)).toEqual(whole.map(() => "ok"));
    expect(whole.map(readHere)).toEqual(whole.map(() => "ok"));
  });

  it("agree on changed bundles with a recomputed digest", () => {
    const choices = new SeededChoices(firstSeed);
    const end = Date.now() + campaignSeconds * 1000;
    let [all, taken] = [0, 0];
    do {
      const bundles = Array.from({ length: 500 }, () => mutate(whole[choices.below(whole.length)]!, choices));
      taken += compare(bundles);
      all += bundles.length;
    } while (all < 2000 || Date.now() < end);
    // Both results must occur, otherwise the comparison is meaningless.
    expect(taken).toBeGreaterThan(all / 50);
    expect(taken).toBeLessThan(all);
  });

  it("reject truncated bundles", () => {
    const bytes = whole[0]!;
    const lengths = Array.from({ length: 400 }, (_, index) => Math.floor((index * bytes.length) / 400));
    const cut = lengths.map((length) => bytes.slice(0, length));
    expect(readInC(cut)).not.toContain("ok");
    expect(cut.map(readHere)).not.toContain("ok");
  });
});
