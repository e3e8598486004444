/**
 * The hand-written references: bench/reference/ebpf/NAME.c, compiled by clang -O2 and read from its ELF object. Their
 * state has the layout of the trial target, so both run on the same maps.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { pseudo } from "../../src/abi/bpf-numbers.ts";
import { decode } from "../../src/backend/ebpf/instructions/decode.ts";
import type { EbpfInstruction } from "../../src/backend/ebpf/instructions/instruction.ts";
import { trialMaps } from "../../src/backend/ebpf/testing/trial-target.ts";

/** Debian's clang-19: `make bench` installs it. */
const compiler = "clang-19";
const flags = ["-O2", "-g", "-target", "bpf", "-mcpu=v4", "-Wall", "-Wextra", "-Werror"];
/** The kernel's headers for the host's architecture, which clang does not search when it compiles for BPF. */
const headers = ["-idirafter", "/usr/include/x86_64-linux-gnu"];

export function compileReference(name: string): readonly EbpfInstruction[] {
  const object = `build/bench/ebpf-${name}.o`;
  mkdirSync("build/bench", { recursive: true });
  execFileSync(compiler, [...flags, ...headers, "-c", `bench/reference/ebpf/${name}.c`, "-o", object], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return readProgram(readFileSync(object));
}

interface Section {
  readonly name: string;
  readonly type: number;
  readonly bytes: Buffer;
  readonly link: number;
  readonly info: number;
}

/** SHT_SYMTAB, SHT_REL; R_BPF_64_64 (Documentation/bpf/llvm_reloc.rst). */
const [symbolTable, relocations, wideRelocation] = [2, 9, 1];

/** The section "policy", linked like a loader does: each map and variable is that of the trial target. */
function readProgram(file: Buffer): readonly EbpfInstruction[] {
  const sections = readSections(file);
  const index = sections.findIndex(({ name }) => name === "policy");
  const code = sections[index];
  const symbols = sections.find(({ type }) => type === symbolTable);
  if (code === undefined || symbols === undefined) throw new Error("the object has no section `policy`");
  const names = sections[symbols.link]!.bytes;
  const maps = new Map<number, number>();
  /** Makes the wide instruction at this offset refer to a map, or to a variable in its value. */
  const link = (at: number, map: number, kind: number, place: number) => {
    maps.set(at / 8, map);
    code.bytes.writeUInt8((code.bytes.readUInt8(at + 1) & 15) | (kind << 4), at + 1);
    code.bytes.writeInt32LE(place, at + 12);
  };
  for (const table of sections.filter(({ type, info }) => type === relocations && info === index)) {
    for (let at = 0; at < table.bytes.length; at += 16) {
      const offset = Number(table.bytes.readBigUInt64LE(at));
      const [type, symbol] = [table.bytes.readUInt32LE(at + 8), table.bytes.readUInt32LE(at + 12)];
      if (type !== wideRelocation) throw new Error(`relocation of type ${type} at ${offset}`);
      const entry = symbols.bytes.subarray(24 * symbol, 24 * symbol + 24);
      const section = sections[entry.readUInt16LE(6)]!.name;
      const value = Number(entry.readBigUInt64LE(8));
      if (section === ".maps") link(offset, mapNamed(text(names, entry.readUInt32LE(0))), pseudo.map, 0);
      else if (section === ".bss") {
        const addend = code.bytes.readInt32LE(offset + 4);
        link(offset, mapNamed("tree"), pseudo.mapValue, value + addend);
      } else throw new Error(`a relocation to section ${section}`);
    }
  }
  return decode(code.bytes, {
    map: (slot) => maps.get(slot) ?? fail(`slot ${slot} refers to a map without a relocation`),
    kernelFunction: (slot) => fail(`slot ${slot} calls a kernel function`),
  });
}

function fail(why: string): never {
  throw new Error(why);
}

function mapNamed(name: string): number {
  const index = (trialMaps as readonly string[]).indexOf(name);
  if (index < 0) throw new Error(`the trial target has no map \`${name}\``);
  return index;
}

function readSections(file: Buffer): Section[] {
  const [offset, size, count, namesAt] = [
    Number(file.readBigUInt64LE(40)),
    file.readUInt16LE(58),
    file.readUInt16LE(60),
    file.readUInt16LE(62),
  ];
  const headersOf = Array.from({ length: count }, (_, index) => file.subarray(offset + index * size));
  const bytesOf = (header: Buffer): Buffer => {
    const [from, length] = [Number(header.readBigUInt64LE(24)), Number(header.readBigUInt64LE(32))];
    // SHT_NOBITS has no bytes in the file.
    return header.readUInt32LE(4) === 8 ? Buffer.alloc(0) : file.subarray(from, from + length);
  };
  const names = bytesOf(headersOf[namesAt]!);
  return headersOf.map((header) => ({
    name: text(names, header.readUInt32LE(0)),
    type: header.readUInt32LE(4),
    bytes: bytesOf(header),
    link: header.readUInt32LE(40),
    info: header.readUInt32LE(44),
  }));
}

function text(names: Buffer, at: number): string {
  return names.toString("latin1", at, names.indexOf(0, at));
}
