/**
 * Observations: the memory behind pointer arguments that an engine reads, once, before it judges a call, and the
 * integers (`ObservedWord`) that the program computes from it. An engine guarantees that the kernel uses the bytes that
 * were read. `observe.ts` is the reference meaning of the words.
 */
import { copyError } from "../abi/copy-errors.ts";
import type { StructureName } from "../abi/pointees.ts";
import { maximumHalf, maximumWord } from "../abi/word.ts";
import type { Pattern } from "../patterns/pattern.ts";
import type { Location } from "./location.ts";

export interface Observation {
  /** The policy's name of the argument: "path", "addr", "argv". */
  readonly name: string;
  readonly shape: Shape;
  /** Sorted by call number; at least one, at most one for each call. */
  readonly sources: readonly Source[];
  readonly at: Location | undefined;
}

/** The register with which a call passes the argument. */
export interface Source {
  /** The call's number. */
  readonly number: number;
  /** The register that holds the pointer, 0 … 5. */
  readonly register: number;
  /** The register that holds the length in bytes, 0 … 5: with addresses and structures. */
  readonly length: number | undefined;
}

/** The type of the memory behind the pointer. */
export type Shape =
  /** A path: NUL-terminated, at most PATH_MAX bytes with the NUL (getname(), fs/namei.c). */
  | { readonly is: "path" }
  /** A NUL-terminated string, at most `bytes` with the NUL. The kernel copies it by strndup_user(), or by `getname()`. */
  | { readonly is: "string"; readonly bytes: number; readonly by?: "getname" }
  /** `struct sockaddr`, at most 128 bytes (move_addr_to_kernel(), net/socket.c). */
  | { readonly is: "address" }
  /** `struct user_msghdr`: the address that its `msg_name` points to, and the length of its control data. */
  | { readonly is: "message" }
  /** A NULL-terminated array of strings. A longer list is refused with E2BIG and never judged. */
  | ({ readonly is: "strings" } & ListBounds)
  /**
   * A structure that carries its size (copy_struct_from_user(), include/linux/uaccess.h): shorter ones are extended by
   * zeros, longer ones must end in zeros. `size` is that of the kernel's newest layout we know, `minimum` the smallest
   * that the kernel takes.
   */
  | { readonly is: "structure"; readonly name: string; readonly minimum: number; readonly size: number };

/** The errno of a text that is too long. */
export function errnoOfTooLong(shape: Extract<Shape, { is: "path" | "string" }>): number {
  return shape.is === "string" && shape.by !== "getname" ? copyError.longString : copyError.longPath;
}

export function isStructure(shape: Shape, name: StructureName): boolean {
  return shape.is === "structure" && shape.name === name;
}

/** One 64-bit word about an observation. */
export interface ObservedWord {
  /** An index into `Program.observations`. */
  readonly observation: number;
  readonly reads: Reading;
}

/** The text that patterns are compared with. */
export type TextPart =
  /** The path or string; absent behind a null pointer. */
  | { readonly is: "whole" }
  /** The path of an address in the file system, absent in other addresses. */
  | { readonly is: "socket-path" }
  /** The name of an abstract Unix address, without its leading NUL; absent in other addresses. */
  | { readonly is: "abstract-name" }
  /** One entry of a list, absent where the list is shorter. */
  | { readonly is: "entry"; readonly index: number };

export type Reading =
  /** The number of entries of a list; of a string its bytes without the NUL; of an address or structure its bytes. */
  | { readonly is: "length" }
  /** Bit k is set where the text matches pattern k; no bit where it is absent. */
  | { readonly is: "matches"; readonly part: TextPart; readonly patterns: readonly Pattern[] }
  /** Bit k is set where an entry of the list matches pattern k. */
  | { readonly is: "any-entry"; readonly patterns: readonly Pattern[] }
  /** Bytes of a structure, little-endian, zero-extended. */
  | { readonly is: "field"; readonly offset: number; readonly bytes: 1 | 2 | 4 | 8 }
  /** A part of an address. `high` and `low` are the IPv6 address, an IPv4 one mapped (::ffff:0:0/96); 0 in other addresses. */
  | { readonly is: "address"; readonly part: AddressPart }
  /** The bytes of a message's control data (`msg_controllen`, a size_t); 0 behind a null pointer. */
  | { readonly is: "control-length" }
  /** Bit k is set where the object that the path leads to is this one (`is`), or lies in or below it (`under`). */
  | { readonly is: "resolved"; readonly objects: readonly ResolvedObject[] };

export type AddressPart = "kind" | "family" | "port" | "high" | "low";

export interface ResolvedObject {
  readonly is: "is" | "under";
  /** An absolute path. */
  readonly path: string;
}

/** The kinds of socket addresses; their position is the word of the part `kind`. */
export const addressKinds = [
  /** The call passes no address. */
  "none",
  /** AF_UNIX without a name. */
  "unnamed",
  "unix",
  "abstract",
  "ip",
  /** AF_UNSPEC. connect(2) disconnects; sendto(2) on an IPv4 socket takes it for AF_INET (net/ipv4/udp.c, 6.12). */
  "unspecified",
  "netlink",
  "vsock",
  /** Another family, or too short for one. */
  "other",
] as const;
export type AddressKind = (typeof addressKinds)[number];

/** sizeof(struct sockaddr_storage). */
export const addressBytes = 128;
/** Patterns of one word. The kernel's matcher returns their bits, or a negative error (backend/ebpf/memory/). */
export const maximumPatterns = 63;
/** Bounds of a list. */
export interface ListBounds {
  readonly entries: number;
  /** The bytes of all strings with their NULs. */
  readonly bytes: number;
}

export const maximumEntries = 1024;
export const maximumListBytes = 128 * 1024;

/** The largest value that a word has. */
export function wordMaximum({ reads }: ObservedWord): bigint {
  switch (reads.is) {
    case "length":
      return maximumHalf;
    case "matches":
    case "any-entry":
      return (1n << BigInt(reads.patterns.length)) - 1n;
    case "resolved":
      return (1n << BigInt(reads.objects.length)) - 1n;
    case "field":
      return (1n << BigInt(8 * reads.bytes)) - 1n;
    case "address":
      return partMaximum(reads.part);
    case "control-length":
      return maximumWord;
  }
}

function partMaximum(part: AddressPart): bigint {
  switch (part) {
    case "kind":
      return BigInt(addressKinds.length - 1);
    case "family":
    case "port":
      return 0xffffn;
    case "high":
    case "low":
      return maximumWord;
  }
}

/** The errors of an observation. */
export function observationFaults({ shape, sources }: Observation): string[] {
  const faults: string[] = [];
  if (sources.length === 0) faults.push("no call has it");
  const sized = shape.is === "address" || (shape.is === "structure" && shape.name !== "sched_attr");
  sources.forEach((source, index) => {
    if (index > 0 && source.number <= sources[index - 1]!.number) faults.push("its sources are not in order");
    for (const register of [source.register, source.length ?? 0]) {
      if (!Number.isInteger(register) || register < 0 || register > 5) faults.push(`no register ${register}`);
    }
    if (sized !== (source.length !== undefined)) faults.push("a missing length is read, or a length is not read");
  });
  if (shape.is === "strings" && !(shape.entries >= 1 && shape.entries <= maximumEntries)) faults.push("entries");
  if (shape.is === "strings" && !(shape.bytes >= 1 && shape.bytes <= maximumListBytes)) faults.push("bytes");
  if (shape.is === "structure" && !(shape.minimum >= 4 && shape.minimum <= shape.size)) faults.push("size");
  return faults;
}

/** The error of a word of the observation. */
export function wordFault({ shape }: Observation, { reads }: ObservedWord): string | undefined {
  switch (reads.is) {
    case "length":
      return undefined;
    case "matches":
    case "any-entry": {
      const count = reads.patterns.length;
      if (count < 1 || count > maximumPatterns) return `${count} patterns`;
      return fitsShape(shape, reads.is === "matches" ? reads.part : undefined)
        ? undefined
        : `no such text: ${shape.is}`;
    }
    case "field":
      return shape.is === "structure" && reads.offset >= 0 && reads.offset + reads.bytes <= shape.size
        ? undefined
        : "no such field";
    case "address":
      return shape.is === "address" || shape.is === "message" ? undefined : `${shape.is} is not an address`;
    case "control-length":
      return shape.is === "message" ? undefined : `${shape.is} has no control data`;
    case "resolved": {
      const count = reads.objects.length;
      if (count < 1 || count > maximumPatterns) return `${count} objects`;
      const leads = shape.is === "path" || shape.is === "address" || shape.is === "message";
      return leads ? undefined : `${shape.is} leads to no object`;
    }
  }
}

function fitsShape(shape: Shape, part: TextPart | undefined): boolean {
  switch (part?.is) {
    case undefined:
      return shape.is === "strings";
    case "whole":
      return shape.is === "path" || shape.is === "string";
    case "socket-path":
    case "abstract-name":
      return shape.is === "address" || shape.is === "message";
    case "entry":
      return shape.is === "strings" && part.index >= 0 && part.index < shape.entries;
  }
}
