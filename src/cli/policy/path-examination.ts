/**
 * Finds allowed paths that the command's user can make lead to another object (P0609): `run` examines every directory on
 * the way of each path. In a directory that this user can write, the next name of the path can get another object.
 */
import { accessSync, constants, lstatSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { AllowedPath } from "../../analysis/allowed-paths.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import type { RunRequest } from "../run-request.ts";

/** The examination's view of the file system. */
export interface FileTree {
  /** Undefined where there is no such name, or none that this user can see. */
  look(path: string): Found | undefined;
  /** access(2) with W_OK, which knows ACLs and read-only file systems. */
  access(path: string): "writable" | "read-only" | "denied";
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

/** MAXSYMLINKS (include/linux/namei.h). */
const mostLinks = 40;

/** The findings of a `run` about its policy, as warnings or as the reason not to start. */
export function examined(
  { policy }: CompiledPolicy,
  { strictPaths, quiet }: Pick<RunRequest, "strictPaths" | "quiet">,
): Diagnostic[] {
  return strictPaths || !quiet ? examinePaths(policy.allowedPaths) : [];
}

/** One warning for each directory, and for each path that leads to no fixed place. */
export function examinePaths(allowed: readonly AllowedPath[], tree: FileTree = systemTree()): Diagnostic[] {
  const byDirectory = new Map<string, string[]>();
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
    const directory = new Walk(tree).changeable(one);
    if (directory !== undefined) byDirectory.set(directory, [...(byDirectory.get(directory) ?? []), one.shown]);
  }
  for (const [directory, shown] of byDirectory) {
    found.push(
      diagnostic(
        "P0609",
        `the command's user can write ${directory}, a directory on the way to paths that the policy permits: ${shown.join(", ")}`,
        { help: "a directory that another user owns, with all above it; or run the command as another user" },
      ),
    );
  }
  return found;
}

class Walk {
  readonly #tree: FileTree;
  #links = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** The first directory on the way that this user can write. */
  changeable({ path, names }: AllowedPath): string | undefined {
    const way = this.#follow("/", path);
    if (way.changeable !== undefined || names === "one") return way.changeable;
    // Any name in the directory is permitted, so a new one is enough.
    return way.end !== undefined && this.#canWrite(way.end) ? way.end : undefined;
  }

  /** `end` is the directory that the path leads to, if it is one. */
  #follow(from: string, path: string): { readonly changeable?: string; readonly end?: string } {
    let at = path.startsWith("/") ? "/" : from;
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at = join(at, "..");
        continue;
      }
      const next = join(at, name);
      const found = this.#tree.look(next);
      if (this.#canReplace(at, found)) return { changeable: at };
      if (found?.is === "link") {
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

  #canWrite(directory: string): boolean {
    const access = this.#tree.access(directory);
    // An owner can permit it to himself.
    return access === "writable" || (access === "denied" && this.#owns(this.#tree.look(directory)));
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

/** As the user of this process, which the command inherits; access(2) tests the real one, and they are the same. */
function systemTree(): FileTree {
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
  };
}
