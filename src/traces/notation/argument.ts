/**
 * Reads one argument as a person or strace writes it: `4`, `-1`, `0x80000`, `0644`, `O_RDONLY|O_CLOEXEC`, `AT_FDCWD`,
 * `SIGTERM`, `NULL`. The register does not show the memory behind a pointer, so `"/bin/sh"`, `{sa_family=AF_INET, …}`,
 * `[…]`, `127.0.0.1:80`, `EFAULT` and `…` all stand for some address; `written-memory.ts` reads the memory.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { ArgumentKind, CallParameter, NameSet } from "../../abi/call.ts";
import { nameSet } from "../../abi/flags.ts";
import { atWorkingDirectory } from "../../abi/open-numbers.ts";
import { fitsWord } from "../../abi/word.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { readNumber } from "./numbers.ts";
import { hasOpenNames, valueOfAnyName, valueOfStraceName, withoutDescription } from "./strace-names.ts";

/** The address of a pointer whose target the text shows: outside of every mapping, and not NULL. */
export const someAddress = 0x5555_5555_0000n;

export interface ArgumentFault {
  readonly fault: string;
  readonly help?: string | undefined;
  /** The position in the argument's text. */
  readonly offset: number;
  readonly length: number;
}

export type ArgumentReading =
  /** The register, 0 … 2^64 − 1: the low bits of the parameter's width, the others 0 unless the text has more. */
  { readonly register: bigint } | ArgumentFault;

/** Whether strace prints what an argument points to, or its address. */
const isAddress: { readonly [K in ArgumentKind["is"]]: boolean } = {
  integer: false,
  pointer: true,
  flags: false,
  choice: false,
};

/** @param parameter undefined for a register that the call does not use. */
export function readArgument(
  text: string,
  parameter: CallParameter | undefined,
  architecture: ArchitectureName,
): ArgumentReading {
  if (parameter?.kind.is === "pointer" && text === "EFAULT") return { register: someAddress };
  // strace's comments: "/* 24 vars */"; and what a person says of the object that a path leads to.
  const shown = text.replace(/\s*\/\*.*?\*\/\s*/g, "").replace(/\s+resolved\s*".*"$/, "");
  if ((parameter !== undefined && isAddress[parameter.kind.is]) || /^(?:["{[]|\u2026|\.\.\.)/.test(shown)) {
    const address = readAddress(shown);
    if (address !== undefined) return { register: address };
  }
  let register = 0n;
  let offset = 0;
  for (const part of withoutDescription(text).split("|")) {
    const written = part.replace(/\s*\/\*.*?\*\//g, "").trim();
    const at = { offset: offset + (part.length - part.trimStart().length), length: Math.max(1, written.length) };
    offset += part.length + 1;
    const value = readNumber(written) ?? valueOfName(written, parameter, architecture);
    if (value === undefined) return { ...faultOf(written, parameter, architecture), ...at };
    const fitted = inRegister(value, parameter);
    if (fitted === undefined) {
      return { fault: `${written} does not fit a 64-bit register`, ...at };
    }
    register |= fitted;
  }
  return { register };
}

/**
 * A negative number has the kernel's width (−1 as an int is 0xffffffff), as C passes it; a large one is the whole
 * register.
 */
function inRegister(value: bigint, parameter: CallParameter | undefined): bigint | undefined {
  const width = parameter?.width ?? 64;
  if (!fitsWord(value)) return undefined;
  if (value >= 0n) return value;
  if (value >= -(1n << BigInt(width - 1))) return BigInt.asUintN(width, value);
  return BigInt.asUintN(64, value);
}

/** Undefined if the text shows neither an address nor memory behind one. */
function readAddress(text: string): bigint | undefined {
  if (text === "NULL") return 0n;
  const number = readNumber(text);
  if (number !== undefined) return BigInt.asUintN(64, number);
  if (/^(?:["{[]|~\[)/.test(text) || text === "…" || text === "..." || text === "_") return someAddress;
  // An address of a socket or a path: text that is not a name of a constant.
  return /^(?:none|netlink|vsock|unspecified)$|^(?:unix|abstract):"|^[\w.:/@%+-]*[.:/@][\w.:/@%+-]*$/.test(text)
    ? someAddress
    : undefined;
}

/** Names that stand for a number of any argument. */
const everywhere: ReadonlyMap<string, bigint> = new Map([
  ["NULL", 0n],
  ["true", 1n],
  ["false", 0n],
]);

function valueOfName(
  name: string,
  parameter: CallParameter | undefined,
  architecture: ArchitectureName,
): bigint | undefined {
  for (const set of setsFor(parameter)) {
    const member = set.members.find((one) => one.name === name);
    const value = member?.value[architecture];
    if (value !== undefined) return value;
  }
  if (name === "AT_FDCWD" && isDescriptor(parameter)) return BigInt(atWorkingDirectory);
  return everywhere.get(name) ?? valueOfStraceName(name, parameter, setsFor(parameter), architecture);
}

/** AT_FDCWD stands in for the descriptor of a directory, and for the `aux` of fsconfig(2). A register may be one. */
function isDescriptor(parameter: CallParameter | undefined): boolean {
  return parameter === undefined || /fd|^aux$/.test(parameter.name);
}

/** The parameter's own set first; signals go into integers that can have names, and into clone's flags. */
function setsFor(parameter: CallParameter | undefined): NameSet[] {
  const own = parameter !== undefined && "set" in parameter.kind ? nameSet(parameter.kind.set) : undefined;
  const isNumber = parameter?.kind.is === "integer" && !hasOpenNames(parameter);
  const signals = isNumber ? undefined : nameSet("Signal");
  return [own, signals].filter((set) => set !== undefined);
}

function faultOf(
  written: string,
  parameter: CallParameter | undefined,
  architecture: ArchitectureName,
): { readonly fault: string; readonly help: string | undefined } {
  const known = [
    ...setsFor(parameter).flatMap((set) => set.members.map((one) => one.name)),
    ...everywhere.keys(),
    ...(isDescriptor(parameter) ? ["AT_FDCWD"] : []),
  ];
  const near = nearestName(written, known);
  const elsewhere = parameter?.kind.is === "integer" ? valueOfAnyName(written, architecture) : undefined;
  if (elsewhere !== undefined) {
    return {
      fault: `\`${parameter!.name}\` (${parameter!.type}) has no named constants, and ${written} is one of another argument`,
      help: `write the number, if it is meant: ${elsewhere}`,
    };
  }
  if (known.includes(written)) return { fault: `${architecture} has no ${written}`, help: undefined };
  const isPointer = parameter !== undefined && isAddress[parameter.kind.is];
  const wanted = parameter === undefined ? "an integer" : `\`${parameter.name}\` (${parameter.type})`;
  return {
    fault:
      written === "" ? `the value for ${wanted} is missing` : `${JSON.stringify(written)} is not a value of ${wanted}`,
    help: near === undefined ? (isPointer ? "NULL, a number, or … for some address" : "a number") : `write ${near}`,
  };
}
