/** Encodes a bundle as a file (docs/bundle.md). Equal bundles give equal bytes. */

import { createHash } from "node:crypto";
import { auditArchitecture } from "../../abi/architecture.ts";
import { declarationKinds } from "../../abi/declared-arguments.ts";
import { encodeRulesets } from "../landlock/encode.ts";
import { type Bundle, BundleError, type BundleMap, type BundleParameter, type Place } from "./bundle.ts";
import {
  actionNumbers,
  aligned,
  attachFlags,
  digestOffset,
  forkKinds,
  frozenFlag,
  headerSize,
  largestBundle,
  launchContents,
  magic,
  mapContents,
  mapTypeNumbers,
  none,
  parameterKinds,
  parameterTraits,
  prints,
  relocationKinds,
  roomScopes,
  type SectionName,
  sections,
  stateScopes,
  tableEntrySize,
  traits,
  version,
} from "./format.ts";

/** Throws a BundleError if a part is larger than the format permits. */
export function encodeBundle(bundle: Bundle): Uint8Array {
  const contents = contentsOf(bundle);
  const places: { readonly offset: number; readonly count: number }[] = [];
  let end = headerSize + sections.length * tableEntrySize;
  for (const { name, entry, least, most } of sections) {
    const size = contents[name].length;
    const count = size / entry;
    if (count < least || count > most)
      throw new BundleError(`a bundle has ${least} to ${most} entries of ${name}, and this policy has ${count}`);
    places.push({ offset: aligned(end), count });
    end = aligned(end) + size;
  }
  if (end > largestBundle) throw new BundleError(`a bundle has at most ${largestBundle} bytes, this would have ${end}`);
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  [version, end, auditArchitecture[bundle.architecture], sections.length].forEach((word, index) => {
    view.setUint32(8 + 4 * index, word, true);
  });
  sections.forEach(({ name, entry }, index) => {
    const { offset, count } = places[index]!;
    [index + 1, offset, count, entry].forEach((word, place) => {
      view.setUint32(headerSize + tableEntrySize * index + 4 * place, word, true);
    });
    bytes.set(contents[name], offset);
  });
  bytes.set(digestOf(bytes, places.at(-1)!.offset), digestOffset);
  return bytes;
}

/** Covers the file except the digest itself and the last section, which starts at `launch`. */
export function digestOf(bytes: Uint8Array, launch: number): Uint8Array {
  return createHash("sha256")
    .update(bytes.subarray(0, digestOffset))
    .update(bytes.subarray(headerSize, launch))
    .digest();
}

function contentsOf(bundle: Bundle): Record<SectionName, Uint8Array> {
  const strings = new StringTable();
  const initial = new Chunks();
  const place = (at: Place | undefined): number[] =>
    at === undefined ? [0, 0, 0, 0] : [strings.offset(at.file), at.line, at.column, at.length];
  const fixed = bundle.fixed.map(([name, value]) => `${name}=${value.replaceAll("\n", "\\n")}`).join("\n");
  const policy = words([
    strings.offset(bundle.name),
    strings.offset(bundle.compiler),
    bundle.programType,
    bundle.programFlags,
    (bundle.locked ? attachFlags.lock : 0) | (bundle.matches ? attachFlags.match : 0),
    strings.offset(bundle.licence),
    (bundle.classicIsAll ? traits.classicIsAll : 0) |
      (bundle.unprivileged ? traits.unprivileged : 0) |
      (bundle.readOnlyProc ? traits.readOnlyProc : 0),
    strings.offset(bundle.target),
    strings.offset(fixed),
    0,
  ]);
  const relocations = bundle.relocations.flatMap(({ instruction, kind, index }) => [
    instruction,
    relocationKinds.indexOf(kind) + 1,
    index,
  ]);
  const launchMap = bundle.maps.find(({ holds }) => holds === "launch");
  let nextValue = 0;
  const reports = bundle.reports.flatMap(({ text, values, at }) => {
    nextValue += values.length;
    return [strings.offset(text), nextValue - values.length, values.length, ...place(at)];
  });
  const contents: Omit<Record<SectionName, Uint8Array>, "strings" | "initialValues"> = {
    policy,
    classic: bundle.classic,
    classicToken: words(bundle.classicToken),
    program: bundle.program,
    relocations: words(relocations),
    kernelFunctions: words(bundle.kernelFunctions.map((name) => strings.offset(name))),
    maps: words(bundle.maps.flatMap((map) => mapWords(map, strings, initial))),
    states: words(
      bundle.states.flatMap(({ name, scope, fork, size }) => [
        strings.offset(name),
        stateScopes.indexOf(scope),
        forkKinds.indexOf(fork),
        size,
        0,
      ]),
    ),
    launchFields: words(
      bundle.launch.flatMap(({ is, map, offset }) => [launchContents[is].number, map, offset, launchContents[is].size]),
    ),
    declared: words(
      bundle.declared.flatMap(({ number, argument, kind, size }) => [
        auditArchitecture[bundle.architecture],
        number,
        argument,
        declarationKinds[kind],
        size,
        0,
      ]),
    ),
    rooms: words(
      bundle.rooms.flatMap(({ name, scope, sides, exclusive, late, timeout }) => [
        ...[strings.offset(name), roomScopes[scope], sides, exclusive, late],
        ...[...halves(timeout), 0, 0],
      ]),
    ),
    objects: encodeRulesets(bundle.objects),
    parameters: words(bundle.parameters.flatMap((one) => parameterEntry(one, strings, place))),
    constantAllows: words(bundle.constantAllows.flatMap(({ architecture, number }) => [architecture, number])),
    types: bundle.types,
    functionInfo: bundle.functionInfo,
    lineInfo: bundle.lineInfo,
    verdicts: words(
      bundle.verdicts.flatMap(({ action, errno, reason, at }) => [
        actionNumbers[action],
        errno,
        strings.offset(reason ?? ""),
        ...place(at),
      ]),
    ),
    reports: words(reports),
    reportValues: words(
      bundle.reports.flatMap(({ values }) =>
        values.flatMap(({ name, print }) => [strings.offset(name), prints.indexOf(print)]),
      ),
    ),
    sourceMap: words(bundle.sourceMap.flatMap(({ instruction, at }) => [instruction, ...place(at)])),
    launch: new Uint8Array(launchMap?.valueSize ?? 0),
  };
  return { ...contents, strings: strings.encode(), initialValues: initial.encode() };
}

function mapWords(map: BundleMap, strings: StringTable, initial: Chunks): number[] {
  const { name, type, keySize, valueSize, capacity, holds, lock, keyType, valueType } = map;
  return [
    strings.offset(name),
    mapTypeNumbers[type],
    keySize,
    valueSize,
    capacity,
    holds === "launch" ? frozenFlag : 0,
    mapContents.indexOf(holds) + 1,
    lock ?? none,
    keyType,
    valueType,
    map.initial.length === 0 ? 0 : initial.add(map.initial),
    map.initial.length,
  ];
}

function parameterEntry(
  { name, kind, from, to, default: fallback, at }: BundleParameter,
  strings: StringTable,
  place: (at: Place | undefined) => number[],
): number[] {
  const { unsigned, signed, flag } = parameterKinds;
  return [
    strings.offset(name),
    kind === "flag" ? flag : from < 0n ? signed : unsigned,
    ...halves(from),
    ...halves(to),
    fallback === undefined ? 0 : parameterTraits.hasDefault,
    ...halves(fallback ?? 0n),
    ...place(at),
  ];
}

/** A 64-bit word as two, the low one first. */
function halves(value: bigint): number[] {
  return [Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n))];
}

function words(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  return new Uint8Array(view.buffer);
}

class Chunks {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  /** Its offset. */
  add(bytes: Uint8Array): number {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    return this.#size - bytes.length;
  }

  encode(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

class StringTable {
  readonly #offsets = new Map<string, number>();
  readonly #chunks = new Chunks();

  constructor() {
    this.offset("");
  }

  /** Cuts a string at a NUL and replaces invalid Unicode, so that a reader gets the string that it decodes. */
  offset(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const end = text.indexOf("\0");
    const offset = this.#chunks.add(new TextEncoder().encode(`${end < 0 ? text : text.slice(0, end)}\0`));
    this.#offsets.set(text, offset);
    return offset;
  }

  encode(): Uint8Array {
    return this.#chunks.encode();
  }
}
