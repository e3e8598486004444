/**
 * The system calls of x86-64 and arm64, by name and by number. The table is one string: at start it is cut into lines,
 * and a line is decoded when something but its name is asked for.
 */
import type { ArchitectureName } from "./architecture.ts";
import type { CallDescription, CallParameter } from "./call.ts";
import { callTable } from "./generated/calls.ts";

class TableCall implements CallDescription {
  readonly name: string;
  readonly #line: string;
  #decoded: Pick<CallDescription, "prototype" | "parameters"> | undefined;

  constructor(line: string) {
    this.#line = line;
    this.name = line.slice(0, line.indexOf("|"));
  }

  /** Does not decode the parameters: a map by number needs those of no call. */
  get number(): CallDescription["number"] {
    const [, x86, arm] = this.#line.split("|", 3);
    return { ...(x86 && { x86_64: Number(x86) }), ...(arm && { aarch64: Number(arm) }) };
  }

  get prototype(): string {
    return this.#decode().prototype;
  }

  get parameters(): readonly CallParameter[] {
    return this.#decode().parameters;
  }

  #decode(): Pick<CallDescription, "prototype" | "parameters"> {
    this.#decoded ??= decode(this.#line);
    return this.#decoded;
  }
}

/** All calls of any of the architectures, sorted by name. */
export const allCalls: readonly CallDescription[] = callTable
  .trim()
  .split("\n")
  .map((line) => new TableCall(line));

const byName = new Map(allCalls.map((call) => [call.name, call]));
const byNumber = new Map<ArchitectureName, ReadonlyMap<number, CallDescription>>();

/** The call of this name ("openat"), or undefined where no architecture has one. */
export function callByName(name: string): CallDescription | undefined {
  return byName.get(name);
}

/** The call that this number means to a native program, or undefined where the table has none (x32's included). */
export function callByNumber(architecture: ArchitectureName, number: number): CallDescription | undefined {
  return callsByNumber(architecture).get(number);
}

/** The largest number that the table has for this architecture. */
export function highestNumber(architecture: ArchitectureName): number {
  return Math.max(...callsByNumber(architecture).keys());
}

/** Which argument register, 0 … 5, a call's parameter (by position in `parameters`) is passed in. */
export function registerOf(call: CallDescription, parameter: number, architecture: ArchitectureName): number {
  return call.parameters[parameter]?.register?.[architecture] ?? parameter;
}

function callsByNumber(architecture: ArchitectureName): ReadonlyMap<number, CallDescription> {
  let calls = byNumber.get(architecture);
  if (!calls) {
    const pairs = allCalls.flatMap((call): [number, CallDescription][] => {
      const number = call.number[architecture];
      return number === undefined ? [] : [[number, call]];
    });
    calls = new Map(pairs);
    byNumber.set(architecture, calls);
  }
  return calls;
}

function decode(line: string): Pick<CallDescription, "prototype" | "parameters"> {
  const [name = "", , , ...rest] = line.split("|");
  const prototypes: string[] = [];
  const parameters = rest.map((text): CallParameter => {
    const [type = "", kernelName = "", ownName = "", reading = "", aliases = "", register = ""] = text.split(";");
    prototypes.push(type.endsWith("*") ? type + kernelName : `${type} ${kernelName}`);
    const parameterName = ownName || kernelName;
    return {
      name: parameterName,
      aliases: [...(parameterName === kernelName ? [] : [kernelName]), ...(aliases ? aliases.split(",") : [])],
      type,
      width: reading.startsWith("h") ? 16 : /^[iu]/.test(reading) ? 32 : 64,
      signed: /^[il]/.test(reading),
      kind: kindOf(reading),
      ...(register === "" ? {} : { register: { aarch64: Number(register) } }),
    };
  });
  return {
    prototype: `${name}(${prototypes.join(", ") || "void"})`,
    parameters,
  };
}

function kindOf(reading: string): CallParameter["kind"] {
  if (reading === "p") return { is: "pointer" };
  const set = reading.slice(2);
  if (reading[1] === "F") return { is: "flags", set };
  if (reading[1] === "C") return { is: "choice", set };
  return { is: "integer" };
}
