/**
 * Decodes the file of a bundle. All fields are checked before any is used, and everything that the format does not
 * define is refused, so that all readers agree on a file (`native/launcher/bundle.c` makes the same checks).
 */

import { timingSafeEqual } from "node:crypto";
import { programTypes, pseudo } from "../../abi/bpf-numbers.ts";
import {
  type DeclarationKind,
  type DeclaredArgument,
  declarationKinds,
  mostDeclaredBytes,
} from "../../abi/declared-arguments.ts";
import { splitReturnWord } from "../../abi/return-word.ts";
import { maximumSides, roomTimeout } from "../../ir/limits.ts";
import { parameterFault } from "../../ir/parameters.ts";
import type { RoomScope } from "../../ir/program.ts";
import { maximumErrno } from "../../ir/verdicts.ts";
import { decodeRulesets, RulesetError } from "../landlock/encode.ts";
import type { Ruleset } from "../landlock/rulesets.ts";
import {
  type Bundle,
  BundleError,
  type BundleMap,
  type BundleParameter,
  type BundleReport,
  type BundleRoom,
  type BundleState,
  type BundleVerdict,
  type LaunchWord,
  type Place,
  type Relocation,
} from "./bundle.ts";
import {
  actionNumbers,
  aligned,
  architectureOf,
  attachFlags,
  bundledActions,
  digestOffset,
  digestSize,
  forkKinds,
  frozenFlag,
  headerSize,
  largestBundle,
  largestMaps,
  launchContents,
  magic,
  mapContents,
  mapTypeNumbers,
  none,
  opcodes,
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
import { digestOf } from "./write.ts";

/** Throws a BundleError for every other sequence of bytes. */
export function decodeBundle(file: Uint8Array): Bundle {
  // Slices of a Buffer are views, not copies.
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  const contents = takeApart(bytes);
  const texts = new Texts(contents.strings);
  const policy = new Entries(contents.policy, 40).at(0);
  const [name, compiler, programType, programFlags, attach, licence, traitBits, target, fixedAt, reserved] = policy;
  demand(reserved === 0 && (attach! & ~(attachFlags.lock | attachFlags.match)) === 0, "the policy has an unknown flag");
  demand(
    (traitBits! & ~(traits.classicIsAll | traits.unprivileged | traits.readOnlyProc)) === 0,
    "the policy has an unknown trait",
  );
  demand(programType === programTypes.seccomp, `its program is of the unknown type ${programType}`);
  demand(programFlags === 0, "its program has an unknown flag");
  const kernelFunctions = [...new Entries(contents.kernelFunctions, 4)].map(([text]) => texts.at(text!));
  demand(!kernelFunctions.includes(""), "a kernel function has no name");
  const maps = readMaps(contents, texts);
  const fixed = readFixed(texts.at(fixedAt!));
  const parameters = readParameters(contents.parameters, texts);
  for (const { name: open } of parameters)
    demand(!fixed.some(([other]) => other === open), `a parameter is fixed and open, ${open}`);
  const relocations = readRelocations(contents.relocations);
  checkRelocations(contents.program, relocations, { map: maps.length, "kernel-function": kernelFunctions.length });
  const length = contents.program.length / 8;
  const bundle: Bundle = {
    architecture: architectureOf(new DataView(bytes.buffer, bytes.byteOffset).getUint32(16, true))!,
    name: texts.at(name!),
    compiler: texts.at(compiler!),
    target: texts.at(target!),
    fixed,
    parameters,
    licence: texts.at(licence!),
    programType,
    programFlags,
    locked: (attach! & attachFlags.lock) !== 0,
    matches: (attach! & attachFlags.match) !== 0,
    classicIsAll: (traitBits! & traits.classicIsAll) !== 0,
    unprivileged: (traitBits! & traits.unprivileged) !== 0,
    readOnlyProc: (traitBits! & traits.readOnlyProc) !== 0,
    classic: contents.classic,
    classicToken: [...new Entries(contents.classicToken, 4)].map(([index]) => index!),
    program: contents.program,
    relocations,
    kernelFunctions,
    maps,
    states: readStates(contents.states, texts),
    rooms: readRooms(contents.rooms, texts),
    declared: readDeclared(contents.declared, new DataView(bytes.buffer, bytes.byteOffset).getUint32(16, true)),
    objects: readObjects(contents.objects),
    launch: readLaunch(contents, maps, parameters.length),
    constantAllows: [...new Entries(contents.constantAllows, 8)].map(([architecture, number]) => ({
      architecture: architecture!,
      number: number!,
    })),
    types: contents.types,
    functionInfo: contents.functionInfo,
    lineInfo: contents.lineInfo,
    verdicts: readVerdicts(contents.verdicts, texts),
    reports: readReports(contents, texts),
    sourceMap: [...new Entries(contents.sourceMap, 20)].map(([instruction, ...place]) => ({
      instruction: instruction!,
      at: readPlace(place, texts),
    })),
  };
  checkClassic(bundle);
  checkOrder(
    bundle.sourceMap.map(({ instruction }) => instruction),
    length,
    "the source map",
  );
  checkDebugging(bundle, length);
  return bundle;
}

function readObjects(bytes: Uint8Array): readonly Ruleset[] {
  try {
    return decodeRulesets(bytes);
  } catch (error) {
    if (error instanceof RulesetError) demand(false, error.message);
    throw error;
  }
}

function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new BundleError(`not a bundle that this version of portcullis can use: ${otherwise}`);
}

// ── The file as a whole ─────────────────────────────────────────────────────────────────────────────────────────────

function takeApart(bytes: Uint8Array): Record<SectionName, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (offset: number): number => view.getUint32(offset, true);
  const head = headerSize + sections.length * tableEntrySize;
  demand(bytes.length >= head && magic.every((byte, index) => bytes[index] === byte), "its magic number is wrong");
  demand(word(8) === version, `its format has version ${word(8)}, and this is ${version}`);
  demand(bytes.length <= largestBundle && word(12) === bytes.length, "its length is wrong");
  demand(architectureOf(word(16)) !== undefined, "it is for an unknown architecture");
  demand(word(20) === sections.length && word(24) === 0 && word(28) === 0, "its header has an unknown field");
  const contents: Partial<Record<SectionName, Uint8Array>> = {};
  let end = head;
  sections.forEach(({ name, entry, least, most }, index) => {
    const at = headerSize + tableEntrySize * index;
    const [kind, offset, count] = [word(at), word(at + 4), word(at + 8)];
    const start = aligned(end);
    demand(kind === index + 1 && offset === start && word(at + 12) === entry, "its section table is invalid");
    demand(count >= least && count <= most, `it has ${count} entries of ${name}`);
    demand(start + count * entry <= bytes.length, `its ${name} reach beyond its end`);
    demand(isZero(bytes.subarray(end, start)), "there are bytes between two sections");
    end = start + count * entry;
    contents[name] = bytes.slice(start, end);
  });
  demand(end === bytes.length, "there are bytes after the last section");
  const launch = end - contents.launch!.length;
  const digest = bytes.subarray(digestOffset, digestOffset + digestSize);
  demand(timingSafeEqual(digestOf(bytes, launch), digest), "its digest is wrong: the file is damaged");
  demand(isZero(contents.launch!), "its launch values are not empty");
  return contents as Record<SectionName, Uint8Array>;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The words of a section's entries. */
class Entries {
  readonly #view: DataView;
  readonly #words: number;

  constructor(bytes: Uint8Array, entrySize: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#words = entrySize / 4;
  }

  at(index: number): number[] {
    return Array.from({ length: this.#words }, (_, word) =>
      this.#view.getUint32(4 * (index * this.#words + word), true),
    );
  }

  *[Symbol.iterator](): Generator<number[]> {
    const count = this.#view.byteLength / 4 / this.#words;
    for (let index = 0; index < count; index += 1) yield this.at(index);
  }
}

class Texts {
  readonly #bytes: Uint8Array;
  readonly #known = new Map<number, string>();
  static readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array) {
    demand(bytes[0] === 0 && bytes.at(-1) === 0, "its strings are not terminated");
    this.#bytes = bytes;
  }

  at(offset: number): string {
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    demand(offset < this.#bytes.length, "a string is out of range");
    let text: string;
    try {
      text = Texts.#decoder.decode(this.#bytes.subarray(offset, this.#bytes.indexOf(0, offset)));
    } catch {
      throw new BundleError("not a bundle that this version of portcullis can use: a string is not UTF-8");
    }
    this.#known.set(offset, text);
    return text;
  }
}

// ── Programs ────────────────────────────────────────────────────────────────────────────────────────────────────────

function readFixed(text: string): Bundle["fixed"] {
  if (text === "") return [];
  return text.split("\n").map((line) => {
    const at = line.indexOf("=");
    demand(at > 0, "a parameter has no name");
    return [line.slice(0, at), line.slice(at + 1)];
  });
}

function checkClassic({ classic, classicToken, classicIsAll }: Bundle): void {
  const length = classic.length / 8;
  demand(length > 0 || !classicIsAll, "there is no classic program");
  demand(classicToken.length % 4 === 0, "a token has four words");
  checkOrder(classicToken, length, "the positions of the token");
  const isTest = (index: number) => classic[8 * index] === opcodes.classicEqual && classic[8 * index + 1] === 0;
  demand(classicToken.every(isTest), "a word of the token has no position");
}

function checkOrder(indexes: readonly number[], end: number, what: string): void {
  indexes.forEach((index, at) => {
    demand(index < end && (at === 0 || index > indexes[at - 1]!), `${what} are not in order`);
  });
}

function readRelocations(bytes: Uint8Array): Relocation[] {
  return [...new Entries(bytes, 12)].map(([instruction, number, index]) => {
    const kind = relocationKinds[number! - 1];
    demand(kind !== undefined, "a relocation is of an unknown kind");
    return { instruction: instruction!, kind, index: index! };
  });
}

/** Every instruction that names a map or a kernel function is listed, and nothing else is. */
function checkRelocations(
  program: Uint8Array,
  relocations: readonly Relocation[],
  counts: Readonly<Record<Relocation["kind"], number>>,
): void {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let next = 0;
  for (let slot = 0; slot < program.length / 8; slot += 1) {
    const [opcode, source] = [program[8 * slot]!, program[8 * slot + 1]! >> 4];
    const kind = namedBy(opcode, source);
    if (kind !== undefined) {
      const relocation = relocations[next];
      next += 1;
      demand(relocation?.instruction === slot, "an instruction needs a relocation that is missing");
      demand(
        relocation.kind === kind && relocation.index < counts[kind],
        "a relocation names a missing map or function",
      );
      demand(view.getInt32(8 * slot + 4, true) === 0, "a relocated instruction has a value already");
      demand(kind === "map" || view.getInt16(8 * slot + 2, true) === 0, "a kernel function belongs to a module");
    }
    if (opcode === opcodes.wide) {
      slot += 1;
      demand(slot < program.length / 8 && program[8 * slot] === 0, "a wide instruction has no second half");
    }
  }
  demand(next === relocations.length, "a relocation is for an instruction without one");
}

function namedBy(opcode: number, source: number): Relocation["kind"] | undefined {
  if (opcode === opcodes.wide && source !== 0) {
    demand(source === pseudo.map || source === pseudo.mapValue, "a wide instruction is of an unknown kind");
    return "map";
  }
  if (opcode === opcodes.call && source !== 0 && source !== pseudo.localCall) {
    demand(source === pseudo.kernelCall, "a call is of an unknown kind");
    return "kernel-function";
  }
  return undefined;
}

function checkDebugging({ types, functionInfo, lineInfo }: Bundle, length: number): void {
  demand(types.length > 0 || (functionInfo.length === 0 && lineInfo.length === 0), "lines have no types");
  checkOrder(
    [...new Entries(functionInfo, 8)].map(([slot]) => slot!),
    length,
    "the functions",
  );
  checkOrder(
    [...new Entries(lineInfo, 16)].map(([slot]) => slot!),
    length,
    "the lines",
  );
}

// ── Maps and state ──────────────────────────────────────────────────────────────────────────────────────────────────

function readMaps(contents: Record<SectionName, Uint8Array>, texts: Texts): BundleMap[] {
  const maps = [...new Entries(contents.maps, 48)].map((entry) => readMap(entry, contents, texts));
  const bytes = maps.reduce((sum, { keySize, valueSize, capacity, type }) => {
    return sum + (type === "ring-buffer" ? capacity : (keySize + valueSize) * capacity);
  }, 0);
  demand(bytes <= largestMaps, "its maps are too large");
  for (const once of ["launch", "events"] as const)
    demand(maps.filter(({ holds }) => holds === once).length <= 1, "two maps have the same purpose");
  demand(new Set(maps.map(({ name }) => name)).size === maps.length, "two maps have one name");
  return maps;
}

function readMap(entry: readonly number[], contents: Record<SectionName, Uint8Array>, texts: Texts): BundleMap {
  const [nameAt, number, keySize, valueSize, capacity, flags, content, lock, keyType, valueType, at, size] =
    entry as readonly [number, number, number, number, number, number, number, number, number, number, number, number];
  const name = texts.at(nameAt);
  demand(/^\w{1,15}$/.test(name), "a map's name is invalid");
  const type = (Object.keys(mapTypeNumbers) as BundleMap["type"][]).find((one) => mapTypeNumbers[one] === number);
  const holds = mapContents[content - 1];
  demand(type !== undefined, `a map is of the unknown type ${number}`);
  demand(holds !== undefined && (type === "ring-buffer") === (holds === "events"), "a map has an unknown purpose");
  demand(flags === (holds === "launch" ? frozenFlag : 0), "a map has an unknown flag");
  demand(
    (keyType === 0 && valueType === 0) || contents.types.length > 0,
    "a map names a type, and the bundle has none",
  );
  demand(size > 0 || at === 0, "a map without initial values has an offset of them");
  demand(at + size <= contents.initialValues.length, "a map's initial values are out of range");
  const initial = contents.initialValues.slice(at, at + size);
  const map: BundleMap = {
    name,
    type,
    keySize,
    valueSize,
    capacity,
    holds,
    lock: lock === none ? undefined : lock,
    keyType,
    valueType,
    initial,
  };
  if (type === "ring-buffer") checkRingBuffer(map);
  else checkValues(map);
  demand(
    holds !== "launch" ||
      (type === "array" && capacity === 1 && valueSize === contents.launch.length && initial.length === 0),
    "a launch value has an invalid position",
  );
  demand(
    holds !== "constants" || (type === "array" && initial.length === valueSize * capacity),
    "a map of constants has other values",
  );
  return map;
}

function checkRingBuffer({ keySize, valueSize, capacity, lock, initial }: BundleMap): void {
  demand(keySize === 0 && valueSize === 0 && lock === undefined && initial.length === 0, "a ring buffer has no values");
  demand(
    capacity >= 4096 && capacity <= largestMaps && (capacity & (capacity - 1)) === 0,
    "a ring buffer's size is not a power of two",
  );
}

function checkValues({ type, keySize, valueSize, capacity, lock, initial, valueType }: BundleMap): void {
  demand(keySize > 0 && keySize <= 512 && valueSize > 0 && capacity > 0, "a map's size is invalid");
  demand(type !== "array" || keySize === 4, "an array's keys have 4 bytes");
  demand((keySize + valueSize) * capacity <= largestMaps, "a map is too large");
  demand(
    lock === undefined || (lock % 4 === 0 && lock + 4 <= valueSize && valueType !== 0),
    "a map's lock has an invalid position",
  );
  demand(
    initial.length === 0 ||
      (type === "array" && initial.length % valueSize === 0 && initial.length <= valueSize * capacity),
    "a map's values have no position",
  );
}

function readParameters(bytes: Uint8Array, texts: Texts): BundleParameter[] {
  const parameters = [...new Entries(bytes, 52)].map((entry): BundleParameter => {
    const [nameAt, kindNumber, fromLow, fromHigh, toLow, toHigh, traitBits, defaultLow, defaultHigh, ...place] =
      entry as [number, number, number, number, number, number, number, number, number, ...number[]];
    const name = texts.at(nameAt);
    demand(/^[A-Za-z][\w-]*$/.test(name), "an open parameter's name is invalid");
    const { unsigned, signed, flag } = parameterKinds;
    demand(
      kindNumber === unsigned || kindNumber === signed || kindNumber === flag,
      "an open parameter is of an unknown kind",
    );
    demand((traitBits & ~parameterTraits.hasDefault) === 0, "an open parameter has an unknown trait");
    const word = (low: number, high: number) => {
      const pattern = (BigInt(high) << 32n) | BigInt(low);
      return kindNumber === signed ? BigInt.asIntN(64, pattern) : pattern;
    };
    const [from, to, fallback] = [word(fromLow, fromHigh), word(toLow, toHigh), word(defaultLow, defaultHigh)];
    const hasDefault = traitBits !== 0;
    const kind = kindNumber === flag ? "flag" : "integer";
    const parameter = { name, kind, from, to, default: hasDefault ? fallback : undefined } as const;
    demand(
      parameterFault(parameter) === undefined &&
        from < 0n === (kindNumber === signed) &&
        (hasDefault || fallback === 0n),
      "an open parameter's values are invalid",
    );
    return { ...parameter, at: readPlace(place, texts) };
  });
  demand(new Set(parameters.map(({ name }) => name)).size === parameters.length, "two open parameters have one name");
  return parameters;
}

function readLaunch(
  contents: Record<SectionName, Uint8Array>,
  maps: readonly BundleMap[],
  parameters: number,
): LaunchWord[] {
  demand(contents.launch.length === 0 || maps.some(({ holds }) => holds === "launch"), "the launch values have no map");
  const launch = [...new Entries(contents.launchFields, 16)].map(([number, map, offset, size]) => {
    const kinds = Object.keys(launchContents) as LaunchWord["is"][];
    const is = kinds.find((one) => launchContents[one].number === number);
    demand(is !== undefined && size === launchContents[is].size, "a launch value is of an unknown kind");
    demand(
      maps[map!]?.holds === "launch" && offset! % 8 === 0 && offset! + size! <= contents.launch.length,
      "a launch value has an invalid position",
    );
    return { is, map: map!, offset: offset! };
  });
  demand(
    launch.filter(({ is }) => is === "parameter").length === parameters,
    "an open parameter has no launch value, or two",
  );
  return launch;
}

function readStates(bytes: Uint8Array, texts: Texts): BundleState[] {
  return [...new Entries(bytes, 20)].map(([name, scopeNumber, forkNumber, size, flags]) => {
    const [scope, fork] = [stateScopes[scopeNumber!], forkKinds[forkNumber!]];
    demand(scope !== undefined && fork !== undefined && flags === 0, "a state object is of an unknown kind");
    demand(fork !== "share" || scope === "process", "a thread's state cannot be shared");
    demand(size! >= 8 && size! <= 4096 && size! % 8 === 0, "a state object's size is invalid");
    return { name: texts.at(name!), scope, fork, size: size! };
  });
}

function readRooms(bytes: Uint8Array, texts: Texts): BundleRoom[] {
  return [...new Entries(bytes, 36)].map((entry) => {
    const [nameAt, scopeNumber, sides, exclusive, late, ...wide] = entry as [number, number, number, number, number];
    const [timeoutLow, timeoutHigh, flagsLow, flagsHigh] = wide as readonly number[];
    const scope = (Object.keys(roomScopes) as RoomScope[]).find((name) => roomScopes[name] === scopeNumber);
    demand(scope !== undefined && flagsLow === 0 && flagsHigh === 0, "a room is of an unknown kind");
    demand(sides >= 1 && sides <= maximumSides && exclusive < 2 ** sides, "a room's sides are invalid");
    const timeout = (BigInt(timeoutHigh!) << 32n) | BigInt(timeoutLow!);
    demand(timeout >= roomTimeout.least && timeout <= roomTimeout.most, "a room's timeout is invalid");
    const { action, data } = splitReturnWord(late);
    const fails = action === "ERRNO" && data >= 1 && data <= maximumErrno;
    demand(fails || ((action === "KILL_THREAD" || action === "KILL_PROCESS") && data === 0), "a late call passes");
    return { name: texts.at(nameAt), scope, sides, exclusive, late, timeout };
  });
}

function readDeclared(bytes: Uint8Array, architecture: number): DeclaredArgument[] {
  const names = Object.keys(declarationKinds) as DeclarationKind[];
  let last = -1;
  return [...new Entries(bytes, 24)].map(([audit, number, argument, kindNumber, size, flags]) => {
    const kind = names.find((name) => declarationKinds[name] === kindNumber);
    demand(kind !== undefined && flags === 0, "a declared argument is of an unknown kind");
    demand(
      audit === architecture && number! <= mostCallNumber && argument! <= 5,
      "a declared argument belongs to no call",
    );
    demand(size! % 8 === 0 && size! <= mostDeclaredBytes, "a declared argument's size is invalid");
    const place = 6 * number! + argument!;
    demand(place > last, "the declared arguments stand in no order");
    last = place;
    return { number: number!, argument: argument!, kind, size: size! };
  });
}

/** More than any architecture's table has. */
const mostCallNumber = 0xffff;

// ── For people ──────────────────────────────────────────────────────────────────────────────────────────────────────

function readPlace([file, line, column, length]: readonly number[], texts: Texts): Place | undefined {
  if (file === 0 && line === 0 && column === 0 && length === 0) return undefined;
  return { file: texts.at(file!), line: line!, column: column!, length: length! };
}

function readVerdicts(bytes: Uint8Array, texts: Texts): BundleVerdict[] {
  const verdicts = [...new Entries(bytes, 28)].map(([number, errno, reason, ...place]): BundleVerdict => {
    const action = bundledActions.find((name) => actionNumbers[name] === number);
    demand(action !== undefined, `a verdict is of the unknown kind ${number}`);
    demand(errno! <= (action === "deny" ? maximumErrno : 0), "a verdict has an invalid errno");
    return {
      action,
      errno: errno!,
      reason: reason === 0 ? undefined : texts.at(reason!),
      at: readPlace(place, texts),
    };
  });
  demand(verdicts[0]!.action === "allow", "its first verdict is not allow");
  return verdicts;
}

function readReports(contents: Record<SectionName, Uint8Array>, texts: Texts): BundleReport[] {
  const values = [...new Entries(contents.reportValues, 8)].map(([name, number]) => {
    const print = prints[number!];
    demand(print !== undefined, "a report's value is printed in an unknown way");
    return { name: texts.at(name!), print };
  });
  let next = 0;
  const reports = [...new Entries(contents.reports, 28)].map(([text, first, count, ...place]): BundleReport => {
    demand(first === next && first + count! <= values.length, "a report's values are out of range");
    next += count!;
    return { text: texts.at(text!), values: values.slice(first, next), at: readPlace(place, texts) };
  });
  demand(next === values.length, "a value belongs to no report");
  return reports;
}
