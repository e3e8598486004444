/** The memory behind pointers as tests give it (`portcullis/testing`): by the name of the argument, as JavaScript values. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { CallDescription } from "../../abi/call.ts";
import { errnoByName } from "../../abi/errno.ts";
import { type Pointee, pointeeOf, type StructureName, structures } from "../../abi/pointees.ts";
import { type NamedArgument, registerValue } from "../../abi/registers.ts";
import { fieldParameter, fieldsOf, writeField } from "../../abi/structure-text.ts";
import { maximumWord } from "../../abi/word.ts";
import type { GivenMemory, GivenText } from "../../engines/simulate/given-memory.ts";
import { someAddress } from "./argument.ts";
import { readPlainAddress } from "./socket-address.ts";

type Members = Readonly<Record<string, unknown>>;

export interface TestedArguments {
  /** For `registersOf`. */
  readonly registers: Readonly<Record<string, NamedArgument | undefined>>;
  /** Behind each pointer that a policy can ask about; unknown where the test does not give it. */
  readonly memory: ReadonlyMap<string, GivenMemory>;
}

/** @throws TypeError where a value is not of the argument's form */
export function testedArguments(
  call: CallDescription,
  architecture: ArchitectureName,
  given: Members,
): TestedArguments {
  const registers: Record<string, NamedArgument | undefined> = {
    ...(given as Readonly<Record<string, NamedArgument | undefined>>),
  };
  const memory = new Map<string, GivenMemory>();
  for (const { name, kind } of call.parameters) {
    const pointee = kind.is === "pointer" ? pointeeOf(call.name, name) : undefined;
    if (pointee === undefined) continue;
    const value = given[name];
    if (value === undefined || typeof value === "bigint") {
      memory.set(name, { is: value === 0n ? "absent" : "unknown" });
      continue;
    }
    const found = memoryOf(value, pointee, architecture);
    if (found === undefined) throw new TypeError(`\`${name}\` of ${call.name} is ${wanted[pointee.is]}`);
    registers[name] = found.is === "absent" ? 0n : someAddress;
    memory.set(name, found);
  }
  return { registers, memory };
}

const orPointer = 'null, { fails: "EFAULT" }, or an address';
const wanted: { readonly [P in Pointee["is"]]: string } = {
  path: `a string, bytes, { text, resolved: "/…" }, ${orPointer}`,
  string: `a string, bytes, ${orPointer}`,
  strings: `a list of strings, ${orPointer}`,
  address: `a socket address ("10.0.0.1:443", "unix:/run/agent", "abstract:@name"), its bytes, { address, resolved: "/…" }, ${orPointer}`,
  message: `{ name: "10.0.0.1:443", controllen: 24n }, ${orPointer}`,
  structure: `an object with the structure's fields, ${orPointer}`,
};

function memoryOf(value: unknown, pointee: Pointee, architecture: ArchitectureName): GivenMemory | undefined {
  if (value === null) return { is: "absent" };
  if (isObject(value) && typeof value["fails"] === "string") {
    const errno = errnoByName(value["fails"]);
    return errno === undefined ? undefined : { is: "failed", errno };
  }
  switch (pointee.is) {
    case "path":
    case "string": {
      const hasObject = pointee.is === "path" && isObject(value);
      const text = textOf(hasObject ? value["text"] : value);
      const resolved = hasObject ? objectOf(value) : undefined;
      return text && resolved !== null ? { is: "text", ...text, resolved } : undefined;
    }
    case "strings": {
      const entries = Array.isArray(value) ? value.map(textOf) : undefined;
      if (entries === undefined || entries.includes(undefined)) return undefined;
      return { is: "strings", entries: entries as GivenText[], isCut: false };
    }
    case "address": {
      const bytes = addressOf(isObject(value) ? value["address"] : value);
      const resolved = isObject(value) ? objectOf(value) : undefined;
      return bytes && resolved !== null ? { is: "address", bytes, resolved } : undefined;
    }
    case "message": {
      if (!isObject(value) || value["name"] === undefined) return undefined;
      const bytes = value["name"] === null ? new Uint8Array(0) : addressOf(value["name"]);
      const controlLength = value["controllen"] ?? 0n;
      if (typeof controlLength !== "bigint" || controlLength < 0n || controlLength > maximumWord) return undefined;
      return bytes && { is: "address", bytes, controlLength };
    }
    case "structure":
      return isObject(value) ? structureOf(value, pointee.structure, architecture) : undefined;
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function textOf(value: unknown): GivenText | undefined {
  if (typeof value === "string") return { bytes: new TextEncoder().encode(value), isCut: false };
  return value instanceof Uint8Array ? { bytes: value, isCut: false } : undefined;
}

function addressOf(value: unknown): Uint8Array | undefined {
  return typeof value === "string" ? readPlainAddress(value) : value instanceof Uint8Array ? value : undefined;
}

/** Null where it is not an absolute path. */
function objectOf({ resolved }: Members): string | null | undefined {
  if (resolved === undefined) return undefined;
  return typeof resolved === "string" && resolved.startsWith("/") ? resolved : null;
}

/** Fields that are left out are 0. */
function structureOf(value: Members, name: StructureName, architecture: ArchitectureName): GivenMemory {
  const { size } = structures[name];
  const bytes = new Uint8Array(size);
  for (const [key, given] of Object.entries(value)) {
    const field = fieldsOf(name).find((one) => one.name === key);
    if (field === undefined) throw new TypeError(`${name} has no field \`${key}\``);
    if (given === undefined) continue;
    writeField(bytes, field, registerValue(fieldParameter(field), architecture, given as NamedArgument));
  }
  return { is: "structure", bytes, unknown: new Uint8Array(size) };
}
