/**
 * The constants of the bundle format, version 7 (docs/bundle.md). `native/launcher/bundle.c` has the same.
 */

import { type ArchitectureName, architectureNames, auditArchitecture } from "../../abi/architecture.ts";
import { mapFlags, mapTypes } from "../../abi/bpf-numbers.ts";
import { mostDeclarations } from "../../abi/declared-arguments.ts";
import { maximumParameters, maximumRooms } from "../../ir/limits.ts";
import type { RoomScope } from "../../ir/program.ts";
import { opcode } from "../classic/instruction.ts";
import { largestLayers } from "../landlock/encode.ts";
import type { BundledAction } from "./bundle.ts";

/** "\x7fPCL\r\n\x1a\n": contains bytes that a text transfer would damage. */
export const magic = Uint8Array.of(0x7f, 0x50, 0x43, 0x4c, 0x0d, 0x0a, 0x1a, 0x0a);
export const version = 7;
export const headerSize = 64;
export const digestOffset = 32;
export const digestSize = 32;
export const tableEntrySize = 16;
export const largestBundle = 16 << 20;
/** The largest total size of the maps of a bundle, in bytes. */
export const largestMaps = 64 << 20;

/**
 * The size of an entry in bytes, and the smallest and largest number of entries. The position in this list is the kind,
 * from 1.
 */
export const sections = [
  { name: "strings", entry: 1, least: 1, most: 1 << 22 },
  { name: "policy", entry: 40, least: 1, most: 1 },
  { name: "classic", entry: 8, least: 0, most: 4096 },
  { name: "classicToken", entry: 4, least: 0, most: 8 },
  { name: "program", entry: 8, least: 1, most: 65536 },
  { name: "relocations", entry: 12, least: 0, most: 65536 },
  { name: "kernelFunctions", entry: 4, least: 0, most: 64 },
  { name: "maps", entry: 48, least: 0, most: 63 },
  { name: "initialValues", entry: 1, least: 0, most: 1 << 23 },
  { name: "states", entry: 20, least: 0, most: 8 },
  { name: "launchFields", entry: 16, least: 0, most: 128 },
  { name: "constantAllows", entry: 8, least: 0, most: 4096 },
  { name: "types", entry: 1, least: 0, most: 1 << 22 },
  { name: "functionInfo", entry: 8, least: 0, most: 65536 },
  { name: "lineInfo", entry: 16, least: 0, most: 65536 },
  { name: "verdicts", entry: 28, least: 1, most: 65536 },
  { name: "reports", entry: 28, least: 0, most: 65536 },
  { name: "reportValues", entry: 8, least: 0, most: 65536 },
  { name: "sourceMap", entry: 20, least: 0, most: 65536 },
  { name: "parameters", entry: 52, least: 0, most: maximumParameters },
  { name: "declared", entry: 24, least: 0, most: mostDeclarations },
  { name: "rooms", entry: 36, least: 0, most: maximumRooms },
  { name: "objects", entry: 1, least: 0, most: largestLayers },
  { name: "launch", entry: 1, least: 0, most: 4096 },
] as const;
export type SectionName = (typeof sections)[number]["name"];

export const none = 0xffff_ffff;

export const traits = { classicIsAll: 1, unprivileged: 2, readOnlyProc: 4 } as const;
/**
 * `SECCOMP_EBPF_LOCK`: the kernel holds the state objects' locks while the program runs. `SECCOMP_EBPF_MATCH`: it runs
 * automata for the program.
 */
export const attachFlags = { lock: 4, match: 8 } as const;
export const relocationKinds = ["map", "kernel-function"] as const;
export const mapTypeNumbers = {
  hash: mapTypes.hash,
  array: mapTypes.array,
  "ring-buffer": mapTypes.ringBuffer,
} as const;
/** `BPF_F_RDONLY_PROG`, of frozen maps. */
export const frozenFlag = mapFlags.readOnlyForPrograms;
export const mapContents = ["state", "launch", "events", "constants"] as const;
export const launchContents = {
  token: { number: 1, size: 16 },
  secret: { number: 2, size: 24 },
  parameter: { number: 3, size: 8 },
} as const;
export const parameterKinds = { unsigned: 1, signed: 2, flag: 3 } as const;
export const parameterTraits = { hasDefault: 1 } as const;
/** `SECCOMP_EBPF_STATE_…`, `SECCOMP_EBPF_FORK_…`. */
export const stateScopes = ["thread", "process"] as const;
export const forkKinds = ["copy", "fresh", "share"] as const;
/** `SECCOMP_EBPF_ROOM_…`. */
export const roomScopes = { process: 0, tree: 1, memory: 2 } as const satisfies Readonly<Record<RoomScope, number>>;
/** Part of the file format: a number never changes its meaning. */
export const actionNumbers = {
  allow: 0,
  log: 1,
  deny: 2,
  trap: 3,
  "kill-thread": 4,
  "kill-process": 5,
} as const satisfies Readonly<Record<BundledAction, number>>;
export const bundledActions = Object.keys(actionNumbers) as readonly BundledAction[];
export const prints = ["unsigned", "signed", "boolean"] as const;

/** `BPF_LD | BPF_IMM | BPF_DW`, `BPF_JMP | BPF_CALL`, `BPF_JMP | BPF_JEQ | BPF_K` (classic). */
export const opcodes = { wide: 0x18, call: 0x85, classicEqual: opcode.jumpEqual } as const;

export function architectureOf(audit: number): ArchitectureName | undefined {
  return architectureNames.find((name) => auditArchitecture[name] === audit);
}

/** The aligned start of the section after `end`. */
export function aligned(end: number): number {
  return (end + 7) & ~7;
}

/** The digest in a bundle's file, in hexadecimal. */
export function digestIn(file: Uint8Array): string {
  return Buffer.from(file.subarray(digestOffset, digestOffset + digestSize)).toString("hex");
}
