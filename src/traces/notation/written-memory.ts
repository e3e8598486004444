/**
 * The memory behind a pointer argument as a person or strace writes it: `"/etc/shadow"`, `["git", "log"]`,
 * `10.0.0.1:443`, `{sa_family=AF_UNIX, sun_path=@"name"}`, `{flags=O_RDONLY, resolve=RESOLVE_BENEATH}`, `NULL`, `EFAULT`.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { readQuoted } from "../../abi/byte-text.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { type Pointee, type StructureName, structures } from "../../abi/pointees.ts";
import { fieldParameter, fieldsOf, writeField } from "../../abi/structure-text.ts";
import type { GivenMemory, GivenText } from "../../engines/simulate/given-memory.ts";
import { type ArgumentFault, readArgument } from "./argument.ts";
import { readNumber } from "./numbers.ts";
import { readBracedAddress, readPlainAddress } from "./socket-address.ts";
import { splitArguments } from "./strace-line.ts";

export interface MemorySource {
  readonly pointee: Pointee;
  readonly architecture: ArchitectureName;
  /** strace leaves out fields and prints more of some structures than a policy can ask for. */
  readonly by: "person" | "strace";
}

const unknown: GivenMemory = { is: "unknown" };

/** Undefined if the text does not contain the memory behind the pointer: a number, `…`. */
export function readMemory(written: string, source: MemorySource): GivenMemory | ArgumentFault | undefined {
  // "/* 24 vars */", and what the kernel has written: "{flags=…} => {parent_tid=[7]}".
  const text = written.replace(/ => \{.*\}$/s, "");
  const bare = text.replace(/\s*\/\*.*?\*\/\s*/g, "");
  if (bare === "NULL") return { is: "absent" };
  if (bare === "EFAULT") return { is: "failed", errno: errno.EFAULT };
  if (/^(?:\u2026|\.\.\.|_|)$/.test(bare)) return undefined;
  const number = readNumber(bare);
  if (number !== undefined) return number === 0n ? { is: "absent" } : undefined;
  const { pointee, architecture } = source;
  switch (pointee.is) {
    case "path":
    case "string":
      return readText(text);
    case "strings":
      return readList(text);
    case "address":
      return readSocket(text, architecture);
    case "message":
      return readMessage(text, source);
    case "structure":
      return readStructure(text, pointee.structure, source);
  }
}

function fault(text: string, what: string, help: string, offset = 0, length = text.length - offset): ArgumentFault {
  return { fault: what, help, offset, length: Math.max(1, length) };
}

// ── Texts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `"a"`, `"a"...`, `"a" resolved "/srv/a"`. */
function readText(text: string): GivenMemory | ArgumentFault {
  const help = 'a text in quotes: "/etc/hosts"; NULL, or EFAULT for memory that cannot be read; … for any address';
  if (!text.startsWith('"')) return fault(text, `${JSON.stringify(text)} is not a text`, help);
  const reading = readQuoted(text, 0);
  if ("fault" in reading) return { ...reading, help };
  const { bytes, isCut, end } = reading;
  const given: GivenMemory = { is: "text", bytes, isCut };
  const rest = text.slice(end).trim();
  if (rest === "" || rest.startsWith("/*")) return given;
  return withObject(text, end, given);
}

/** Behind a text or an address: ` resolved "/srv/a"`. */
function withObject(
  text: string,
  from: number,
  given: GivenMemory & { is: "text" | "address" },
): GivenMemory | ArgumentFault {
  const help = 'the object that it leads to: "a" resolved "/srv/a"';
  const rest = /^\s*resolved\s*(?=")/.exec(text.slice(from));
  if (rest === null) return fault(text, `${JSON.stringify(text.slice(from).trim())} is too much`, help, from);
  const reading = readQuoted(text, from + rest[0].length);
  if ("fault" in reading) return { ...reading, help };
  const resolved = new TextDecoder().decode(reading.bytes);
  if (!resolved.startsWith("/") || reading.isCut || text.slice(reading.end).trim() !== "") {
    return fault(text, "an object is named by its absolute path", help, from);
  }
  return { ...given, resolved };
}

/** `["git", "log"...]`, `["a", ...]`. */
function readList(text: string): GivenMemory | ArgumentFault {
  const help = 'a list of texts: ["git", "log"], or ["git", ...] where more follow';
  const inner = text.startsWith("[") && text.endsWith("]") ? splitArguments(`${text.slice(1, -1)})`, 0) : undefined;
  if (inner?.closed !== true) return fault(text, `${JSON.stringify(text)} is not a list`, help);
  const entries: GivenText[] = [];
  const elements = inner.arguments;
  for (const [index, element] of elements.entries()) {
    const isLast = index === elements.length - 1;
    if (isLast && /^(?:\.\.\.|\u2026)$/.test(element)) return { is: "strings", entries, isCut: true };
    // An entry that strace could not read stands as its address, and nothing of it is known.
    if (/^0x[0-9a-f]+$/.test(element)) {
      entries.push({ bytes: new Uint8Array(0), isCut: true });
      continue;
    }
    const reading = element.startsWith('"') ? readQuoted(element, 0) : undefined;
    if (reading === undefined || "fault" in reading || reading.end !== element.length) {
      const at = Math.max(0, text.indexOf(element));
      return fault(text, `${JSON.stringify(element)} is not an entry of a list`, help, at, element.length);
    }
    entries.push({ bytes: reading.bytes, isCut: reading.isCut });
  }
  return { is: "strings", entries, isCut: false };
}

// ── Addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────

function readSocket(text: string, architecture: ArchitectureName): GivenMemory | ArgumentFault {
  const help =
    "10.0.0.1:443, [::1]:443, unix:/run/agent, abstract:@name, netlink, vsock, unspecified, family:17, none; or as strace prints it";
  const end = endOfAddress(text);
  const written = text.slice(0, end);
  let bytes = readBracedAddress(written, architecture);
  if (bytes === undefined) {
    const quoted = written.startsWith('"') ? readQuoted(written, 0) : undefined;
    const isWhole = quoted !== undefined && !("fault" in quoted) && quoted.end === written.length;
    bytes = readPlainAddress(isWhole ? new TextDecoder().decode(quoted.bytes) : written);
  }
  if (bytes === undefined) return fault(text, `${JSON.stringify(text)} is not a socket address`, help);
  if (bytes === "unknown") return unknown;
  const given: GivenMemory = { is: "address", bytes };
  return end === text.length ? given : withObject(text, end, given);
}

/** The place where ` resolved "…"` begins, outside of the quotes of a name; the end of the text if it has none. */
function endOfAddress(text: string): number {
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '"') {
      const quoted = readQuoted(text, index);
      if ("fault" in quoted) break;
      index = quoted.end - 1;
    } else if (/^\s+resolved\s*"/.test(text.slice(index))) return index;
  }
  return text.length;
}

/**
 * `{msg_name={sa_family=…}, msg_namelen=16, …}`: of a message, its address and the length of its control data, which is 0
 * where a person leaves it out.
 */
function readMessage(text: string, { architecture, by }: MemorySource): GivenMemory | ArgumentFault {
  const help = "{msg_name=10.0.0.1:443}, {msg_name=NULL, msg_controllen=24}";
  const inner = text.startsWith("{") && text.endsWith("}") ? splitArguments(`${text.slice(1, -1)})`, 0) : undefined;
  if (inner?.closed !== true) return fault(text, `${JSON.stringify(text)} is not a message`, help);
  const name = inner.arguments.find((one) => one.startsWith("msg_name="))?.slice("msg_name=".length);
  if (name === undefined || /^0x[0-9a-f]+$/.test(name)) return unknown;
  const given = inner.arguments.find((one) => one.startsWith("msg_controllen="))?.slice("msg_controllen=".length);
  const length = given === undefined ? undefined : readNumber(given);
  if (by === "person" && given !== undefined && (length === undefined || length < 0n))
    return fault(text, `${JSON.stringify(given)} is not a length`, help, text.indexOf(given), given.length);
  const isOpen = by === "strace" || inner.arguments.some((one) => /^(?:\.\.\.|\u2026)$/.test(one));
  const controlLength = length ?? (isOpen ? undefined : 0n);
  if (name === "NULL") return { is: "address", bytes: new Uint8Array(0), controlLength };
  const reading = readSocket(name, architecture);
  if ("fault" in reading) return { ...reading, offset: text.indexOf(name) + reading.offset };
  return reading.is === "address" ? { ...reading, controlLength } : reading;
}

// ── Structures ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** strace leaves these out where they are 0 (src/open.c, src/clone.c, 6.13). */
const zeroWhereLeftOut: ReadonlySet<string> = new Set(["mode", "set_tid_size"]);

/** `{flags=O_RDONLY|O_CLOEXEC, resolve=0}`. Fields that a person leaves out are 0; with `...` they are not known. */
function readStructure(
  text: string,
  name: StructureName,
  { architecture, by }: MemorySource,
): GivenMemory | ArgumentFault {
  const fields = fieldsOf(name);
  const help = `{${fields.map((field) => `${field.name}=…`).join(", ")}}`;
  const inner = text.startsWith("{") && text.endsWith("}") ? splitArguments(`${text.slice(1, -1)})`, 0) : undefined;
  if (inner?.closed !== true) return fault(text, `${JSON.stringify(text)} is not a structure`, help);
  const { size } = structures[name];
  const bytes = new Uint8Array(size);
  const given = new Set<string>();
  const unread = new Set<string>();
  let isOpen = false;
  for (const element of inner.arguments) {
    const at = Math.max(0, text.indexOf(element));
    if (/^(?:\.\.\.|\u2026)$/.test(element)) {
      isOpen = true;
      continue;
    }
    const [, key = "", value = ""] = /^(\w+)=(.*)$/s.exec(element) ?? [];
    const field = fields.find((one) => one.name === key);
    if (field === undefined) {
      if (by === "strace") continue;
      return fault(text, `${JSON.stringify(element)} is not a field of ${name}`, help, at, element.length);
    }
    if (given.has(key)) return fault(text, `\`${key}\` is given twice`, help, at, element.length);
    given.add(key);
    const reading = readArgument(value.trim(), fieldParameter(field), architecture);
    if (!("fault" in reading)) writeField(bytes, field, reading.register);
    else if (by === "strace") unread.add(key);
    else return { ...reading, offset: at + key.length + 1 + reading.offset };
  }
  const unknownBytes = new Uint8Array(size);
  for (const field of fields) {
    const isMissing = !given.has(field.name) && (isOpen || (by === "strace" && !zeroWhereLeftOut.has(field.name)));
    if (isMissing || unread.has(field.name)) writeField(unknownBytes, field, 0xffff_ffff_ffff_ffffn);
  }
  return { is: "structure", bytes, unknown: unknownBytes };
}
