/**
 * The part of the WebAssembly binary format that a module with a few functions, one imported memory and constant data
 * needs (https://webassembly.github.io/spec/core/binary/).
 */

/** Value types, with their encoding. */
export type ValueType = "i32" | "i64";

export const valueTypes: { readonly [T in ValueType]: number } = { i32: 0x7f, i64: 0x7e };

/** A growing byte string. */
export class Bytes {
  private buffer = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  bytes(values: Uint8Array): void {
    this.reserve(values.length);
    this.buffer.set(values, this.length);
    this.length += values.length;
  }

  /** Unsigned LEB128 of 0 … 2^32 − 1. */
  unsigned(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a value that is read as two's complement in its type's width. */
  signed(value: bigint): void {
    let rest = value;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
      if (done) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  text(value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.unsigned(encoded.length);
    this.bytes(encoded);
  }

  /** The bytes so far, without a copy. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count));
    larger.set(this.view());
    this.buffer = larger;
  }
}

export interface EncodedFunction {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly locals: readonly ValueType[];
  /** Instructions, including the last `end`. */
  readonly code: Uint8Array;
}

export interface ModuleParts {
  /** The minimum size of the imported memory, in pages of 64 KiB. */
  readonly minimumPages: number;
  /** In the order of their indexes. */
  readonly functions: readonly EncodedFunction[];
  readonly exports: readonly { readonly name: string; readonly functionIndex: number }[];
  /** Copied into memory when the module is instantiated. */
  readonly data: readonly { readonly address: number; readonly bytes: Uint8Array }[];
}

const sections = { type: 1, import: 2, function: 3, export: 7, code: 10, data: 11 } as const;

/** A module that imports its memory as `env.memory`. */
export function encodeModule(parts: ModuleParts): Uint8Array {
  const module = new Bytes();
  module.bytes(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00));
  section(module, sections.type, parts.functions, (content, { parameters, results }) => {
    content.byte(0x60);
    vector(content, parameters, (type) => content.byte(valueTypes[type]));
    vector(content, results, (type) => content.byte(valueTypes[type]));
  });
  section(module, sections.import, [parts.minimumPages], (content, pages) => {
    content.text("env");
    content.text("memory");
    content.byte(0x02); // a memory,
    content.byte(0x00); // with no maximum
    content.unsigned(pages);
  });
  section(module, sections.function, [...parts.functions.keys()], (content, index) => content.unsigned(index));
  section(module, sections.export, parts.exports, (content, { name, functionIndex }) => {
    content.text(name);
    content.byte(0x00);
    content.unsigned(functionIndex);
  });
  section(module, sections.code, parts.functions, (content, { locals, code }) => {
    const body = new Bytes();
    vector(body, runs(locals), ({ type, count }) => {
      body.unsigned(count);
      body.byte(valueTypes[type]);
    });
    body.bytes(code);
    content.unsigned(body.length);
    content.bytes(body.view());
  });
  section(module, sections.data, parts.data, (content, { address, bytes }) => {
    content.byte(0x00);
    content.byte(0x41); // i32.const
    content.signed(BigInt(address));
    content.byte(0x0b); // end
    content.unsigned(bytes.length);
    content.bytes(bytes);
  });
  return module.view().slice();
}

function section<T>(module: Bytes, id: number, items: readonly T[], write: (content: Bytes, item: T) => void): void {
  if (items.length === 0) return;
  const content = new Bytes();
  vector(content, items, (item) => write(content, item));
  module.byte(id);
  module.unsigned(content.length);
  module.bytes(content.view());
}

function vector<T>(target: Bytes, items: readonly T[], write: (item: T) => void): void {
  target.unsigned(items.length);
  for (const item of items) write(item);
}

/** Consecutive locals of one type, with their count, as the format declares them. */
function runs(locals: readonly ValueType[]): { type: ValueType; count: number }[] {
  const found: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = found.at(-1);
    if (last?.type === type) last.count += 1;
    else found.push({ type, count: 1 });
  }
  return found;
}
