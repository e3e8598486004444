/** Sets of names for arguments ("OpenFlag", "Signal"), decoded when they are asked for. */
import type { NameSet } from "./call.ts";
import { setTable } from "./generated/flags.ts";

let lines: ReadonlyMap<string, string> | undefined;
const decoded = new Map<string, NameSet>();
const wholeArgument = (1n << 64n) - 1n;

function linesByName(): ReadonlyMap<string, string> {
  lines ??= new Map(
    setTable
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("|")), line]),
  );
  return lines;
}

/** The set of this name, or undefined. A choice's members have the mask of the whole argument, 2^64 − 1. */
export function nameSet(name: string): NameSet | undefined {
  let set = decoded.get(name);
  if (set) return set;
  const line = linesByName().get(name);
  if (line === undefined) return undefined;
  set = {
    name,
    members: line
      .split("|")
      .slice(1)
      .map((text) => new TableMember(text)),
  };
  decoded.set(name, set);
  return set;
}

/** Names of all sets, sorted. */
export function nameSetNames(): string[] {
  return [...linesByName().keys()];
}

type Member = NameSet["members"][number];

/** Decoded when something but its name is asked for: a policy names a few of a set. */
class TableMember implements Member {
  readonly name: string;
  readonly #text: string;
  #decoded: Pick<Member, "value" | "mask"> | undefined;

  constructor(text: string) {
    const space = text.indexOf(" ");
    this.name = text.slice(0, space);
    this.#text = text.slice(space + 1);
  }

  get value(): Member["value"] {
    return this.#decode().value;
  }

  get mask(): Member["mask"] {
    return this.#decode().mask;
  }

  #decode(): Pick<Member, "value" | "mask"> {
    if (this.#decoded === undefined) {
      const [x86 = "", arm = x86] = this.#text.split("/");
      const x86_64 = decodeSide(x86);
      const aarch64 = decodeSide(arm);
      this.#decoded = {
        value: { ...(x86_64 && { x86_64: x86_64.value }), ...(aarch64 && { aarch64: aarch64.value }) },
        mask: { ...(x86_64 && { x86_64: x86_64.mask }), ...(aarch64 && { aarch64: aarch64.mask }) },
      };
    }
    return this.#decoded;
  }
}

function decodeSide(text: string): { value: bigint; mask: bigint } | undefined {
  if (text === "-") return undefined;
  const [digits = "", maskDigits = digits] = text.split(" ");
  const value = BigInt(`0x${digits}`);
  return { value, mask: maskDigits === "*" ? wholeArgument : BigInt(`0x${maskDigits}`) };
}
