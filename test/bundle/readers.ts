/**
 * The two readers of bundles, src/backend/bundle/read.ts and native/launcher/bundle.c, on the same bytes, and changed bundles for
 * them. The C side runs under the compiler's sanitizers, and loads each bundle that it accepts (reader.c).
 */
import { execFileSync } from "node:child_process";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { BundleError } from "../../src/backend/bundle/bundle.ts";
import { aligned, digestOffset, headerSize, sections, tableEntrySize } from "../../src/backend/bundle/format.ts";
import { listBundle } from "../../src/backend/bundle/listing.ts";
import { decodeBundle } from "../../src/backend/bundle/read.ts";
import { parameterWordsFor, SettingError } from "../../src/backend/bundle/settings.ts";
import { digestOf, encodeBundle } from "../../src/backend/bundle/write.ts";
import { compileArtifact } from "../../src/backend/ebpf/artifact.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { Parameter } from "../../src/ir/program.ts";
import { generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { pick, weighted } from "../../src/ir/testing/choices.ts";

/** Compiles the C side. */
export function buildReader(file: string): void {
  const launcher = ["bundle", "layer_format", "extended", "parameters", "sha256"].map(
    (name) => `native/launcher/${name}.c`,
  );
  // With the sanitizers, gcc reports arrays that have a length of 0 as uninitialized.
  const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized"];
  const flags = ["-std=gnu11", "-O2", "-g", ...warnings, "-include", "test/bundle/fake_kernel.h"];
  const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  execFileSync("gcc", [...flags, ...sanitizers, "-o", file, "test/bundle/reader.c", ...launcher]);
}

/**
 * The launcher's result for each: "ok" and the words of its parameters, or the error.
 *
 * @throws Error if the C side crashes or hangs; the bundle is the one after the last line of its `stdout`
 */
export function readInC(reader: string, bundles: readonly Uint8Array[], timeout: number): string[] {
  const frames = bundles.flatMap((bytes) => [new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes]);
  const options = { input: Buffer.concat(frames), maxBuffer: 1 << 26, timeout, stdio: "pipe" } as const;
  return execFileSync(reader, options).toString().trimEnd().split("\n");
}

/**
 * The same here. With `lists` it also makes the text of `disasm`.
 *
 * @throws an error that the verbs would not expect
 */
export function readHere(bytes: Uint8Array, lists = true): string {
  try {
    const bundle = decodeBundle(bytes);
    const words = wordsOf(bundle);
    try {
      if (lists) listBundle(bytes);
    } catch (error) {
      // An instruction that the compiler never emits.
      if (!(error instanceof RangeError)) throw error;
    }
    return ["ok", ...words].join(" ");
  } catch (error) {
    if (error instanceof BundleError) return error.message;
    throw error;
  }
}

function wordsOf(bundle: ReturnType<typeof decodeBundle>): readonly string[] {
  try {
    return parameterWordsFor(bundle, new Map()).map((word) => word.toString(16));
  } catch (error) {
    if (error instanceof SettingError) return ["missing"];
    throw error;
  }
}

/** The launcher does not check the parts that it does not use. */
const forPeople =
  /a verdict |its first verdict|a report|a value belongs to no|not UTF-8|string is out of range|a parameter has no name|a parameter is fixed and open|source map|the functions|the lines|lines have|one name|unknown architecture/;

export const isAccepted = (result: string): boolean => /^ok\b/.test(result);

/** What is wrong with these results for the same bytes; undefined if they agree. */
export function disagreement(here: string, inC: string | undefined): string | undefined {
  const [takenHere, takenInC] = [isAccepted(here), isAccepted(inC ?? "")];
  const agrees =
    takenHere && takenInC
      ? here === inC
      : takenHere
        ? /another architecture/.test(inC ?? "")
        : !takenInC || forPeople.test(here);
  return agrees ? undefined : `TypeScript: ${here} / C: ${inC}`;
}

const at = undefined;
const signedMost = (1n << 63n) - 1n;
/** Their ranges and defaults need all 64 bits. */
const wide: readonly Parameter[] = [
  { name: "any-word", kind: "integer", from: 0n, to: 2n * signedMost + 1n, default: 2n * signedMost + 1n, at },
  { name: "lowest", kind: "integer", from: -signedMost - 1n, to: signedMost, default: -signedMost, at },
  { name: "network", kind: "flag", from: 0n, to: 1n, default: 1n, at },
];

/** Adds what compiled policies seldom have: maps with initial values, and many kernel functions. */
function enriched(bytes: Uint8Array): Uint8Array {
  const bundle = decodeBundle(bytes);
  const array = {
    type: "array",
    keySize: 4,
    valueSize: 8,
    capacity: 4,
    lock: undefined,
    keyType: 0,
    valueType: 0,
  } as const;
  const maps = [
    ...bundle.maps,
    { ...array, name: "constants", holds: "constants", initial: new Uint8Array(32).fill(7) },
    { ...array, name: "begun", holds: "state", initial: new Uint8Array(16).fill(9) },
    { ...array, type: "hash", name: "table", holds: "state", initial: new Uint8Array(0) },
  ] as const;
  const more = Array.from({ length: 62 - bundle.kernelFunctions.length }, (_, index) => `function_${index}`);
  return encodeBundle({ ...bundle, maps, kernelFunctions: [...bundle.kernelFunctions, ...more] });
}

/** Two layers with each kind of rule. */
const objects = `import { allow, policy } from "portcullis";
const base = policy({ files: { execute: ["/usr/bin"] }, udp: { bind: [53n] } }, () => allow);
export default policy({
  extends: [base],
  files: { read: ["/usr", "/etc/ssl"], write: ["/srv"], make: [], except: ["/srv/private"], runtime: true },
  tcp: { bind: [80n, 0n], connect: [80n, 443n] },
  scope: ["signal", "abstract-socket"],
}, () => allow);
`;

/** Bundles of policies, and of random programs with open parameters of every kind. */
export function originals(): Uint8Array[] {
  const architecture = hostArchitecture()!;
  const compiler = "portcullis test";
  const ready = [
    ...["exec-once", "order", "fork-rate", "nginx", "connect-hosts"].map((name) => [name, "seccomp"] as const),
    ["order", "unprivileged"] as const,
  ];
  const found = ready.map(([name, target]) => {
    const { program, sources } = loadPolicy(`policies/${name}.ts`, { architecture });
    const { artifact } = compileArtifact(program!, target, { reportsVerdicts: true });
    return encodeBundle(makeBundle(artifact!, { compiler, fixed: [], sources }));
  });
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const choices = new SeededChoices(seed);
    const observations = seed % 2 === 0;
    const drawn = generateProgram(choices, { parameters: true, rooms: seed > 2, observations, statements: 10 });
    const random = seed === 1 ? { ...generateProgram(choices, { stateless: true }), parameters: wide } : drawn;
    const { artifact } = compileArtifact({ ...random, architecture }, "seccomp", { reportsVerdicts: true });
    if (artifact === undefined) continue;
    const fixed = [["mode", "strict"]] as const;
    found.push(encodeBundle(makeBundle(artifact, { compiler, fixed, sources: new Map() })));
  }
  const { program, sources } = loadPolicy("/objects.ts", { architecture, readFile: () => objects });
  const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
  found.push(encodeBundle(makeBundle(artifact!, { compiler, fixed: [], sources })));
  return [...found, ...found.slice(-4).map(enriched)];
}

/** The size of the header and the section table. */
const headSize = headerSize + tableEntrySize * sections.length;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where a section's entry of the table says that it is. */
function extent(bytes: Uint8Array, section: number): readonly [start: number, size: number] {
  const table = headerSize + tableEntrySize * section;
  const view = viewOf(bytes);
  return [view.getUint32(table + 4, true), view.getUint32(table + 8, true) * view.getUint32(table + 12, true)];
}

/** Recomputes the digest, if it has a place. */
function seal(bytes: Uint8Array): Uint8Array {
  const [launch] = bytes.length < headSize ? [Infinity] : extent(bytes, sections.length - 1);
  if (launch <= bytes.length) bytes.set(digestOf(bytes, launch), digestOffset);
  return bytes;
}

/** A bundle with the header of this one, and a table for these sections. */
function assembled(header: Uint8Array, contents: readonly Uint8Array[]): Uint8Array {
  const size = contents.reduce((end, section) => aligned(end) + section.length, headSize);
  const bytes = new Uint8Array(size);
  bytes.set(header.subarray(0, headerSize));
  const view = viewOf(bytes);
  view.setUint32(12, size, true);
  let end = headSize;
  contents.forEach((section, index) => {
    const { entry } = sections[index]!;
    [index + 1, aligned(end), section.length / entry, entry].forEach((word, place) => {
      view.setUint32(headerSize + tableEntrySize * index + 4 * place, word, true);
    });
    bytes.set(section, aligned(end));
    end = aligned(end) + section.length;
  });
  return bytes;
}

/** Removes, repeats, adds or exchanges entries of a section, or takes another bundle's section. */
function restructured(bytes: Uint8Array, other: Uint8Array, choices: SeededChoices): Uint8Array {
  const contents = sections.map((_, index) => {
    const [start, size] = extent(bytes, index);
    return bytes.subarray(start, start + size);
  });
  const index = choices.below(sections.length);
  const { entry } = sections[index]!;
  const old = contents[index]!;
  const count = old.length / entry;
  const at = entry * choices.below(count + 1);
  const [before, one, after] = [old.subarray(0, at), old.subarray(at, at + entry), old.subarray(at + entry)];
  const [start, size] = extent(other, index);
  const ways = [
    () => [before, after],
    () => [before, one, one, after],
    () => [before, ...Array.from({ length: choices.below(70) }, () => one), after],
    () => [before, new Uint8Array(entry), one, after],
    () => [before],
    () => [one, before, after],
    () => [other.subarray(start, start + size)],
  ];
  contents[index] = new Uint8Array(Buffer.concat(ways[choices.below(ways.length)]!()));
  return assembled(bytes, contents);
}

const bytesAtLimits = [0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 127, 128, 255];
const wordsAtLimits = [0, 1, 8, 64, 4095, 4096, 4097, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];

/** In a section that is chosen first, so that small sections are changed as often; or in the tables; or anywhere. */
function placeIn(bytes: Uint8Array, choices: SeededChoices): number {
  const [start, size] = extent(bytes, choices.below(sections.length));
  const place = weighted(choices, [
    [26, () => start + choices.below(Math.max(1, Math.min(size, bytes.length)))],
    [2, () => choices.below(headSize)],
    [4, () => choices.below(bytes.length)],
  ]);
  return Math.min(place, bytes.length - 1);
}

function changeOne(bytes: Uint8Array, choices: SeededChoices): void {
  const at = placeIn(bytes, choices);
  const word = choices.below(2) === 0 ? at : at & ~3;
  if (choices.below(2) === 0) bytes[at] = choices.below(3) === 0 ? choices.below(256) : pick(choices, bytesAtLimits);
  else if (word + 4 <= bytes.length)
    viewOf(bytes).setUint32(word, choices.below(3) === 0 ? choices.below(4096) : pick(choices, wordsAtLimits), true);
}

/** Shorter, or longer by zeros; mostly with this length in its header. */
function resized(bytes: Uint8Array, choices: SeededChoices): Uint8Array {
  const size = choices.below(2) === 0 ? choices.below(bytes.length) : bytes.length + choices.below(64);
  const changed = new Uint8Array(size);
  changed.set(bytes.subarray(0, size));
  if (size >= headSize && choices.below(4) > 0) viewOf(changed).setUint32(12, size, true);
  return changed;
}

/**
 * Changes the number of entries of a section, a few words or bytes, or the length. The digest is correct for seven of
 * eight.
 */
export function mutate(bundles: readonly Uint8Array[], choices: SeededChoices): Uint8Array {
  const original = () => pick(choices, bundles);
  const changed = choices.below(4) === 0 ? restructured(original(), original(), choices) : original().slice();
  for (let changes = choices.below(4); changes > 0; changes -= 1) changeOne(changed, choices);
  const mutated = choices.below(16) === 0 ? resized(changed, choices) : changed;
  return choices.below(8) === 0 ? mutated : seal(mutated);
}
