/** BTF objects: loads our own, and looks up functions in the kernel's. */
import { readFileSync } from "node:fs";
import { Attributes, bpf } from "./command.ts";
import { LogBuffer, logLevels, VerifierError } from "./verifier-log.ts";

/** Loads type information and returns its descriptor. Throws a VerifierError with the whole log if it is refused. */
export function loadBtf(bytes: Uint8Array): number {
  const attempt = (log?: LogBuffer): number => {
    const attributes = new Attributes(32).address(0, bytes).word(16, bytes.length);
    if (log !== undefined) attributes.address(8, log.bytes).word(20, log.bytes.length).word(24, logLevels.failure);
    return bpf("loadBtf", attributes);
  };
  const descriptor = attempt();
  if (descriptor >= 0) return descriptor;
  const log = new LogBuffer();
  const again = attempt(log);
  if (again >= 0) return again;
  throw new VerifierError("loading type information", -again, log.text());
}

/** Absent if the kernel has no type information (CONFIG_DEBUG_INFO_BTF). */
const kernelTypesFile = "/sys/kernel/btf/vmlinux";

/**
 * The BTF ids by which programs call kernel functions (BTF_KIND_FUNC in vmlinux's BTF). A name that the kernel lacks is
 * left out. Throws if the kernel's types cannot be read, and a RangeError if they are malformed.
 */
export function kernelFunctions(names: readonly string[], file = kernelTypesFile): ReadonlyMap<string, number> {
  return findFunctions(readFileSync(file), names);
}

const headerSize = 24;
const kindFunction = 12;

/** Bytes after a type's three words, by kind: fixed, and for each of its `vlen` members. */
const behind: readonly { readonly fixed: number; readonly each: number }[] = (() => {
  const none = { fixed: 0, each: 0 };
  const kinds = Array.from({ length: 20 }, () => none);
  kinds[1] = { fixed: 4, each: 0 }; // integer
  kinds[3] = { fixed: 12, each: 0 }; // array
  kinds[4] = kinds[5] = { fixed: 0, each: 12 }; // struct, union
  kinds[6] = { fixed: 0, each: 8 }; // enum
  kinds[13] = { fixed: 0, each: 8 }; // prototype
  kinds[14] = { fixed: 4, each: 0 }; // variable
  kinds[15] = { fixed: 0, each: 12 }; // section
  kinds[17] = { fixed: 4, each: 0 }; // tag of a declaration
  kinds[19] = { fixed: 0, each: 12 }; // enum of 64 bits
  return kinds;
})();

/** The ids of the functions with these names in encoded BTF. */
export function findFunctions(btf: Uint8Array, names: readonly string[]): ReadonlyMap<string, number> {
  if (btf.length < headerSize) throw new RangeError("the type information is truncated");
  const view = new DataView(btf.buffer, btf.byteOffset, btf.byteLength);
  const word = (at: number): number => view.getUint32(at, true);
  if (view.getUint16(0, true) !== 0xeb9f || view.getUint8(2) !== 1)
    throw new RangeError("this is not type information");
  const start = word(4);
  const [types, strings] = [start + word(8), start + word(16)];
  const [typesEnd, stringsEnd] = [types + word(12), strings + word(20)];
  if (typesEnd > btf.length || stringsEnd > btf.length) throw new RangeError("the type information is truncated");
  const wanted = nameOffsets(btf.subarray(strings, stringsEnd), names);
  const found = new Map<string, number>();
  let number = 1;
  for (let at = types; at < typesEnd; number += 1) {
    if (at + 12 > typesEnd) throw new RangeError("the type information is truncated");
    const info = word(at + 4);
    const kind = (info >>> 24) & 0x1f;
    const size = behind[kind];
    if (size === undefined) throw new RangeError(`type ${number} has the unknown kind ${kind}`);
    if (kind === kindFunction) {
      const name = wanted.get(word(at));
      if (name !== undefined && !found.has(name)) found.set(name, number);
    }
    at += 12 + size.fixed + size.each * (info & 0xffff);
  }
  return found;
}

/**
 * The offsets of each name in the string table. A name may be the tail of a longer string, so all occurrences count.
 */
function nameOffsets(strings: Uint8Array, names: readonly string[]): ReadonlyMap<number, string> {
  const table = Buffer.from(strings.buffer, strings.byteOffset, strings.byteLength);
  const offsets = new Map<number, string>();
  for (const name of names) {
    const text = Buffer.from(`${name}\0`);
    for (let at = table.indexOf(text); at >= 0; at = table.indexOf(text, at + 1)) offsets.set(at, name);
  }
  return offsets;
}
