/**
 * BTF, the kernel's type information (Documentation/bpf/btf.rst, include/uapi/linux/btf.h, Linux 6.12): types are
 * numbered from 1 in the order in which they are added, 0 is void, and names are in a string table. It tells the
 * verifier where a map's value has a lock, and names fields, functions and lines for its log and for bpftool.
 */

const kinds = {
  integer: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  volatile: 9,
  constant: 10,
  function: 12,
  prototype: 13,
  variable: 14,
  section: 15,
} as const;

/** `btf_type`'s `size` and `vlen` are 32 and 16 bits; a struct with more members is refused by the kernel too. */
const mostMembers = 0xffff;

export interface Member {
  readonly name: string;
  readonly type: number;
  /** Bytes from the struct's start. */
  readonly offset: number;
}

/** The variables of a map or a section. */
export interface SectionVariable {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/** The string table, without duplicates. */
class Strings {
  readonly #offsets = new Map<string, number>([["", 0]]);
  readonly #chunks: Uint8Array[] = [new Uint8Array(1)];
  #size = 1;
  static readonly #encoder = new TextEncoder();

  /** The offset of a string in the table. The string is cut at a NUL. */
  offset(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const end = text.indexOf("\0");
    const bytes = Strings.#encoder.encode(`${end < 0 ? text : text.slice(0, end)}\0`);
    const offset = this.#size;
    this.#offsets.set(text, offset);
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    return offset;
  }

  encode(): Uint8Array {
    return concatenate(this.#chunks);
  }
}

/** Collects types without duplicates. Every method that adds a type returns its id. */
export class Btf {
  readonly strings = new Strings();
  readonly #words: number[] = [];
  readonly #known = new Map<string, number>();
  #count = 0;

  /** An unsigned integer of `size` bytes. */
  integer(size: 1 | 2 | 4 | 8): number {
    const name = { 1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long" }[size];
    return this.#add(name, kinds.integer, 0, size, [size * 8]);
  }

  /** `int`, the result type of a program. */
  signedInteger(): number {
    return this.#add("int", kinds.integer, 0, 4, [(1 << 24) | 32]);
  }

  pointer(to: number): number {
    return this.#add("", kinds.pointer, 0, to, []);
  }

  constant(of: number): number {
    return this.#add("", kinds.constant, 0, of, []);
  }

  volatile(of: number): number {
    return this.#add("", kinds.volatile, 0, of, []);
  }

  array(of: number, length: number): number {
    return this.#add("", kinds.array, 0, 0, [of, this.integer(4), length]);
  }

  /** "" means anonymous. Names become identifiers, unique among the members. */
  struct(name: string, size: number, members: readonly Member[]): number {
    if (members.length > mostMembers) throw new RangeError(`a struct has at most ${mostMembers} members`);
    const taken = new Set<string>();
    const words = members.flatMap((member) => [
      this.strings.offset(member.name === "" ? "" : unique(identifier(member.name), taken)),
      member.type,
      member.offset * 8,
    ]);
    return this.#add(name === "" ? "" : identifier(name), kinds.struct, members.length, size, words);
  }

  /** `struct bpf_spin_lock`, which the verifier knows by its name. */
  spinLock(): number {
    return this.struct("bpf_spin_lock", 4, [{ name: "val", type: this.integer(4), offset: 0 }]);
  }

  /** A function's parameters and result. */
  prototype(returns: number, parameters: readonly { readonly name: string; readonly type: number }[]): number {
    const words = parameters.flatMap(({ name, type }) => [this.strings.offset(identifier(name)), type]);
    return this.#add("", kinds.prototype, parameters.length, returns, words);
  }

  /** The verifier checks a global function by its prototype alone, a static one at each call. */
  function(name: string, prototype: number, linkage: "static" | "global" | "extern"): number {
    return this.#add(identifier(name), kinds.function, { static: 0, global: 1, extern: 2 }[linkage], prototype, []);
  }

  variable(name: string, type: number, linkage: "static" | "global"): number {
    return this.#add(identifier(name), kinds.variable, 0, type, [linkage === "global" ? 1 : 0]);
  }

  /** An ELF section's variables ("datasec"); its name may have dots. */
  section(name: string, size: number, variables: readonly SectionVariable[]): number {
    const words = variables.flatMap((variable) => [variable.type, variable.offset, variable.size]);
    return this.#add(name, kinds.section, variables.length, size, words);
  }

  /** The encoding for BPF_BTF_LOAD and for the section `.BTF` of an object. */
  encode(): Uint8Array {
    const strings = this.strings.encode();
    const headerSize = 24;
    const bytes = new Uint8Array(headerSize + this.#words.length * 4 + strings.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, btfMagic, true);
    view.setUint8(2, 1);
    view.setUint32(4, headerSize, true);
    view.setUint32(12, this.#words.length * 4, true);
    view.setUint32(16, this.#words.length * 4, true);
    view.setUint32(20, strings.length, true);
    this.#words.forEach((word, index) => {
      view.setUint32(headerSize + index * 4, word, true);
    });
    bytes.set(strings, headerSize + this.#words.length * 4);
    return bytes;
  }

  /** `info` is `vlen`; for functions, the linkage. */
  #add(name: string, kind: number, info: number, sizeOrType: number, rest: readonly number[]): number {
    const words = [this.strings.offset(name), ((kind << 24) | info) >>> 0, sizeOrType, ...rest];
    const key = words.join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#words.push(...words);
    this.#count += 1;
    this.#known.set(key, this.#count);
    return this.#count;
  }
}

export const btfMagic = 0xeb9f;

/** A valid name (`btf_name_valid_identifier`, kernel/bpf/btf.c): a C identifier of at most 127 bytes. */
export function identifier(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9_]/g, "_").slice(0, 120);
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`;
}

function unique(name: string, taken: Set<string>): string {
  let one = name;
  for (let count = 2; taken.has(one); count += 1) one = `${name}_${count}`;
  taken.add(one);
  return one;
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
