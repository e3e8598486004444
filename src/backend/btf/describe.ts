/**
 * BTF of a compiled policy: the types of its maps and its context, its functions, and for each instruction the policy's
 * line with its text. The verifier's log and bpftool print these lines between the instructions.
 */
import type { Sources } from "../../diagnostics/render.ts";
import type { EbpfArtifact } from "../ebpf/artifact.ts";
import type { EbpfProgram, Part } from "../ebpf/compile.ts";
import { slotPositions } from "../ebpf/instructions/instruction.ts";
import { heading } from "../ebpf/listing.ts";
import type { MapDescription, MapField, TargetStorage } from "../ebpf/targets/storage.ts";
import { Btf, identifier, type Member } from "./types.ts";

/** BTF type ids; both are 0 for a map without them (ring buffers). */
export interface MapTypes {
  readonly key: number;
  readonly value: number;
}

/** A function of the program; the first is the policy's step, the others are the operations on tables. */
export interface FunctionDescription {
  readonly name: string;
  /** The number of its BTF_KIND_FUNC. */
  readonly type: number;
  /** In slots of 8 bytes from the program's start; `lines` too. */
  readonly start: number;
  readonly end: number;
  readonly lines: readonly LineDescription[];
}

/** Applies from its slot on. File and text are offsets in the string table. */
export interface LineDescription {
  readonly slot: number;
  readonly file: number;
  readonly text: number;
  /** 0 if the instruction does not belong to a line of the policy. */
  readonly line: number;
  readonly column: number;
}

export interface ProgramDescription {
  readonly btf: Btf;
  readonly maps: readonly MapTypes[];
  readonly functions: readonly FunctionDescription[];
}

export function describeProgram(artifact: EbpfArtifact, sources: Sources): ProgramDescription {
  const btf = new Btf();
  return {
    btf,
    maps: artifact.storage.maps.map((map) => mapTypes(btf, map)),
    functions: describeFunctions(btf, artifact, sources),
  };
}

// ── Maps ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function mapTypes(btf: Btf, map: MapDescription): MapTypes {
  if (map.type === "ring-buffer") return { key: 0, value: 0 };
  const key = btf.integer(map.keySize === 8 ? 8 : 4);
  const locks: readonly Member[] =
    map.lock === undefined ? [] : [{ name: "lock", type: btf.spinLock(), offset: map.lock }];
  const members = [...map.fields.map((field) => memberOf(btf, field)), ...locks].sort((a, b) => a.offset - b.offset);
  if (members.length === 0 && map.valueSize === 8) return { key, value: btf.integer(8) };
  return { key, value: btf.struct(`${map.name}_value`, map.valueSize, members) };
}

function memberOf(btf: Btf, { name, offset, size, count }: MapField): Member {
  const word = btf.integer(size);
  return { name, offset, type: count === undefined ? word : btf.array(word, count) };
}

// ── Functions and lines ─────────────────────────────────────────────────────────────────────────────────────────────

function describeFunctions(
  btf: Btf,
  { kind, object, program, storage }: EbpfArtifact,
  sources: Sources,
): FunctionDescription[] {
  const positions = slotPositions(object.instructions);
  const end = positions.at(-1)!;
  const lines = describeLines(btf, object, program, sources, positions);
  const { context } = kind;
  const members = context.fields.map((field) => memberOf(btf, field));
  const step = btf.prototype(btf.signedInteger(), [
    { name: "ctx", type: btf.pointer(btf.struct(context.name, context.size, members)) },
  ]);
  const operations = object.parts.filter(
    (part): part is Part & { readonly is: "operation" } => part.is === "operation",
  );
  const starts = [0, ...operations.map(({ start }) => positions[start]!), end];
  const within = (index: number) => ({
    start: starts[index]!,
    end: starts[index + 1]!,
    lines: lines.filter(({ slot }) => slot >= starts[index]! && slot < starts[index + 1]!),
  });
  const taken = new Set([...keywords, ...namesOf(storage)]);
  const name = distinct(functionName(program.name), taken);
  return [
    { name, type: btf.function(name, step, "global"), ...within(0) },
    ...operations.map(({ operation }, index) => {
      const { does, shape } = operation;
      const word = btf.integer(8);
      const parameters = [
        { name: "table", type: btf.pointer(0) },
        { name: "key", type: word },
        ...(does === "set" && shape.holdsValues ? [{ name: "value", type: word }] : []),
      ];
      const own = distinct(`${does}_${shape.form}_${shape.capacity}${shape.holdsValues ? "" : "_set"}`, taken);
      return { name: own, type: btf.function(own, btf.prototype(word, parameters), "static"), ...within(index + 1) };
    }),
  ];
}

/** The policy's name as a C identifier; `bpftool prog` shows the first 15 characters. */
export function functionName(policy: string): string {
  return identifier(policy.replaceAll("-", "_"));
}

/** Names that are already symbols of an object file. */
function namesOf({ maps }: TargetStorage): string[] {
  return maps.flatMap(({ name, fields }) => [name, ...fields.map((field) => identifier(field.name))]);
}

/** C keywords: a skeleton has members with these names. */
const keywords =
  "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split(
    " ",
  );

function distinct(name: string, taken: Set<string>): string {
  let one = name;
  for (let count = 2; taken.has(one); count += 1) one = `${name}_${count}`;
  taken.add(one);
  return one;
}

/** `struct bpf_line_info` has 10 bits for the column, and 22 for the line. */
const [mostColumns, mostLines] = [(1 << 10) - 1, (1 << 22) - 1];

/** One entry for each instruction whose location differs from the previous one's, and one at the start of each part. */
function describeLines(
  btf: Btf,
  object: EbpfProgram,
  { files, architecture }: EbpfArtifact["program"],
  sources: Sources,
  positions: readonly number[],
): LineDescription[] {
  const texts = files.map((file) => (sources.get(file) ?? "").split(/\r?\n/));
  const parts = new Map(object.parts.map((part) => [part.start, part]));
  const lines: LineDescription[] = [];
  let own: Omit<LineDescription, "slot"> = { file: 0, text: 0, line: 0, column: 0 };
  let last: Omit<LineDescription, "slot"> | undefined;
  object.locations.forEach((at, index) => {
    const part = parts.get(index);
    if (part !== undefined) {
      const text = btf.strings.offset(heading(part, architecture).slice(0, 200));
      own = { file: btf.strings.offset("portcullis"), text, line: 0, column: 0 };
    }
    const place =
      at === undefined
        ? own
        : {
            file: btf.strings.offset(files[at.file] ?? "?"),
            text: btf.strings.offset((texts[at.file]?.[at.line - 1] ?? "").trim()),
            line: Math.min(at.line, mostLines),
            column: Math.min(at.column, mostColumns),
          };
    const same = last !== undefined && last.file === place.file && last.line === place.line && last.text === place.text;
    if (part === undefined && same && last?.column === place.column) return;
    last = place;
    lines.push({ slot: positions[index]!, ...place });
  });
  return lines;
}

// ── As bpf(2) takes them ────────────────────────────────────────────────────────────────────────────────────────────

/** `struct bpf_func_info[]`. */
export function encodeFunctions(functions: readonly FunctionDescription[]): Uint8Array {
  return words(functions.flatMap(({ start, type }) => [start, type]));
}

/** `struct bpf_line_info[]`. */
export function encodeLines(functions: readonly FunctionDescription[]): Uint8Array {
  return words(functions.flatMap(({ lines }) => lines.flatMap((line) => [line.slot, ...lineWords(line)])));
}

/** The words after the instruction offset in a `struct bpf_line_info`. */
export function lineWords({ file, text, line, column }: LineDescription): readonly [number, number, number] {
  return [file, text, ((line << 10) | column) >>> 0];
}

function words(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  return new Uint8Array(view.buffer);
}
