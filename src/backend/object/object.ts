/**
 * A policy as an object file for libbpf, bpftool and skeletons:
 *
 * | section | content |
 * | --- | --- |
 * | `seccomp`, `syscall` | the step; the section's name identifies the type of program |
 * | `.text` | the operations on tables |
 * | `.maps` | maps that are looked up in, as BTF describes them |
 * | `.rodata` | the values of a start, frozen by libbpf when it loads: `token`, `secret` |
 * | `.data.NAME` | state that is accessed by address. No symbol in it is global, so libbpf does not map it into memory, where any process with the mapping could write it |
 * | `.BTF`, `.BTF.ext` | types, functions and the policy's lines |
 * | `license` | "GPL" |
 *
 * Maps of a seccomp program are such that the filter can be sealed (`BPF_F_SEALABLE`). Those that libbpf makes of `.rodata`
 * and `.data.NAME` get the flag by `bpf_map__set_map_flags` from a loader that attaches the program sealed.
 */
import type { Sources } from "../../diagnostics/render.ts";
import { describeProgram, type FunctionDescription, lineWords } from "../btf/describe.ts";
import { type Btf, btfMagic, type SectionVariable } from "../btf/types.ts";
import type { EbpfArtifact, ProgramKind } from "../ebpf/artifact.ts";
import { type EbpfInstruction, encode, instructionSize, slotPositions } from "../ebpf/instructions/instruction.ts";
import type { MapDescription } from "../ebpf/targets/storage.ts";
import { encodeElf, type ObjectRelocation, type ObjectSection, type ObjectSymbol } from "./elf.ts";

/** An object file cannot express this. */
export class ObjectError extends Error {
  override readonly name = "ObjectError";
}

const licence = "GPL";

/** The prototypes of the kernel functions that programs call: libbpf compares them with the kernel's. */
const kernelPrototypes: {
  readonly [name: string]: {
    /** A pointer to bytes, or an integer of so many. */ readonly returns: "pointer" | 4 | 8;
    readonly takes: readonly string[];
  };
} = {
  bpf_seccomp_state: { returns: "pointer", takes: ["index", "rdwr_buf_size"] },
  bpf_seccomp_pid_tgid: { returns: 8, takes: [] },
  bpf_seccomp_uid_gid: { returns: 8, takes: [] },
  bpf_seccomp_alive: { returns: 4, takes: ["index"] },
  bpf_seccomp_expect_child: { returns: 4, takes: ["index"] },
};

/** `struct seccomp_ebpf_state` is not part of an object: the program that attaches it provides the state. */
export function encodeObject(artifact: EbpfArtifact, sources: Sources): Uint8Array {
  const { kind, object, storage, declared } = artifact;
  // Attached without declarations, the program would find no memory behind any pointer.
  if (declared.length > 0)
    throw new ObjectError("it has no place for the arguments that the kernel must copy before the program runs");
  if (artifact.program.rooms.length > 0)
    throw new ObjectError("it has no place for the rooms that the kernel must know when the program is attached");
  const places = storage.maps.map((map, index) => placeOf(map, index, object.instructions));
  const { btf, maps, functions } = describeProgram(artifact, sources);
  const parts = functions.map((one, index) => ({
    ...one,
    section: index === 0 ? kind.section : ".text",
    // The operations follow each other in one section.
    offset: index === 0 ? 0 : (one.start - functions[1]!.start) * instructionSize,
  }));
  const code = encodeCode(object.instructions, parts, places);
  const data = dataSections(btf, storage.maps, places);
  const mapVariables: SectionVariable[] = [];
  const mapSymbols: ObjectSymbol[] = [];
  storage.maps.forEach((map, index) => {
    if (places[index]!.section !== ".maps") return;
    const type = mapDefinition(btf, kind, map, maps[index]!);
    const offset = mapVariables.reduce((sum, { size }) => sum + size, 0);
    mapVariables.push({ type: btf.variable(map.name, type.number, "global"), offset, size: type.size });
    mapSymbols.push({ name: map.name, is: "object", scope: "global", section: ".maps", offset, size: type.size });
  });
  const mapsSize = mapVariables.reduce((sum, { size }) => sum + size, 0);
  if (mapVariables.length > 0) btf.section(".maps", mapsSize, mapVariables);
  const externs = [
    ...new Set(object.instructions.flatMap((one) => (one.kind === "call-kernel" ? [one.function] : []))),
  ];
  if (externs.length > 0) describeExterns(btf, externs);
  // The names of sections are among the strings, so this precedes the encoding of types.
  const extension = encodeExtension(btf, parts);
  const sections: ObjectSection[] = [
    ...code,
    { name: "license", contents: new TextEncoder().encode(`${licence}\0`), is: "data" },
    ...(mapVariables.length > 0 ? [{ name: ".maps", contents: new Uint8Array(mapsSize), is: "data" as const }] : []),
    ...data.sections,
    { name: ".BTF", contents: btf.encode(), is: "other" },
    { name: ".BTF.ext", contents: extension, is: "other" },
  ];
  const functionSymbols = parts.map(
    ({ name, section, offset, start, end }, index): ObjectSymbol => ({
      ...{ name, section, offset },
      is: "function",
      scope: index === 0 ? "global" : "local",
      size: (end - start) * instructionSize,
    }),
  );
  return encodeElf(sections, [...functionSymbols, ...mapSymbols, ...data.symbols], externs);
}

// ── Maps ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface MapPlace {
  readonly section: string;
  readonly symbol: string;
}

/** libbpf accesses the values of maps that it creates itself by address, and no others. */
function placeOf(map: MapDescription, index: number, instructions: readonly EbpfInstruction[]): MapPlace {
  const { name, holds, initial = [] } = map;
  if (holds === "launch") return { section: ".rodata", symbol: name };
  const byAddress = instructions.some(
    (one) => one.kind === "wide" && one.value.is === "map-value" && one.value.map === index,
  );
  if (byAddress) return { section: `.data.${name}`, symbol: name };
  if (initial.some((value) => value.some((byte) => byte !== 0)))
    throw new ObjectError(`the state of each ${name} does not start as zeros, but an object's maps do`);
  return { section: ".maps", symbol: name };
}

const typeNumbers = { hash: 1, array: 2, "ring-buffer": 27 } as const;
/** `BPF_F_SEALABLE` of kernel/patches. */
const sealableFlag = 1 << 28;

/** `struct { int (*type)[2]; … }`: a number is the length of an array behind a pointer, a type is behind a pointer. */
function mapDefinition(
  btf: Btf,
  { section }: ProgramKind,
  { type, capacity }: MapDescription,
  { key, value }: { readonly key: number; readonly value: number },
): { readonly number: number; readonly size: number } {
  const number = (length: number): number => btf.pointer(btf.array(btf.signedInteger(), length));
  const members = [
    { name: "type", type: number(typeNumbers[type]) },
    { name: "max_entries", type: number(capacity) },
    ...(section === "seccomp" && type !== "ring-buffer" ? [{ name: "map_flags", type: number(sealableFlag) }] : []),
    ...(type === "ring-buffer"
      ? []
      : [
          { name: "key", type: btf.pointer(key) },
          { name: "value", type: btf.pointer(value) },
        ]),
  ].map((member, index) => ({ ...member, offset: 8 * index }));
  return { number: btf.struct("", 8 * members.length, members), size: 8 * members.length };
}

function dataSections(
  btf: Btf,
  maps: readonly MapDescription[],
  places: readonly MapPlace[],
): { readonly sections: readonly ObjectSection[]; readonly symbols: readonly ObjectSymbol[] } {
  const sections: ObjectSection[] = [];
  const symbols: ObjectSymbol[] = [];
  maps.forEach((map, index) => {
    const { section } = places[index]!;
    if (section === ".maps") return;
    const isFrozen = map.holds === "launch";
    const fields = [...map.fields, ...(map.lock === undefined ? [] : [{ name: "lock", offset: map.lock }])];
    const variables = fields
      .map((field): SectionVariable => {
        const isLock = !("size" in field);
        const count = isLock ? undefined : field.count;
        const word = isLock ? btf.spinLock() : btf.integer(field.size);
        const size = isLock ? 4 : field.size * (count ?? 1);
        const type = count === undefined ? word : btf.array(word, count);
        if (isFrozen)
          symbols.push({ name: field.name, is: "object", scope: "global", section, offset: field.offset, size });
        const constant = isFrozen ? btf.constant(type) : type;
        return { type: btf.variable(field.name, constant, isFrozen ? "global" : "static"), offset: field.offset, size };
      })
      .sort((a, b) => a.offset - b.offset);
    btf.section(section, map.valueSize, variables);
    const contents = new Uint8Array(map.valueSize);
    contents.set(map.initial?.[0] ?? []);
    sections.push({ name: section, contents, is: isFrozen ? "read-only" : "data" });
  });
  return { sections, symbols };
}

function describeExterns(btf: Btf, externs: readonly string[]): void {
  const functions = externs.map((name): SectionVariable => {
    const prototype = kernelPrototypes[name];
    if (prototype === undefined) throw new ObjectError(`the kernel function ${name} has no known prototype`);
    const { returns, takes } = prototype;
    const result = returns === "pointer" ? btf.pointer(btf.integer(1)) : btf.integer(returns);
    const parameters = takes.map((one) => ({ name: one, type: btf.integer(4) }));
    return { type: btf.function(name, btf.prototype(result, parameters), "extern"), offset: 0, size: 0 };
  });
  btf.section(".ksyms", 0, functions);
}

// ── Code ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface PlacedFunction extends FunctionDescription {
  readonly section: string;
  /** Bytes from the section's start. */
  readonly offset: number;
}

/** `BPF_PSEUDO_CALL`. */
const pseudoCall = 1;

function encodeCode(
  instructions: readonly EbpfInstruction[],
  functions: readonly PlacedFunction[],
  places: readonly MapPlace[],
): ObjectSection[] {
  const mapDescriptors = places.map(() => 0);
  const bytes = encode(instructions, { mapDescriptors, kernelFunction: () => 0 });
  const view = new DataView(bytes.buffer);
  const positions = slotPositions(instructions);
  const relocations = new Map<string, ObjectRelocation[]>(functions.map(({ section }) => [section, []]));
  const functionAt = (slot: number): PlacedFunction => functions.find(({ start, end }) => slot >= start && slot < end)!;
  instructions.forEach((instruction, index) => {
    const slot = positions[index]!;
    const own = functionAt(slot);
    const at = slot * instructionSize;
    const relocate = (is: ObjectRelocation["is"], to: ObjectRelocation["to"]): void => {
      relocations.get(own.section)!.push({ offset: own.offset + (slot - own.start) * instructionSize, is, to });
    };
    const setSource = (register: number): void =>
      view.setUint8(at + 1, (view.getUint8(at + 1) & 0x0f) | (register << 4));
    if (instruction.kind === "wide" && instruction.value.is !== "value") {
      const { value } = instruction;
      const { section, symbol } = places[value.map]!;
      // The addend is in the first immediate; libbpf moves it to the second.
      setSource(0);
      view.setInt32(at + 4, value.is === "map-value" ? value.offset : 0, true);
      view.setInt32(at + 12, 0, true);
      relocate("wide", section === ".maps" ? { symbol } : { section });
    } else if (instruction.kind === "call-local") {
      const target = functionAt(positions[instruction.target]!);
      view.setInt32(at + 4, target.offset / instructionSize - 1, true);
      relocate("call", { section: target.section });
    } else if (instruction.kind === "call-kernel") {
      setSource(pseudoCall);
      view.setInt32(at + 4, -1, true);
      relocate("call", { symbol: instruction.function });
    }
  });
  return [...relocations].map(([name, ofSection]) => {
    const own = functions.filter(({ section }) => section === name);
    const [start, end] = [own[0]!.start, own.at(-1)!.end];
    const contents = bytes.subarray(start * instructionSize, end * instructionSize);
    return { name, contents, is: "code", relocations: ofSection };
  });
}

/** `.BTF.ext`: by section, each function's type and each place of the policy; offsets are bytes. */
function encodeExtension(btf: Btf, functions: readonly PlacedFunction[]): Uint8Array {
  const names = [...new Set(functions.map(({ section }) => section))];
  const bySection = (
    recordSize: number,
    records: (one: PlacedFunction) => readonly (readonly number[])[],
  ): number[] => [
    recordSize,
    ...names.flatMap((name) => {
      const own = functions.filter(({ section }) => section === name).flatMap(records);
      return [btf.strings.offset(name), own.length, ...own.flat()];
    }),
  ];
  const types = bySection(8, ({ offset, type }) => [[offset, type]]);
  const lines = bySection(16, ({ offset, start, lines: ofFunction }) =>
    ofFunction.map((line) => [offset + (line.slot - start) * instructionSize, ...lineWords(line)]),
  );
  const headerSize = 24;
  const header = [((1 << 16) | btfMagic) >>> 0, headerSize, 0, 4 * types.length, 4 * types.length, 4 * lines.length];
  return new Uint8Array(Uint32Array.from([...header, ...types, ...lines]).buffer);
}
