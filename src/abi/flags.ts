/** Sets of names for arguments ("OpenFlag", "Signal"), decoded on demand. */
import type { NameSet } from "./call.ts";
import { setTable } from "./generated/flags.ts";
import { maximumWord } from "./word.ts";

let lines: ReadonlyMap<string, string> | undefined;
const decoded = new Map<string, NameSet>();

function linesByName(): ReadonlyMap<string, string> {
  lines ??= new Map(
    setTable
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("|")), line]),
  );
  return lines;
}

/** The set of this name; undefined if there is none. A choice's members have the mask 2^64 − 1, the whole argument. */
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

/**
 * AT_ flags that belong to certain calls: other calls give their values no meaning or another one
 * (include/uapi/linux/fcntl.h, "Per-syscall flags for the *at(2) family of syscalls"; Linux 6.12).
 */
const callsOfFlag: Readonly<Record<string, readonly string[]>> = {
  AT_EACCESS: ["faccessat2"],
  AT_REMOVEDIR: ["unlinkat"],
  AT_HANDLE_FID: ["name_to_handle_at"],
  AT_HANDLE_MNT_ID_UNIQUE: ["name_to_handle_at"],
  AT_STATX_SYNC_AS_STAT: ["statx"],
};

/** The names of a set that have a meaning in this call; none for an unknown set. For printing a call's flags. */
export function namesFor(call: string, set: string): readonly Member[] {
  return (nameSet(set)?.members ?? []).filter(({ name }) => callsOfFlag[name]?.includes(call) ?? true);
}

/** Names of all sets, sorted. */
export function nameSetNames(): string[] {
  return [...linesByName().keys()];
}

type Member = NameSet["members"][number];

/** Decoded on demand: a policy uses few members of a set. */
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
  return { value, mask: maskDigits === "*" ? maximumWord : BigInt(`0x${maskDigits}`) };
}
