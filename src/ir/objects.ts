/**
 * The files, ports and scopes to which a policy restricts its tree. They do not depend on state, so the kernel decides
 * about them alone: the launcher enters a Landlock domain for each policy that declares some (native/launcher/layers.h).
 */
import type { FileRight, ScopeRight } from "../abi/landlock.ts";
import type { Location } from "./location.ts";
import type { SettingItem } from "./settings.ts";

/**
 * The declarations of one policy. The tree may do what every layer permits. A right without a list is not restricted by
 * the layer.
 */
export interface ObjectLayer {
  readonly files: FileRules | undefined;
  readonly tcp: PortRules | undefined;
  readonly udp: PortRules | undefined;
  /** Sockets, and directories with all sockets below. Undefined also if the policy's step decides (Linux before 7.1). */
  readonly unix: { readonly connect: readonly PathRule[] } | undefined;
  readonly scopes: readonly ScopeRight[];
  /** The limits of the tree that the launcher sets, of all policies; at most one layer, with `protect` or `private`, has some. */
  readonly limits?: Limits | undefined;
  /** The first declaration's. */
  readonly at: Location;
  /** The place of each declaration, if it is known. */
  readonly places?: { readonly [Name in Declaration]?: Location };
}

export interface Limits {
  /** Processes and threads at once, by the kernel's count; undefined if none, or if the step counts processes. */
  readonly processes: Limit | undefined;
  /** Of what each private directory holds, in KiB. */
  readonly privateSize: Limit | undefined;
}

export interface Limit {
  /** 1 … 2^32 − 1. */
  readonly most: number;
  readonly at: Location;
  /** The parameter from which it comes. */
  readonly setting?: string | undefined;
}

export type Declaration = "files" | "tcp" | "udp" | "unix" | "scope";

/** A tree can be in 16 domains (LANDLOCK_MAX_NUM_LAYERS); others are for the launcher's own restrictions and nested sandboxes. */
export const mostLayers = 8;

/** A list of `files`; each restricts the rights of `rightsOfList`. */
export const fileLists = ["read", "write", "execute", "make", "remove", "refer", "truncate", "ioctl"] as const;
export type FileList = (typeof fileLists)[number];

export interface FileRules {
  readonly lists: { readonly [List in FileList]?: readonly PathRule[] };
  /** The parameters all of whose paths a list has, in order: one more path of such a parameter is permitted as well. */
  readonly settings?: { readonly [List in FileList]?: readonly string[] };
  /** Directories and files that no list above them permits. A path that a list names itself is permitted. */
  readonly except: readonly PathRule[];
  /** Files and directories that cannot be changed, also below a directory that can. */
  readonly protect: readonly ProtectedPath[];
  /** Directories that are empty for the tree when it starts, except the paths of lists below them. */
  readonly private: readonly PathRule[];
  /** Directories can be listed also if they lead to an exception; so can the exceptions. */
  readonly names: boolean;
  /** The command's standard streams can be opened again (/dev/stdin, /proc/self/fd/1). */
  readonly streams: boolean;
}

export interface PathRule {
  /** Absolute, without a slash at its end, and without empty components, "." and "..". */
  readonly path: string;
  /** The path may be missing when the command starts; then the rule has no effect. */
  readonly optional: boolean;
  readonly at: Location | undefined;
}

export interface ProtectedPath extends PathRule {
  /** Made if it is missing when the command starts. */
  readonly isDirectory: boolean;
  /** The item of a parameter from which it comes. */
  readonly from?: SettingItem | undefined;
}

/** A protected path by its names, where no mounts can protect it (policies/shared/protected-paths.ts). */
export interface ProtectedName {
  /** Of a directory that must be in the path, too. */
  readonly folder: string | undefined;
  readonly name: string;
  readonly from: SettingItem | undefined;
}

export interface PortRules {
  /** Ports from 0 to 65,535. Undefined: not restricted. */
  readonly bind: readonly number[] | undefined;
  readonly connect: readonly number[] | undefined;
}

const makes: readonly FileRight[] = [
  ...(["make-char", "make-dir", "make-reg", "make-sock", "make-fifo", "make-block", "make-sym"] as const),
];
const removes: readonly FileRight[] = ["remove-dir", "remove-file"];

const ownRights: Readonly<Record<FileList, readonly FileRight[]>> = {
  read: ["read-file", "read-dir"],
  write: ["write-file"],
  execute: ["execute"],
  make: makes,
  remove: removes,
  refer: ["refer"],
  truncate: ["truncate"],
  ioctl: ["ioctl-dev"],
};
/** `write` also restricts these, unless they have lists of their own. */
const partsOfWrite: readonly FileList[] = ["make", "remove", "refer", "truncate"];

/** The rights that a list of these rules restricts. */
function rightsOfList(list: FileList, { lists }: Pick<FileRules, "lists">): readonly FileRight[] {
  if (list !== "write") return ownRights[list];
  return ["write", ...partsOfWrite.filter((part) => lists[part] === undefined)].flatMap(
    (part) => ownRights[part as FileList],
  );
}

/** The rights that these rules restrict, each with its list. */
export function restrictedRights(rules: Pick<FileRules, "lists">): ReadonlyMap<FileRight, FileList> {
  const found = new Map<FileRight, FileList>();
  for (const list of fileLists) {
    if (rules.lists[list] === undefined) continue;
    for (const right of rightsOfList(list, rules)) found.set(right, list);
  }
  return found;
}

/**
 * The directories above a protected path that the tree could rename, the upper ones first: those below a directory from which
 * it may remove entries.
 */
export function renamableAbove({ lists }: Pick<FileRules, "lists">, path: string): readonly string[] {
  const above = path.split("/").flatMap((_, index, all) => (index > 1 ? [all.slice(0, index).join("/")] : []));
  const removes = lists.remove ?? lists.write;
  if (removes === undefined) return above;
  return above.filter((directory) =>
    removes.some((rule) => rule.path === "/" || directory.startsWith(`${rule.path}/`)),
  );
}

/** The place of a list (`files.read`, `tcp.bind`, `unix.connect`), or of the declaration. */
export function placeOfSetting(layer: ObjectLayer, setting: string): Location {
  const [declaration, list] = setting.split(".") as [Declaration, string | undefined];
  const files = declaration === "files" ? layer.files : undefined;
  const rules = list === "protect" ? files?.protect : files?.lists[list as FileList];
  const paths = declaration === "unix" ? layer.unix?.connect : rules;
  return paths?.find(({ at }) => at !== undefined)?.at ?? layer.places?.[declaration] ?? layer.at;
}
