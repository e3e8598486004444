/** The memory of a call in traces of JSON lines: the members `memory`, `cut` and `resolved` (docs/traces.md). */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { errnoByName, errnoName } from "../../abi/errno.ts";
import { type Pointee, pointeeOf, type StructureName, structures } from "../../abi/pointees.ts";
import { socketFamily } from "../../abi/socket-address.ts";
import { fieldParameter, fieldsOf, readField, writeField } from "../../abi/structure-text.ts";
import { maximumWord } from "../../abi/word.ts";
import type { GivenMemories, GivenMemory, GivenText } from "../../engines/simulate/given-memory.ts";
import { longestRecordedText } from "../../events/record.ts";
import { addressJson, messageJson, textJson } from "../../events/recorded-memory.ts";
import { readSocketAddress } from "../../ir/observe.ts";
import { readArgument } from "./argument.ts";
import { abstractAddress, internetAddress, plainAddress, unixAddress, unnamedAddress } from "./socket-address.ts";

type Members = Readonly<Record<string, unknown>>;

export type JsonMemoryReading =
  | { readonly memory: GivenMemories }
  /** A member that does not fit, and what it is to be. */
  | { readonly member: string; readonly given: unknown; readonly wanted: string };

export function readJsonMemory(line: Members, call: string, architecture: ArchitectureName): JsonMemoryReading {
  const memory = new Map<string, GivenMemory>();
  const { memory: given = {}, cut = [], resolved = {} } = line;
  if (!isObject(given)) return { member: "memory", given, wanted: "an object with the names of arguments" };
  if (!Array.isArray(cut)) return { member: "cut", given: cut, wanted: "a list of names of arguments" };
  if (!isObject(resolved)) return { member: "resolved", given: resolved, wanted: "an object with absolute paths" };
  for (const [name, value] of Object.entries(given)) {
    const pointee = pointeeOf(call, name);
    const member = `memory.${name}`;
    if (pointee === undefined) return { member, given: value, wanted: `left out: ${call} has no such memory` };
    const found = readOne(value, pointee, architecture, cut.includes(name));
    if (found === undefined) return { member, given: value, wanted: wanted[pointee.is] };
    memory.set(name, found);
  }
  for (const [name, path] of Object.entries(resolved)) {
    const found = memory.get(name);
    if (found === undefined || (found.is !== "text" && found.is !== "address")) {
      return { member: `resolved.${name}`, given: path, wanted: "of a path or an address in `memory`" };
    }
    if (typeof path !== "string" || !path.startsWith("/")) {
      return { member: `resolved.${name}`, given: path, wanted: "an absolute path" };
    }
    memory.set(name, { ...found, resolved: path });
  }
  return { memory };
}

const texts = '"/etc/hosts", {"hex": "2fff"} or {"starts": "/usr/"}';
const wanted: { readonly [P in Pointee["is"]]: string } = {
  path: texts,
  string: texts,
  strings: '["git", "log"]',
  address: '{"kind": "ip", "address": "10.0.0.1", "port": 443}, {"kind": "unix", "path": "/run/agent"}',
  message: 'the address of the message: {"kind": "ip", "address": "10.0.0.1", "port": 443, "controllen": 24}',
  structure: 'its fields as texts: {"flags": "O_RDONLY", "resolve": "0"}',
};

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readOne(
  value: unknown,
  pointee: Pointee,
  architecture: ArchitectureName,
  isCut: boolean,
): GivenMemory | undefined {
  if (value === null) return { is: "absent" };
  if (isObject(value) && typeof value["error"] === "string") {
    const errno = errnoByName(value["error"]);
    return errno === undefined ? undefined : { is: "failed", errno };
  }
  switch (pointee.is) {
    case "path":
    case "string": {
      const text = readText(value);
      return text && { is: "text", ...text, isCut: text.isCut || isCut };
    }
    case "strings": {
      const entries = Array.isArray(value) ? value.map(readText) : undefined;
      if (entries === undefined || entries.includes(undefined)) return undefined;
      // An event cuts the entries, too, and does not say which.
      const marked = (entries as GivenText[]).map((one) => ({
        bytes: one.bytes,
        isCut: one.isCut || (isCut && one.bytes.length >= longestRecordedText),
      }));
      return { is: "strings", entries: marked, isCut };
    }
    case "address": {
      const bytes = isObject(value) ? readAddress(value) : undefined;
      return bytes && { is: "address", bytes };
    }
    case "message": {
      const bytes = isObject(value) ? readAddress(value) : undefined;
      const controlLength = isObject(value) ? readLength(value["controllen"]) : undefined;
      return bytes && controlLength !== null ? { is: "address", bytes, controlLength } : undefined;
    }
    case "structure":
      return isObject(value) ? readStructure(value, pointee.structure, architecture) : undefined;
  }
}

/** Undefined where it is not given, null where it is not a length. */
function readLength(value: unknown): bigint | null | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  const length = typeof text === "string" && /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
  return length !== undefined && length <= maximumWord ? length : null;
}

function readText(value: unknown): GivenText | undefined {
  if (typeof value === "string") return { bytes: new TextEncoder().encode(value), isCut: false };
  if (!isObject(value)) return undefined;
  const { hex, starts } = value;
  if (starts !== undefined) {
    const text = readText(starts);
    return text && { ...text, isCut: true };
  }
  if (typeof hex !== "string" || !/^(?:[0-9a-f]{2})*$/i.test(hex)) return undefined;
  return { bytes: Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)), isCut: false };
}

function readAddress(value: Members): Uint8Array | undefined {
  const { kind, address, port } = value;
  switch (kind) {
    case "none":
      return new Uint8Array(0);
    case "unnamed":
      return unnamedAddress;
    case "netlink":
    case "vsock":
      return plainAddress(socketFamily[kind]);
    case "unspecified":
      if (address === undefined) return plainAddress(socketFamily.unspecified);
      return typeof address === "string" ? internetAddress(address, Number(port), kind) : undefined;
    case "ip":
      return typeof address === "string" ? internetAddress(address, Number(port)) : undefined;
    case "unix": {
      const path = readText(value["path"]);
      return path === undefined || path.isCut || path.bytes.length === 0 ? undefined : unixAddress(path.bytes);
    }
    case "abstract": {
      const name = readText(value["name"]);
      return name === undefined || name.isCut ? undefined : abstractAddress(name.bytes);
    }
    case "other": {
      const number = value["family"];
      const isFamily = typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 0xffff;
      return isFamily ? plainAddress(number) : undefined;
    }
    default:
      return undefined;
  }
}

/** Fields that are left out are not known. */
function readStructure(value: Members, name: StructureName, architecture: ArchitectureName): GivenMemory | undefined {
  const { size } = structures[name];
  const [bytes, unknown] = [new Uint8Array(size), new Uint8Array(size)];
  const fields = fieldsOf(name);
  if (Object.keys(value).some((key) => !fields.some((field) => field.name === key))) return undefined;
  for (const field of fields) {
    const text = value[field.name];
    if (text === undefined) {
      writeField(unknown, field, 0xffff_ffff_ffff_ffffn);
      continue;
    }
    const written = typeof text === "number" && Number.isSafeInteger(text) ? String(text) : text;
    const reading =
      typeof written === "string" ? readArgument(written, fieldParameter(field), architecture) : undefined;
    if (reading === undefined || "fault" in reading) return undefined;
    writeField(bytes, field, reading.register);
  }
  return { is: "structure", bytes, unknown };
}

// ── The other way ───────────────────────────────────────────────────────────────────────────────────────────────────

/** The inverse of `readJsonMemory`. */
export function jsonMemory(call: string, memory: GivenMemories): Members {
  const members: Record<string, unknown> = {};
  const cut: string[] = [];
  const resolved: Record<string, string> = {};
  for (const [name, one] of memory) {
    if (one.is === "unknown") continue;
    members[name] = jsonOf(call, name, one);
    if ("isCut" in one && one.isCut) cut.push(name);
    if ("resolved" in one && one.resolved !== undefined) resolved[name] = one.resolved;
  }
  return {
    ...(Object.keys(members).length === 0 ? {} : { memory: members }),
    ...(cut.length === 0 ? {} : { cut }),
    ...(Object.keys(resolved).length === 0 ? {} : { resolved }),
  };
}

function jsonOf(call: string, name: string, one: Exclude<GivenMemory, { is: "unknown" }>): unknown {
  switch (one.is) {
    case "absent":
      return null;
    case "failed":
      return { error: errnoName(one.errno) ?? "EFAULT" };
    case "text":
      return textJson(one.bytes);
    case "strings":
      return one.entries.map(({ bytes, isCut }) => (isCut ? { starts: textJson(bytes) } : textJson(bytes)));
    case "address":
      return messageJson(addressJson(readSocketAddress(one.bytes)), one.controlLength);
    case "structure": {
      const pointee = pointeeOf(call, name);
      const fields = pointee?.is === "structure" ? fieldsOf(pointee.structure) : [];
      const known = fields.filter((field) => readField(one.unknown, field) === 0n);
      return Object.fromEntries(known.map((field) => [field.name, `0x${readField(one.bytes, field).toString(16)}`]));
    }
  }
}
