/**
 * ELF relocatable files for BPF (`ET_REL`, `EM_BPF`), 64-bit little-endian: the System V ABI's tables, and the two
 * relocation types that libbpf supports (Documentation/bpf/llvm_reloc.rst).
 */

const elfHeaderSize = 64;
const sectionHeaderSize = 64;
const symbolSize = 24;
const relocationSize = 16;

/** `SHT_…`, `SHF_…`. */
const types = { contents: 1, symbols: 2, strings: 3, relocations: 9 } as const;
const flagBits = { write: 1, allocate: 2, execute: 4, link: 0x40 } as const;
/** ET_REL, EM_BPF. */
const [relocatable, machine] = [1, 247];

const symbolTypes = { none: 0, object: 1, function: 2, section: 3 } as const;
/** R_BPF_64_64: the immediate of a wide instruction; R_BPF_64_32: that of a call, in instructions. */
const relocationTypes = { wide: 1, call: 10 } as const;

export interface ObjectSection {
  readonly name: string;
  readonly contents: Uint8Array;
  /** The content in memory: code, writable data, read-only data; "other" is not loaded. */
  readonly is: "code" | "data" | "read-only" | "other";
  readonly relocations?: readonly ObjectRelocation[];
}

export interface ObjectRelocation {
  /** Bytes from the section's start. */
  readonly offset: number;
  readonly is: keyof typeof relocationTypes;
  /** The start of a section, by its name; or a symbol, by its name. */
  readonly to: { readonly section: string } | { readonly symbol: string };
}

export interface ObjectSymbol {
  readonly name: string;
  readonly is: "object" | "function";
  readonly scope: "local" | "global";
  readonly section: string;
  readonly offset: number;
  readonly size: number;
}

/** @param externs names that the file uses and does not define */
export function encodeElf(
  sections: readonly ObjectSection[],
  symbols: readonly ObjectSymbol[],
  externs: readonly string[],
): Uint8Array {
  const names = new Names();
  const symbolNames = new Names();
  const indexes = new Map(sections.map(({ name }, index) => [name, index + 1]));
  const sectionIndex = (name: string): number => {
    const index = indexes.get(name);
    if (index === undefined) throw new RangeError(`there is no section ${name}`);
    return index;
  };
  // Local symbols come first; the table records where the others begin.
  const rows = [
    { name: "", info: 0, section: 0, offset: 0, size: 0 },
    ...sections.map(({ name }) => row("", "section", "local", sectionIndex(name), 0, 0)),
    ...[...symbols]
      .sort((a, b) => Number(a.scope === "global") - Number(b.scope === "global"))
      .map(({ name, is, scope, section, offset, size }) => row(name, is, scope, sectionIndex(section), offset, size)),
    ...externs.map((name) => row(name, "none", "global", 0, 0, 0)),
  ];
  const symbolIndex = (to: ObjectRelocation["to"]): number => {
    if ("section" in to) return sectionIndex(to.section);
    const index = rows.findIndex(({ name }) => name === to.symbol);
    if (index < 0) throw new RangeError(`there is no symbol ${to.symbol}`);
    return index;
  };
  const firstGlobal = rows.findIndex(({ info }) => info >> 4 !== 0);

  const all: Header[] = [emptyHeader];
  for (const { name, contents, is } of sections) {
    const flags = {
      code: flagBits.allocate | flagBits.execute,
      data: flagBits.allocate | flagBits.write,
      "read-only": flagBits.allocate,
      other: 0,
    }[is];
    all.push({ ...emptyHeader, name: names.offset(name), type: types.contents, flags, contents, align: 8 });
  }
  const symbolsAt = sections.length + 1 + sections.filter(({ relocations = [] }) => relocations.length > 0).length;
  for (const { name, relocations = [] } of sections) {
    if (relocations.length === 0) continue;
    all.push({
      name: names.offset(`.rel${name}`),
      type: types.relocations,
      flags: flagBits.link,
      contents: encodeRelocations(relocations, symbolIndex),
      link: symbolsAt,
      info: sectionIndex(name),
      align: 8,
      entry: relocationSize,
    });
  }
  all.push({
    name: names.offset(".symtab"),
    type: types.symbols,
    flags: 0,
    contents: encodeSymbols(rows, symbolNames),
    link: symbolsAt + 1,
    info: firstGlobal < 0 ? rows.length : firstGlobal,
    align: 8,
    entry: symbolSize,
  });
  const strings = { ...emptyHeader, type: types.strings, align: 1 };
  all.push({ ...strings, name: names.offset(".strtab"), contents: symbolNames.encode() });
  const ownName = names.offset(".shstrtab");
  all.push({ ...strings, name: ownName, contents: names.encode() });
  return layOut(all);
}

interface Header {
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly contents: Uint8Array;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entry: number;
}

const emptyHeader: Header = {
  name: 0,
  type: 0,
  flags: 0,
  contents: new Uint8Array(),
  link: 0,
  info: 0,
  align: 0,
  entry: 0,
};

interface SymbolRow {
  readonly name: string;
  readonly info: number;
  readonly section: number;
  readonly offset: number;
  readonly size: number;
}

function row(
  name: string,
  is: keyof typeof symbolTypes,
  scope: "local" | "global",
  section: number,
  offset: number,
  size: number,
): SymbolRow {
  return { name, info: ((scope === "global" ? 1 : 0) << 4) | symbolTypes[is], section, offset, size };
}

function encodeSymbols(rows: readonly SymbolRow[], names: Names): Uint8Array {
  const view = new DataView(new ArrayBuffer(symbolSize * rows.length));
  rows.forEach(({ name, info, section, offset, size }, index) => {
    const at = symbolSize * index;
    view.setUint32(at, names.offset(name), true);
    view.setUint8(at + 4, info);
    view.setUint16(at + 6, section, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(size), true);
  });
  return new Uint8Array(view.buffer);
}

function encodeRelocations(
  relocations: readonly ObjectRelocation[],
  symbolIndex: (to: ObjectRelocation["to"]) => number,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(relocationSize * relocations.length));
  relocations.forEach(({ offset, is, to }, index) => {
    view.setBigUint64(relocationSize * index, BigInt(offset), true);
    view.setUint32(relocationSize * index + 8, relocationTypes[is], true);
    view.setUint32(relocationSize * index + 12, symbolIndex(to), true);
  });
  return new Uint8Array(view.buffer);
}

/** The header, the sections' contents, then the section table. */
function layOut(headers: readonly Header[]): Uint8Array {
  let end = elfHeaderSize;
  const offsets = headers.map(({ contents, align }) => {
    const start = align > 1 ? Math.ceil(end / align) * align : end;
    end = start + contents.length;
    return start;
  });
  const table = Math.ceil(end / 8) * 8;
  const bytes = new Uint8Array(table + headers.length * sectionHeaderSize);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, relocatable, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(52, elfHeaderSize, true);
  view.setUint16(58, sectionHeaderSize, true);
  view.setUint16(60, headers.length, true);
  view.setUint16(62, headers.length - 1, true);
  headers.forEach(({ name, type, flags, contents, link, info, align, entry }, index) => {
    const at = table + sectionHeaderSize * index;
    bytes.set(contents, offsets[index]!);
    view.setUint32(at, name, true);
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 8, BigInt(flags), true);
    view.setBigUint64(at + 24, BigInt(type === 0 ? 0 : offsets[index]!), true);
    view.setBigUint64(at + 32, BigInt(contents.length), true);
    view.setUint32(at + 40, link, true);
    view.setUint32(at + 44, info, true);
    view.setBigUint64(at + 48, BigInt(align), true);
    view.setBigUint64(at + 56, BigInt(entry), true);
  });
  return bytes;
}

/** A table of NUL-terminated names. */
class Names {
  readonly #offsets = new Map<string, number>();
  #bytes = new Uint8Array();

  constructor() {
    this.offset("");
  }

  offset(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(`${name}\0`)]);
    this.#offsets.set(name, offset);
    return offset;
  }

  encode(): Uint8Array {
    return this.#bytes;
  }
}
