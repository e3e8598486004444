/**
 * Finds allowed paths that the command's user can make lead to another object (P0609): `run` examines every directory on
 * the way of each path. In a directory that this user can write, the next name of the path can get another object. For the
 * same reason this user can give another path to an object that the policy refuses (P0610).
 *
 * In procfs and sysfs only the kernel makes and removes names, whatever the permissions. But the links below a process's
 * directory in procfs (fd, cwd, root, exe) lead where the process decides, and `/proc/self` is another process in the
 * command than here: its links are reported, and its other files are the caller's own. A number below `/proc` is not
 * reported, although another process may get it.
 *
 * Other file systems of the kernel count as ordinary ones: in cgroup2 or tracefs an owner can make directories.
 */
import { accessSync, constants, lstatSync, readlinkSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileSystemMagic } from "../../abi/file-systems.ts";
import type { AllowedPath } from "../../analysis/file-paths/allowed-paths.ts";
import type { ExaminedPath } from "../../analysis/file-paths/guarded-paths.ts";
import type { RefusedObject } from "../../analysis/file-paths/refused-objects.ts";
import { enumerate } from "../../analysis/lint/view.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { mountPoints, readProc } from "../../machine/proc.ts";
import type { RunRequest } from "./run-request.ts";

/** The examination's view of the file system. */
export interface FileTree {
  /** Undefined where there is no such name, or none that this user can see. */
  look(path: string): Found | undefined;
  /** access(2) with W_OK, which knows ACLs and read-only file systems. */
  access(path: string): "writable" | "read-only" | "denied";
  fileSystem(path: string): "proc" | "sys" | "other";
  isMountPoint(path: string): boolean;
  /** Effective. */
  readonly user: number;
}

export interface Found {
  readonly is: "directory" | "link" | "other";
  readonly owner: number;
  readonly sticky: boolean;
  /** The target of a link. */
  readonly target: string;
}

const fileSystems = new Map<number, ReturnType<FileTree["fileSystem"]>>([
  [fileSystemMagic.proc, "proc"],
  [fileSystemMagic.sys, "sys"],
]);

/** The directories of a process in procfs without links, here or below. */
const withoutLinks: readonly string[] = ["attr", "fdinfo", "net"];

/** MAXSYMLINKS (include/linux/namei.h). */
const mostLinks = 40;

/**
 * The findings of a `run` about its policy: all as the reason not to start, or one line about those that the tree can use
 * because the policy does not prevent it.
 */
export function examined(
  { policy }: CompiledPolicy,
  { strictPaths, quiet }: Pick<RunRequest, "strictPaths" | "quiet">,
): Diagnostic[] {
  if (strictPaths) return [...examinePaths(policy.allowedPaths), ...examineRefused(policy.refusedObjects)];
  if (quiet) return [];
  const found = [
    ...examinePaths(policy.allowedPaths, systemTree(), "unguarded"),
    ...examineRefused(policy.refusedObjects),
  ];
  const [first, ...more] = found;
  if (first === undefined) return [];
  const { help: _, ...brief } = first;
  const message =
    more.length === 0 ? brief.message : `${brief.message}; \`portcullis check\` shows ${more.length} more`;
  return [{ ...brief, message }];
}

/**
 * One warning for each directory, and for each path that leads to no fixed place. `unguarded`: without the changes that the
 * policy refuses to its tree.
 */
export function examinePaths(
  allowed: readonly ExaminedPath[],
  tree: FileTree = systemTree(),
  which: "all" | "unguarded" = "all",
): Diagnostic[] {
  const byReason = new Map<string, { readonly help: string; readonly shown: string[] }>();
  const found: Diagnostic[] = [];
  for (const one of allowed) {
    if (!one.path.startsWith("/")) {
      found.push(
        diagnostic("P0609", `${one.shown} permits paths that lead where the command's working directory is`, {
          help: "an absolute path",
        }),
      );
      continue;
    }
    const change = new Walk(tree, { guarded: which === "unguarded" && one.isGuarded ? one.path : undefined }).change(
      one,
    );
    if (change === undefined) continue;
    const { reason, help } = explained(change);
    const known = byReason.get(reason);
    if (known === undefined) byReason.set(reason, { help, shown: [one.shown] });
    else known.shown.push(one.shown);
  }
  for (const [reason, { help, shown }] of byReason) {
    const message = `${reason}, a directory on the way to paths that the policy permits: ${shown.join(", ")}`;
    found.push(diagnostic("P0609", message, { help }));
  }
  return found;
}

/** One warning for each directory in which a refused object, or a directory above it, can be renamed. */
export function examineRefused(refused: readonly RefusedObject[], tree: FileTree = systemTree()): Diagnostic[] {
  const byDirectory = new Map<string, { readonly calls: readonly string[]; readonly shown: string[] }>();
  for (const { path, shown, calls } of refused) {
    const change = new Walk(tree, { renamesOnly: true }).change({ path, names: "one" });
    if (change?.by !== "writing") continue;
    const known = byDirectory.get(change.directory);
    byDirectory.set(change.directory, {
      calls: [...new Set([...(known?.calls ?? []), ...calls])],
      shown: [...(known?.shown ?? []), shown],
    });
  }
  return [...byDirectory].map(([directory, { calls, shown }]) => {
    const message = `the command's user can write ${directory}, and so give another path to objects that the policy refuses: ${shown.join(", ")}`;
    return diagnostic("P0610", message, {
      help: `allow the wanted directories and refuse the rest, or also refuse ${enumerate(calls)}`,
    });
  });
}

/** A directory in which the next name of the path can get another object. */
interface Change {
  readonly directory: string;
  readonly by: "writing" | "links of a process";
}

function explained({ directory, by }: Change): { readonly reason: string; readonly help: string } {
  return by === "writing"
    ? {
        reason: `the command's user can write ${directory}`,
        help: "a directory that another user owns, with all above it; or run the command as another user",
      }
    : { reason: `a process decides where the links below ${directory} lead`, help: "a path that is not below it" };
}

interface WalkOptions {
  /** A rename of a mount point fails (EBUSY; d_mountpoint() in fs/namei.c), but a mount can replace it. */
  readonly renamesOnly?: boolean;
  /** The policy refuses to change names of this path. It does not know the names in targets of links. */
  readonly guarded?: string | undefined;
}

class Walk {
  readonly #tree: FileTree;
  readonly #options: WalkOptions;
  #links = 0;

  constructor(tree: FileTree, options: WalkOptions = {}) {
    this.#tree = tree;
    this.#options = options;
  }

  /** The first on the way. */
  change({ path, names }: Pick<AllowedPath, "path" | "names">): Change | undefined {
    const { change, end } = this.#follow("/", path);
    if (change !== undefined || names === "one" || end === undefined) return change;
    // Any name in the directory is permitted, so a new one is enough.
    if (this.#canWrite(end) && !this.#isGuarded(end)) return { directory: end, by: "writing" };
    return this.#hasLinks(end) ? { directory: end, by: "links of a process" } : undefined;
  }

  /** `end` is the directory that the path leads to, if it is one. */
  #follow(from: string, path: string): { readonly change?: Change; readonly end?: string } {
    let at = path.startsWith("/") ? "/" : from;
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at = join(at, "..");
        continue;
      }
      const next = join(at, name);
      const found = this.#tree.look(next);
      if (this.#canReplace(at, found) && !this.#isSteady(next, found))
        return { change: { directory: at, by: "writing" } };
      if (this.#isLinkOfProcess(at, found)) return { change: { directory: at, by: "links of a process" } };
      if (found?.is === "link" && this.#isSelf(next)) {
        // Its target is this process. The command's processes have the same files there.
        at = join(at, found.target.replace(/^[0-9]+/, "self"));
      } else if (found?.is === "link") {
        if (++this.#links > mostLinks) return {};
        const way = this.#follow(at, found.target);
        if (way.end === undefined) return way;
        at = way.end;
      } else if (found?.is === "directory") {
        at = next;
      } else {
        return {};
      }
    }
    return { end: at };
  }

  /** Whether the name stays although the user could change it. A guard is about names that exist. */
  #isSteady(path: string, found: Found | undefined): boolean {
    if (found !== undefined && this.#isGuarded(path)) return true;
    return this.#options.renamesOnly === true && this.#tree.isMountPoint(path);
  }

  #isGuarded(path: string): boolean {
    const { guarded } = this.#options;
    return guarded !== undefined && `${guarded}/`.startsWith(`${path}/`);
  }

  #isSelf(path: string): boolean {
    return /^(thread-)?self$/.test(basename(path)) && this.#inProc(dirname(path)) === "";
  }

  /** A descriptor that is closed here may be open in the command. */
  #isLinkOfProcess(directory: string, entry: Found | undefined): boolean {
    if (entry !== undefined && entry.is !== "link") return false;
    const [process, ...below] = this.#inProc(directory)?.split("/") ?? [];
    if (process !== "self" && !/^[0-9]+$/.test(process ?? "")) return false;
    if (entry === undefined) return below.at(-1) === "fd" || below.at(-1) === "map_files";
    return process === "self" || this.#owns(entry);
  }

  /** Whether there are links of processes in the directory or below. */
  #hasLinks(directory: string): boolean {
    const [process, first, , second] = this.#inProc(directory)?.split("/") ?? [];
    if (process === "") return true;
    if (process !== "self" && !/^[0-9]+$/.test(process ?? "")) return false;
    return !withoutLinks.includes((first === "task" ? second : first) ?? "");
  }

  /** The path below the root of procfs, "" for that itself; undefined in other file systems. */
  #inProc(directory: string): string | undefined {
    const isInside = (one: string) => this.#tree.fileSystem(one) === "proc";
    if (!isInside(directory)) return undefined;
    let root = directory;
    while (root !== "/" && isInside(dirname(root))) root = dirname(root);
    return directory.slice(root.length).replace(/^\//, "");
  }

  #canWrite(directory: string): boolean {
    const access = this.#tree.access(directory);
    // An owner can permit it to himself.
    const isPermitted = access === "writable" || (access === "denied" && this.#owns(this.#tree.look(directory)));
    return isPermitted && this.#tree.fileSystem(directory) === "other";
  }

  #canReplace(directory: string, entry: Found | undefined): boolean {
    if (!this.#canWrite(directory)) return false;
    const itself = this.#tree.look(directory);
    const isProtected = itself?.sticky === true && entry !== undefined && this.#tree.user !== 0;
    return !isProtected || this.#owns(itself) || this.#owns(entry);
  }

  #owns(found: Found | undefined): boolean {
    return found?.owner === this.#tree.user;
  }
}

/** The file system for the user of this process, whom the command inherits. access(2) tests the real user, who is the same. */
function systemTree(): FileTree {
  let mounted: ReadonlySet<string> | undefined;
  return {
    user: process.geteuid?.() ?? 0,
    look(path) {
      try {
        const { mode, uid } = lstatSync(path);
        const type = mode & constants.S_IFMT;
        const is = type === constants.S_IFDIR ? "directory" : type === constants.S_IFLNK ? "link" : "other";
        return { is, owner: uid, sticky: (mode & 0o1000) !== 0, target: is === "link" ? readlinkSync(path) : "" };
      } catch {
        return undefined;
      }
    },
    access(path) {
      try {
        accessSync(path, constants.W_OK);
        return "writable";
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EROFS" ? "read-only" : "denied";
      }
    },
    fileSystem(path) {
      try {
        return fileSystems.get(statfsSync(path).type) ?? "other";
      } catch {
        return "other";
      }
    },
    isMountPoint(path) {
      mounted ??= mountPoints(readProc("self/mountinfo") ?? "");
      return mounted.has(path);
    },
  };
}
