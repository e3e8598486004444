/** Bundles survive encoding and decoding; damaged and hostile files are refused. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeBundle } from "../../engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { compileOciProfile } from "../../frontend/oci/compile.ts";
import { loadOpenPolicy } from "../../frontend/open.ts";
import { generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { expectEqual } from "../../ir/testing/expect-equal.ts";
import { property } from "../../ir/testing/property.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { compileArtifact, ebpfTargets } from "../ebpf/artifact.ts";
import { type Bundle, BundleError } from "./bundle.ts";
import { digestOffset, headerSize, sections, tableEntrySize } from "./format.ts";
import { decodeBundle } from "./read.ts";
import { parameterWordsFor } from "./settings.ts";
import { encodeBundle } from "./write.ts";

const policies = readdirSync("policies").filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"));

function bundleOf(path: string, target: (typeof ebpfTargets)[number]): Bundle | undefined {
  const { program, sources } = loadPolicy(path, { architecture: "x86_64" });
  const { artifact } = compileArtifact(program!, target, { reportsVerdicts: true });
  if (artifact === undefined) return undefined;
  return makeBundle(artifact, { compiler: "portcullis test", fixed: [["most", "16"]], sources });
}

/** The bundle of a random policy. */
function randomBundle(seed: number): Bundle {
  const program = generateProgram(new SeededChoices(seed), {
    statements: 12,
    parameters: seed % 4 > 1,
    rooms: seed % 5 === 0,
  });
  const target = ebpfTargets[seed % 2]!;
  const { artifact } = compileArtifact(program, target, { reportsVerdicts: seed % 3 === 0 });
  return makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources: new Map() });
}

/** With a valid digest, as a malicious writer would compute it. */
function sealed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const launch = view.getUint32(headerSize + tableEntrySize * (sections.length - 1) + 4, true);
  const digest = createHash("sha256").update(bytes.subarray(0, 32)).update(bytes.subarray(64, launch)).digest();
  bytes.set(digest, digestOffset);
  return bytes;
}

/** No program can see the objects that paths lead to. */
const asksForObjects = ["agent-socket.ts"];

/** Decodes or refuses; any other error fails the test. */
function decodesOrRefuses(bytes: Uint8Array): boolean {
  try {
    decodeBundle(bytes);
    return true;
  } catch (error) {
    if (error instanceof BundleError) return false;
    throw error;
  }
}

describe("a bundle", () => {
  it.each(policies.flatMap((policy) => ebpfTargets.map((target) => [policy, target] as const)))(
    "of %s for %s is decoded as it was encoded, and encoded the same each time",
    (policy, target) => {
      const bundle = bundleOf(`policies/${policy}`, target);
      if (bundle === undefined) return expect(target === "unprivileged" || asksForObjects.includes(policy)).toBe(true);
      const bytes = encodeBundle(bundle);
      expectEqual(decodeBundle(bytes), bundle);
      expectEqual(encodeBundle(decodeBundle(bytes)), bytes);
      expectEqual(encodeBundle(bundleOf(`policies/${policy}`, target)!), bytes);
    },
  );

  property([fc.nat(10_000)], { numRuns: casesOf(100) })("of any policy is decoded as it was encoded", (seed) => {
    const bundle = randomBundle(seed);
    expectEqual(decodeBundle(encodeBundle(bundle)), bundle);
  });

  it("holds the errno of an OCI profile that returns 0", () => {
    const text =
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":0}]}';
    const { program } = compileOciProfile(text, "p.json", { architecture: "x86_64" });
    const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
    const bundle = makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources: new Map() });
    expect(bundle.verdicts).toContainEqual(expect.objectContaining({ action: "deny", errno: 0 }));
    expect(decodeBundle(encodeBundle(bundle))).toEqual(bundle);
  });

  const whole = encodeBundle(bundleOf("policies/exec-once.ts", "seccomp")!);

  property([fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })], { numRuns: casesOf(2000) })(
    "that is changed in any byte is refused",
    (at, change) => {
      const changed = whole.slice();
      changed[at]! ^= change;
      expect(() => decodeBundle(changed)).toThrow(BundleError);
    },
  );

  it("that is changed in any bit of its header or section table is refused", () => {
    for (let bit = 0; bit < 8 * (headerSize + tableEntrySize * sections.length); bit += 1) {
      const changed = whole.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeBundle(changed), `bit ${bit}`).toThrow(BundleError);
      const inTable = bit - 8 * headerSize;
      const isCount = inTable >= 0 && (inTable >> 5) % 4 === 2;
      // A section may be shorter by the padding of the next one. Every other field has one valid value.
      const isGuarded = bit >= 8 * digestOffset && bit < 8 * headerSize;
      if (!isCount && !isGuarded) expect(decodesOrRefuses(sealedOrNot(changed)), `bit ${bit}, sealed`).toBe(false);
    }
  });

  property([fc.nat(whole.length), fc.uint8Array({ maxLength: 16 })])(
    "that is truncated or extended is refused",
    (length, more) => {
      fc.pre(length < whole.length || more.length > 0);
      expect(() => decodeBundle(Buffer.concat([whole.subarray(0, length), more]))).toThrow(BundleError);
    },
  );

  property([fc.uint8Array({ maxLength: 4096 })])("is never decoded from random bytes", (bytes) => {
    expect(() => decodeBundle(bytes)).toThrow(BundleError);
  });

  property([fc.array(fc.tuple(fc.nat(whole.length - 65), fc.integer()), { maxLength: 4 })], { numRuns: casesOf(3000) })(
    "from a malicious writer is decoded or refused, without any other error",
    (changes) => {
      const changed = whole.slice();
      for (const [at, byte] of changes) changed[64 + at] = byte;
      decodesOrRefuses(sealedOrNot(changed));
    },
  );

  it("of another version is refused with its version", () => {
    const other = whole.slice();
    other[8] = 1;
    expect(() => decodeBundle(sealed(other))).toThrow("its format has version 1, and this is 7");
  });

  it("holds a fixed string of several lines", () => {
    const bundle = randomBundle(0);
    const fixed = [["text", "a\nb=c"]] as const;
    expect(decodeBundle(encodeBundle({ ...bundle, fixed })).fixed).toEqual([["text", "a\\nb=c"]]);
  });

  it("with open parameters has one digest for all their values", () => {
    const { program, sources } = loadOpenPolicy("policies/children.ts", { architecture: "x86_64" }).loaded;
    const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
    const bytes = encodeBundle(makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources }));
    const bundle = decodeBundle(bytes);
    expect(bundle.parameters).toMatchObject([{ name: "most", from: 1n, to: 100_000n, default: 16n }]);
    expect(bundle.launch).toContainEqual({ is: "parameter", map: 0, offset: 16 });
    expect(bytes.subarray(-24)).toEqual(new Uint8Array(24));
    expect(parameterWordsFor(bundle, new Map([["most", "64"]]))).toEqual([64n]);
    expect(parameterWordsFor(bundle, new Map())).toEqual([16n]);
  });

  it("has a digest that depends only on the policy", () => {
    expect(decodeBundle(whole).launch).toContainEqual({ is: "token", map: 0, offset: 0 });
    const { program, sources } = loadPolicy("policies/exec-once.ts", { architecture: "x86_64" });
    const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
    const again = makeBundle(artifact!, { compiler: "portcullis test", fixed: [["most", "16"]], sources });
    expect(encodeBundle(again).subarray(digestOffset, headerSize)).toEqual(whole.subarray(digestOffset, headerSize));
  });
});

/** Seals if the offset of the last section can be read. */
function sealedOrNot(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  const launch = view.getUint32(headerSize + tableEntrySize * (sections.length - 1) + 4, true);
  return launch <= bytes.length ? sealed(bytes) : bytes;
}
