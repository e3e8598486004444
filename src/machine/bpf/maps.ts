/** BPF maps: create, read, write, freeze. */

import type { MapType } from "../../abi/bpf-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { Attributes, type BpfCommand, bpf, nameAt, objectInfo, succeed } from "./command.ts";

export interface MapDescription {
  readonly type: MapType;
  /** Truncated to 15 characters. */
  readonly name?: string;
  /** In bytes; 0 for a ring buffer, as is `valueSize`. */
  readonly keySize: number;
  readonly valueSize: number;
  /** In entries; a ring buffer's in bytes. */
  readonly capacity: number;
  readonly flags?: number;
  /** The types of keys and values: a BTF object (`loadBtf`) and two type ids in it. */
  readonly btf?: { readonly descriptor: number; readonly key: number; readonly value: number } | undefined;
}

/** A map, through a descriptor with close-on-exec. Methods throw a BpfError. */
export class BpfMap {
  readonly descriptor: number;
  readonly description: MapDescription;

  /** Creates a map, or wraps the descriptor of an existing one. */
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

  /** The value of a key; undefined if it is absent. */
  get(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.description.valueSize);
    const result = this.#element("lookUp", key, value);
    if (result === -errno.ENOENT) return undefined;
    succeed("reading a map", result);
    return value;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    succeed("writing a map", this.#element("update", key, value));
  }

  /** Whether the key was present. */
  delete(key: Uint8Array): boolean {
    const result = this.#element("delete", key);
    if (result === -errno.ENOENT) return false;
    succeed("deleting from a map", result);
    return true;
  }

  /** Iterates over the keys; a key that is added meanwhile may be missed. */
  *keys(): Generator<Uint8Array> {
    let last: Uint8Array | undefined;
    for (;;) {
      const next = new Uint8Array(this.description.keySize);
      const attributes = new Attributes(32).word(0, this.descriptor).address(16, next);
      if (last !== undefined) attributes.address(8, last);
      const result = bpf("nextKey", attributes);
      if (result === -errno.ENOENT) return;
      succeed("walking a map", result);
      yield next;
      last = next;
    }
  }

  /** Makes bpf(2) refuse writes; programs may still write, unless the map is read-only for them. */
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

/** A map's description (`struct bpf_map_info`). */
export interface MapInfo {
  readonly type: number;
  readonly id: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly capacity: number;
  readonly flags: number;
  readonly name: string;
  /** The id of the BTF object, and its types of key and value; 0 if there is none. */
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
