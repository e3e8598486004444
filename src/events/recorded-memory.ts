/** The memory behind a call's pointers as events have it: in place of the pointer for people, as JSON for programs. */

import type { ArchitectureName } from "../abi/architecture.ts";
import { escapeBytes, quoteBytes, utf8 } from "../abi/byte-text.ts";
import type { DecodedArgument } from "../abi/decode.ts";
import { pointeeOf, type StructureName } from "../abi/pointees.ts";
import { decodeStructure } from "../abi/structure-text.ts";
import { readSocketAddress, type SocketAddress } from "../ir/observe.ts";
import { printAddress } from "../patterns/cidr.ts";
import type { AddressJson, MemoryJson, TextJson } from "./event.ts";
import type { RecordedMemory } from "./record.ts";

/** AF_INET6 (include/linux/socket.h). */
const inet6 = 10n;

/** Shows the memory in place of each pointer to it. */
export function withMemory(
  architecture: ArchitectureName,
  call: string,
  decoded: readonly DecodedArgument[],
  memory: readonly RecordedMemory[],
): readonly DecodedArgument[] {
  if (memory.length === 0) return decoded;
  const texts = new Map(memory.map((one) => [one.name, memoryText(architecture, call, one)]));
  return decoded.map((one) => ({ name: one.name, text: texts.get(one.name) ?? one.text }));
}

/** `"/etc/shadow"`, `["git", "log"]`, `10.0.0.1:443`, `{flags=O_RDONLY, …}`. */
function memoryText(architecture: ArchitectureName, call: string, { name, memory, isCut }: RecordedMemory): string {
  switch (memory.is) {
    case "text":
      return quoteBytes(memory.bytes, isCut);
    case "strings": {
      const entries = memory.entries.map((entry) => quoteBytes(entry.bytes, entry.isCut));
      return `[${[...entries, ...(isCut ? ["..."] : [])].join(", ")}]`;
    }
    case "address": {
      const text = addressText(readSocketAddress(memory.bytes));
      return pointeeOf(call, name)?.is === "message" ? messageText(text, memory.controlLength) : text;
    }
    case "structure": {
      const structure = structureOf(call, name);
      if (structure === undefined) return `{${hexadecimalBytes(memory.bytes)}${isCut ? "..." : ""}}`;
      const fields = decodeStructure(architecture, structure, memory.bytes);
      return `{${fields.map((field) => `${field.name}=${field.text}`).join(", ")}}`;
    }
  }
}

/** `{msg_name=10.0.0.1:443, msg_controllen=24}`; a length of 0 is left out. */
export function messageText(address: string, controlLength: bigint | undefined): string {
  const name = address === "none" ? "NULL" : address;
  return `{msg_name=${name}${controlLength ? `, msg_controllen=${controlLength}` : ""}}`;
}

/** The entries of lists for which a rule has given the verdict: `PAGER=less`. Undefined if there are none. */
export function refusedEntries(memory: readonly RecordedMemory[]): string | undefined {
  const refused = memory.flatMap((one) => (one.memory.is === "strings" ? (one.memory.refused ?? []) : []));
  if (refused.length === 0) return undefined;
  return refused.map(({ bytes, isCut }) => `${escapeBytes(bytes)}${isCut ? "..." : ""}`).join(", ");
}

function structureOf(call: string, name: string): StructureName | undefined {
  const pointee = pointeeOf(call, name);
  return pointee?.is === "structure" ? pointee.structure : undefined;
}

/** `10.0.0.1:443`, `[::1]:443`, `unix:/run/agent`, `abstract:@name`. */
export function addressText(address: SocketAddress): string {
  const { kind, family, port, name } = address;
  switch (kind) {
    case "ip":
      return `${hostText(address, true)}:${port}`;
    case "unspecified":
      return hasHost(address) ? `unspecified:${hostText(address, true)}:${port}` : kind;
    case "unix":
      return `unix:${nameText(name, "")}`;
    case "abstract":
      return `abstract:${nameText(name, "@")}`;
    case "unnamed":
      return "unix:";
    case "netlink":
    case "vsock":
    case "none":
      return kind;
    case "other":
      return `family:${family}`;
  }
}

/** AF_UNSPEC may be too short for an address. Those that have one have it as IPv4. */
function hasHost({ address }: SocketAddress): boolean {
  return address.low !== 0n;
}

/** Bare, where all of its characters are usual in names: any other could be syntax of a call, a case or a trace. */
function nameText(name: Uint8Array, before: string): string {
  const text = `${before}${escapeBytes(name)}`;
  return /^@?[\w./:+%-]+$/.test(text) && !text.includes("...") ? text : `"${text}"`;
}

function hostText({ family, address }: SocketAddress, bracketed: boolean): string {
  const whole = (address.high << 64n) | address.low;
  if (family !== inet6) return printAddress(whole, true);
  const text = printAddress(whole, false);
  return bracketed ? `[${text}]` : text;
}

function hexadecimalBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

// ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The members `memory` and `cut` of an event; no member where there is nothing to say. */
export function memoryMembers(
  architecture: ArchitectureName,
  call: string,
  memory: readonly RecordedMemory[],
): { readonly memory?: Readonly<Record<string, MemoryJson>>; readonly cut?: readonly string[] } {
  if (memory.length === 0) return {};
  const cut = memory.filter(({ isCut }) => isCut).map(({ name }) => name);
  return {
    memory: Object.fromEntries(memory.map((one) => [one.name, memoryJson(architecture, call, one)])),
    ...(cut.length === 0 ? {} : { cut }),
  };
}

function memoryJson(architecture: ArchitectureName, call: string, { name, memory }: RecordedMemory): MemoryJson {
  switch (memory.is) {
    case "text":
      return textJson(memory.bytes);
    case "strings":
      return memory.entries.map(({ bytes, isCut }) => (isCut ? { starts: textJson(bytes) } : textJson(bytes)));
    case "address":
      return messageJson(addressJson(readSocketAddress(memory.bytes)), memory.controlLength);
    case "structure": {
      const structure = structureOf(call, name);
      if (structure === undefined) return { hex: hexadecimalBytes(memory.bytes) };
      const fields = decodeStructure(architecture, structure, memory.bytes);
      return Object.fromEntries(fields.map((field) => [field.name, field.text]));
    }
  }
}

/** A text where the bytes are UTF-8, else their hexadecimal digits: no program need undo escapes. */
export function textJson(bytes: Uint8Array): TextJson {
  return utf8(bytes) ?? { hex: hexadecimalBytes(bytes) };
}

/** With the member `controllen`: a number, and beyond what those can say a text. */
export function messageJson(address: AddressJson, controlLength: bigint | undefined): AddressJson {
  if (controlLength === undefined) return address;
  const isSafe = controlLength <= BigInt(Number.MAX_SAFE_INTEGER);
  return { ...address, controllen: isSafe ? Number(controlLength) : String(controlLength) };
}

export function addressJson(address: SocketAddress): AddressJson {
  const { kind, port, name, family } = address;
  switch (kind) {
    case "ip":
      return { kind, address: hostText(address, false), port: Number(port) };
    case "unspecified":
      return hasHost(address) ? { kind, address: hostText(address, false), port: Number(port) } : { kind };
    case "unix":
      return { kind, path: textJson(name) };
    case "abstract":
      return { kind, name: textJson(name) };
    case "other":
      return { kind, family: Number(family) };
    case "none":
    case "unnamed":
    case "netlink":
    case "vsock":
      return { kind };
  }
}
