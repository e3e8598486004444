/** Operations on objects that a simulated call makes, as far as its arguments show them, and the declarations' ruling. */

import { callByNumber, registerOf } from "../../abi/calls.ts";
import { errnoByName } from "../../abi/errno.ts";
import { nameSet } from "../../abi/flags.ts";
import { printLocation } from "../../events/describe.ts";
import { readSocketAddress } from "../../ir/observe.ts";
import type { Program } from "../../ir/program.ts";
import type { Denied } from "../../objects/answer.ts";
import { decideByNames } from "../../objects/lexical.ts";
import type { OpenOperation, Operation } from "../../objects/operation.ts";
import { denialText, placeOf } from "../../objects/text.ts";
import type { FileKind } from "../../objects/tree.ts";
import type { GivenMemories } from "./given-memory.ts";
import type { SimulatedDecision } from "./model.ts";
import type { UnknownBits } from "./state-keeper.ts";

type Ruling = Pick<SimulatedDecision, "verdict" | "action" | "errno" | "passes" | "reason" | "rule" | "at">;

interface RegistersOfCall {
  readonly number: number;
  readonly arguments: readonly bigint[];
}

/**
 * The ruling of the policy's declarations on a call that its step allows. Undefined: they permit it. "unknown": the arguments
 * do not show the object, such as a relative path, or flags with unknown bits.
 */
export function rulingOfObjects(
  program: Program,
  event: RegistersOfCall,
  memory: GivenMemories,
  unknown: UnknownBits["inputs"] = {},
): Ruling | "unknown" | undefined {
  const denial = denialOfObjects(program, event, memory, unknown);
  if (denial === undefined || denial === "unknown") return denial;
  const { denied, operation } = denial;
  const at = placeOf(denied);
  return {
    verdict: `deny ${denied.errno}`,
    action: "deny",
    errno: errnoByName(denied.errno)!,
    passes: false,
    reason: denialText(denied, operation),
    rule: printLocation(program.files, at),
    at,
  };
}

export interface ObjectDenial {
  readonly denied: Denied;
  readonly operation: Operation;
}

/** The same, as the declaration that denies the call's operation. */
export function denialOfObjects(
  program: Program,
  event: RegistersOfCall,
  memory: GivenMemories,
  unknown: UnknownBits["inputs"] = {},
): ObjectDenial | "unknown" | undefined {
  if (program.objects.length === 0) return undefined;
  const operation = operationOf(program, event, memory, unknown);
  if (operation === undefined) return undefined;
  if (operation === "unknown") return mayRestrict(program, event.number) ? "unknown" : undefined;
  const denied = decideByNames(program.objects, operation);
  return denied.is === "permitted" ? undefined : { denied, operation };
}

function mayRestrict({ architecture, objects }: Program, number: number): boolean {
  const hasAddress = callByNumber(architecture, number)?.parameters.some(({ name }) => name === "addr") ?? false;
  return objects.some(
    ({ files, tcp, udp, unix }) => files !== undefined || (hasAddress && (tcp ?? udp ?? unix) !== undefined),
  );
}

function operationOf(
  program: Program,
  event: RegistersOfCall,
  memory: GivenMemories,
  unknown: UnknownBits["inputs"],
): Operation | "unknown" | undefined {
  const { architecture } = program;
  const called = callByNumber(architecture, event.number);
  if (called === undefined) return undefined;
  const registers = new Map(
    called.parameters.map(({ name }, index) => [name, registerOf(called, index, architecture)]),
  );
  const isKnown = [...numbers].every((name) => {
    const register = registers.get(name);
    return register === undefined || (unknown[`argument${register}` as keyof typeof unknown] ?? 0n) === 0n;
  });
  if (!isKnown) return "unknown";
  const word = (name: string): bigint => event.arguments[registers.get(name) ?? -1] ?? 0n;
  const path = (name = "path"): string | undefined => pathIn(memory, name);
  /** Without the descriptors of the variants. */
  const name = called.name.replace(/^(mkdir|mknod|symlink|unlink|rename|link)at2?$/, "$1");
  const at = path();
  switch (name) {
    case "open":
    case "openat":
      return at === undefined ? "unknown" : openWith(word("flags"), at, program);
    case "openat2": {
      const how = memory.get("how");
      if (at === undefined || how?.is !== "structure" || how.bytes.length < 8) return "unknown";
      return openWith(new DataView(how.bytes.buffer, how.bytes.byteOffset).getBigUint64(0, true), at, program);
    }
    case "creat":
      return at === undefined
        ? "unknown"
        : { does: "open", path: at, read: false, write: true, create: true, truncate: true };
    case "execve":
    case "execveat":
      return at === undefined ? "unknown" : { does: "execute", path: at };
    case "mkdir":
      return at === undefined ? "unknown" : { does: "make", path: at, kind: "directory" };
    case "mknod":
      return at === undefined ? "unknown" : { does: "make", path: at, kind: kindOfMode(word("mode"), word("dev")) };
    case "rmdir":
    case "unlink":
      if (at === undefined) return "unknown";
      return { does: "remove", path: at, directory: name === "rmdir" || (word("flags") & removeDirectory) !== 0n };
    case "truncate":
      return at === undefined ? "unknown" : { does: "truncate", path: at };
    case "symlink": {
      const made = path("newpath");
      return made === undefined ? "unknown" : { does: "make", path: made, kind: "link" };
    }
    case "link":
    case "rename": {
      const [from, to] = [path("oldpath"), path("newpath")];
      if (from === undefined || to === undefined) return "unknown";
      if (name === "link") return { does: "link", from, to };
      const flag = renameFlags.find(([, bit]) => (word("flags") & bit) !== 0n);
      return { does: "rename", from, to, ...(flag === undefined ? {} : { flag: flag[0] }) };
    }
    case "bind":
    case "connect":
      return onAddress(program, name, memory);
    default:
      return undefined;
  }
}

/** The object that a path leads to, if that is known; an absolute path; nothing is known of a relative one. */
function pathIn(memory: GivenMemories, name: string): string | undefined {
  const given = memory.get(name);
  if (given?.is !== "text" || given.isCut) return undefined;
  const path = given.resolved ?? Buffer.from(given.bytes).toString();
  return path.startsWith("/") && !path.split("/").includes("..") ? path : undefined;
}

/** The arguments that are numbers and that operations depend on. */
const numbers: ReadonlySet<string> = new Set(["flags", "mode", "dev"]);

/** AT_REMOVEDIR (include/uapi/linux/fcntl.h). */
const removeDirectory = 0x200n;
/** include/uapi/linux/fs.h. */
const renameFlags = [
  ["noreplace", 1n],
  ["exchange", 2n],
  ["whiteout", 4n],
] as const;

function openWith(flags: bigint, path: string, { architecture }: Program): OpenOperation {
  const has = (name: string): boolean => {
    const value = nameSet("OpenFlag")!.members.find((member) => member.name === name)!.value[architecture]!;
    return (flags & value) === value;
  };
  const mode = flags & 3n;
  return {
    does: "open",
    path,
    read: mode === 0n || mode === 2n,
    write: mode === 1n || mode === 2n,
    truncate: has("O_TRUNC"),
    create: has("O_CREAT"),
    exclusive: has("O_EXCL"),
    directory: has("O_DIRECTORY"),
    pathOnly: has("O_PATH"),
    unnamed: has("O_TMPFILE"),
  };
}

/** By S_IFMT (include/uapi/linux/stat.h). */
const kinds: Readonly<Record<number, FileKind>> = {
  1: "fifo",
  2: "character",
  4: "directory",
  6: "block",
  12: "socket",
};

function kindOfMode(mode: bigint, device: bigint): FileKind {
  const kind = kinds[Number((mode >> 12n) & 0xfn)] ?? "file";
  return kind === "character" && device === 0n ? "whiteout" : kind;
}

/**
 * Nothing shows the type of the socket: it is one of TCP if the policy restricts that. Nor whether one of UDP has a port: it has
 * if the policy permits to bind it to one.
 */
function onAddress(
  { objects }: Program,
  does: "bind" | "connect",
  memory: GivenMemories,
): Operation | "unknown" | undefined {
  const given = memory.get("addr");
  if (given?.is !== "address") return "unknown";
  const { kind, port, name } = readSocketAddress(given.bytes);
  const protocol = objects.some(({ tcp }) => tcp?.[does] !== undefined) ? "tcp" : "udp";
  const bound = objects.every(({ udp }) => udp?.bind?.some((each) => each !== 0) ?? true);
  if (kind === "ip") return { does, protocol, port: Number(port), bound };
  if (kind === "abstract") return does === "connect" ? { does: "connect abstract", outside: true } : undefined;
  const path = given.resolved ?? Buffer.from(name).toString();
  if (kind !== "unix") return undefined;
  if (!path.startsWith("/")) return "unknown";
  return does === "bind" ? { does: "make", path, kind: "socket" } : { does: "connect unix", path, outside: true };
}
