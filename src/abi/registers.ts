/** Converts arguments by name, as in tests, to a call's registers. */
import { nearestName } from "../diagnostics/suggest.ts";
import type { ArchitectureName } from "./architecture.ts";
import type { CallDescription, CallParameter } from "./call.ts";
import { registerOf } from "./calls.ts";
import { nameSet } from "./flags.ts";
import { fitsWord } from "./word.ts";

/** Flags as their names, a choice as its name, everything else as an integer. */
export type NamedArgument = bigint | string | readonly string[];

/**
 * The six argument registers; those without an argument are 0. A negative integer is converted as in C to the width that
 * the kernel reads (−100 as an int is 0xffffff9c); an integer that needs more bits fills the register.
 * @throws TypeError if the call has no such argument or the argument no such name; RangeError beyond 64 bits
 */
export function registersOf(
  call: CallDescription,
  architecture: ArchitectureName,
  given: Readonly<Record<string, NamedArgument | undefined>>,
): [bigint, bigint, bigint, bigint, bigint, bigint] {
  const registers: [bigint, bigint, bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n, 0n, 0n];
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const position = call.parameters.findIndex((parameter) => parameter.name === name);
    const parameter = call.parameters[position];
    if (parameter === undefined) throw new TypeError(noParameter(call, name));
    registers[registerOf(call, position, architecture)] = registerValue(parameter, architecture, value);
  }
  return registers;
}

/** `registersOf`, for one argument. */
export function registerValue(parameter: CallParameter, architecture: ArchitectureName, value: NamedArgument): bigint {
  if (typeof value === "bigint") return inRegister(parameter, value);
  const { kind } = parameter;
  const names = typeof value === "string" ? [value] : value;
  const asInteger = () =>
    new TypeError(`\`${parameter.name}\` (${parameter.type}) is an integer: write it as a bigint`);
  if (!Array.isArray(names)) throw asInteger();
  switch (kind.is) {
    case "integer":
    case "pointer":
      throw asInteger();
    case "choice":
    case "flags":
      if (kind.is === "choice" && names.length !== 1) {
        throw new TypeError(`\`${parameter.name}\` is one of ${kind.set}, not ${names.length} of them`);
      }
      return names.reduce((bits, name) => bits | memberValue(parameter, kind.set, architecture, name), 0n);
  }
}

function memberValue(parameter: CallParameter, set: string, architecture: ArchitectureName, name: string): bigint {
  const members = nameSet(set)?.members ?? [];
  const member = members.find((one) => one.name === name);
  const value = member?.value[architecture];
  if (value !== undefined) return value;
  if (member !== undefined) throw new TypeError(`${architecture} has no ${name}`);
  const near = nearestName(
    name,
    members.map((one) => one.name),
  );
  const proposal = near === undefined ? "" : `; did you mean ${near}?`;
  throw new TypeError(`\`${parameter.name}\` (${set}) has no value named ${JSON.stringify(name)}${proposal}`);
}

function inRegister({ name, width, signed }: CallParameter, value: bigint): bigint {
  if (!fitsWord(value)) throw new RangeError(`${value} for \`${name}\` has more than 64 bits`);
  if (value >= 0n) return value;
  const narrow = signed && value >= -(1n << BigInt(width - 1));
  return BigInt.asUintN(narrow ? width : 64, value);
}

function noParameter(call: CallDescription, name: string): string {
  const known = call.parameters.map((parameter) => parameter.name);
  const alias = call.parameters.find((parameter) => parameter.aliases.includes(name))?.name;
  const near = alias ?? nearestName(name, known);
  const proposal = near === undefined ? "" : `; did you mean \`${near}\`?`;
  return `${call.name} has no argument \`${name}\`: it has ${known.join(", ") || "none"}${proposal}`;
}
