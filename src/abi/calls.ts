/**
 * The system calls of x86-64 and arm64, by name and by number. The table is one string, which is split into lines at
 * start; a line is decoded on demand.
 */
import type { ArchitectureName } from "./architecture.ts";
import type { CallDescription, CallParameter } from "./call.ts";
import { callTable } from "./generated/calls.ts";

class TableCall implements CallDescription {
  readonly name: string;
  readonly #line: string;
  #parameters: readonly CallParameter[] | undefined;

  constructor(line: string) {
    this.#line = line;
    this.name = line.slice(0, line.indexOf("|"));
  }

  /** Does not decode the parameters: a map by number reads only this. */
  get number(): CallDescription["number"] {
    const x86_64 = this.numberOn("x86_64");
    const aarch64 = this.numberOn("aarch64");
    return { ...(x86_64 === undefined ? {} : { x86_64 }), ...(aarch64 === undefined ? {} : { aarch64 }) };
  }

  numberOn(architecture: ArchitectureName): number | undefined {
    const line = this.#line;
    let start = this.name.length + 1;
    if (architecture === "aarch64") start = line.indexOf("|", start) + 1;
    const end = line.indexOf("|", start);
    const digits = line.slice(start, end < 0 ? line.length : end);
    return digits === "" ? undefined : Number(digits);
  }

  get prototype(): string {
    const prototypes = parametersIn(this.#line).map((text) => {
      const [type = "", kernelName = ""] = text.split(";");
      return type.endsWith("*") ? type + kernelName : `${type} ${kernelName}`;
    });
    return `${this.name}(${prototypes.join(", ") || "void"})`;
  }

  get parameters(): readonly CallParameter[] {
    this.#parameters ??= parametersIn(this.#line).map(decode);
    return this.#parameters;
  }
}

const table: readonly TableCall[] = callTable
  .trim()
  .split("\n")
  .map((line) => new TableCall(line));

/** All calls of all architectures, sorted by name. */
export const allCalls: readonly CallDescription[] = table;

const byName = new Map(table.map((call) => [call.name, call]));
const byNumber = new Map<ArchitectureName, ReadonlyMap<number, CallDescription>>();

export function allCallNames(): string[] {
  return table.map((call) => call.name);
}

/** The call of this name ("openat"); undefined if there is none. */
export function callByName(name: string): CallDescription | undefined {
  return byName.get(name);
}

/** The number of the call of this name; undefined if the architecture lacks it. */
export function numberOf(name: string, architecture: ArchitectureName): number | undefined {
  return byName.get(name)?.numberOn(architecture);
}

/** The call of a native program's number; undefined if the table has none (as for x32's numbers). */
export function callByNumber(architecture: ArchitectureName, number: number): CallDescription | undefined {
  return callsByNumber(architecture).get(number);
}

/** The largest number in the table for this architecture. */
export function highestNumber(architecture: ArchitectureName): number {
  return Math.max(...callsByNumber(architecture).keys());
}

/** The argument register, 0 … 5, of a call's parameter (by its position in `parameters`). */
export function registerOf(call: CallDescription, parameter: number, architecture: ArchitectureName): number {
  return call.parameters[parameter]?.register?.[architecture] ?? parameter;
}

function callsByNumber(architecture: ArchitectureName): ReadonlyMap<number, CallDescription> {
  let calls = byNumber.get(architecture);
  if (!calls) {
    const known = new Map<number, CallDescription>();
    for (const call of table) {
      const number = call.numberOn(architecture);
      if (number !== undefined) known.set(number, call);
    }
    calls = known;
    byNumber.set(architecture, calls);
  }
  return calls;
}

/** The part of the line after the name and the two numbers. */
function parametersIn(line: string): string[] {
  return line.split("|").slice(3);
}

function decode(text: string): CallParameter {
  const [type = "", kernelName = "", ownName = "", reading = "", aliases = "", register = ""] = text.split(";");
  const name = ownName || kernelName;
  return {
    name,
    aliases: [...(name === kernelName ? [] : [kernelName]), ...(aliases ? aliases.split(",") : [])],
    type,
    width: reading.startsWith("h") ? 16 : /^[iu]/.test(reading) ? 32 : 64,
    signed: /^[il]/.test(reading),
    kind: kindOf(reading),
    ...(register === "" ? {} : { register: { aarch64: Number(register) } }),
  };
}

function kindOf(reading: string): CallParameter["kind"] {
  if (reading === "p") return { is: "pointer" };
  const set = reading.slice(2);
  if (reading[1] === "F") return { is: "flags", set };
  if (reading[1] === "C") return { is: "choice", set };
  return { is: "integer" };
}
