/** Maps: made, read, written, frozen. */
import { Attributes, type BpfCommand, bpf, nameAt, objectInfo, succeed } from "./command.ts";

/** `enum bpf_map_type`, as far as it is used. */
export const mapTypes = { hash: 1, array: 2, ringBuffer: 27 } as const;
export type MapType = (typeof mapTypes)[keyof typeof mapTypes];

/**
 * `BPF_F_…` of map creation. `readOnlyForPrograms`: programs may not write it; frozen too, it is constant to the verifier.
 * `sealable`: only seccomp filters can use it, and one can be made its only writer (kernel/patches; no other kernel takes it).
 */
export const mapFlags = { readOnlyForPrograms: 1 << 7, mappable: 1 << 10, sealable: 1 << 28 } as const;

export interface MapDescription {
  readonly type: MapType;
  /** At most 15 characters are kept. */
  readonly name?: string;
  /** Bytes; 0 for a ring buffer, as is `valueSize`. */
  readonly keySize: number;
  readonly valueSize: number;
  /** Entries; a ring buffer's bytes. */
  readonly capacity: number;
  readonly flags?: number;
  /** What lies in keys and values: a BTF object (`loadBtf`) and the numbers of two of its types. */
  readonly btf?: { readonly descriptor: number; readonly key: number; readonly value: number } | undefined;
}

const enoent = 2;

/** A map, held by a descriptor that is closed on exec. Its methods throw a BpfError. */
export class BpfMap {
  readonly descriptor: number;
  readonly description: MapDescription;

  /** Makes a map; with a descriptor it is one that another has made so. */
  constructor(description: MapDescription, descriptor?: number) {
    this.description = description;
    if (descriptor !== undefined) {
      this.descriptor = descriptor;
      return;
    }
    const { name, flags = 0, btf } = description;
    const attributes = new Attributes(72)
      .word(0, description.type)
      .word(4, description.keySize)
      .word(8, description.valueSize)
      .word(12, description.capacity)
      .word(16, flags);
    if (name !== undefined) attributes.name(28, name);
    if (btf !== undefined) attributes.word(48, btf.descriptor).word(52, btf.key).word(56, btf.value);
    this.descriptor = succeed(`creating the map ${name ?? ""}`.trimEnd(), bpf("createMap", attributes));
  }

  /** The value behind a key, or undefined where there is none. */
  get(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.description.valueSize);
    const result = this.#element("lookUp", key, value);
    if (result === -enoent) return undefined;
    succeed("reading a map", result);
    return value;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    succeed("writing a map", this.#element("update", key, value));
  }

  /** Whether there was such a key. */
  delete(key: Uint8Array): boolean {
    const result = this.#element("delete", key);
    if (result === -enoent) return false;
    succeed("deleting from a map", result);
    return true;
  }

  /** The keys as they are met; one that is added meanwhile may be missed. */
  *keys(): Generator<Uint8Array> {
    let last: Uint8Array | undefined;
    for (;;) {
      const next = new Uint8Array(this.description.keySize);
      const attributes = new Attributes(32).word(0, this.descriptor).address(16, next);
      if (last !== undefined) attributes.address(8, last);
      const result = bpf("nextKey", attributes);
      if (result === -enoent) return;
      succeed("walking a map", result);
      yield next;
      last = next;
    }
  }

  /** From now on bpf(2) refuses to change it (programs may still, where it is not read-only for them). */
  freeze(): void {
    succeed("freezing a map", bpf("freeze", new Attributes(4).word(0, this.descriptor)));
  }

  #element(command: BpfCommand, key: Uint8Array, value?: Uint8Array): number {
    const { keySize, valueSize } = this.description;
    if (key.length !== keySize || (value !== undefined && value.length !== valueSize))
      throw new RangeError(`this map has keys of ${keySize} and values of ${valueSize} bytes`);
    const attributes = new Attributes(32).word(0, this.descriptor).address(8, key);
    if (value !== undefined) attributes.address(16, value);
    return bpf(command, attributes);
  }
}

/** What the kernel tells of a map (`struct bpf_map_info`). */
export interface MapInfo {
  readonly type: number;
  readonly id: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly capacity: number;
  readonly flags: number;
  readonly name: string;
  /** The BTF object's id, and its types of key and value; 0: none. */
  readonly btf: number;
  readonly keyType: number;
  readonly valueType: number;
}

export function mapInfo(descriptor: number): MapInfo {
  const info = objectInfo(descriptor, 88);
  const word = (offset: number) => info.getUint32(offset, true);
  return {
    type: word(0),
    id: word(4),
    keySize: word(8),
    valueSize: word(12),
    capacity: word(16),
    flags: word(20),
    name: nameAt(info, 24),
    btf: word(64),
    keyType: word(68),
    valueType: word(72),
  };
}
