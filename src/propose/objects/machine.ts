/**
 * What the machine of the proposal has at recorded paths. Landlock looks at objects, so links are followed as far as the
 * files are here; the rest of a path remains a text.
 */
import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";

export type ObjectKind = "file" | "directory" | "other";

export interface Machine {
  /** The path without symbolic links, "." and "..". `path` is absolute. */
  real(path: string): string;
  /** Undefined if nothing is there. */
  kind(path: string): ObjectKind | undefined;
  /** The program that starts the file: of `#!`, or the dynamic linker. */
  interpreter(path: string): string | undefined;
  /** The program that a shell would find. */
  program(name: string): string | undefined;
  /** The user's home directory. */
  readonly home: string;
}

/** The bytes of a file that are read, from its start: the kernel reads 256 bytes of a script (BINPRM_BUF_SIZE), a linker's name is in the first page. */
const headBytes = 4096;

export class ThisMachine implements Machine {
  readonly home = homedir();
  readonly #real = new Map<string, string>();
  readonly #kinds = new Map<string, ObjectKind | undefined>();

  real(path: string): string {
    let found = this.#real.get(path);
    if (found === undefined) {
      found = realPath(path);
      this.#real.set(path, found);
    }
    return found;
  }

  kind(path: string): ObjectKind | undefined {
    if (!this.#kinds.has(path)) this.#kinds.set(path, kindOf(path));
    return this.#kinds.get(path);
  }

  interpreter(path: string): string | undefined {
    try {
      if (this.kind(path) !== "file") return undefined;
      const head = Buffer.alloc(headBytes);
      const descriptor = openSync(path, "r");
      try {
        return interpreterIn(head.subarray(0, readSync(descriptor, head)));
      } finally {
        closeSync(descriptor);
      }
    } catch {
      return undefined;
    }
  }

  program(name: string): string | undefined {
    const folders = (process.env["PATH"] ?? "").split(":").filter((folder) => folder.startsWith("/"));
    return folders.map((folder) => `${folder}/${name}`).find((path) => this.kind(path) === "file");
  }
}

function kindOf(path: string): ObjectKind | undefined {
  try {
    const found = statSync(path);
    return found.isDirectory() ? "directory" : found.isFile() ? "file" : "other";
  } catch {
    return undefined;
  }
}

/** The path without symbolic links, as far as its files are here. `path` is absolute. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    if (path === "/") return "/";
    const whole = path.replace(/\/+$/, "");
    const [above, name] = [realPath(dirname(whole)), basename(whole)];
    if (name === "..") return dirname(above);
    return name === "." ? above : join(above, name);
  }
}

/** include/uapi/linux/elf.h: PT_INTERP is program header type 3. */
export function interpreterIn(head: Buffer): string | undefined {
  const script = /^#![ \t]*([^ \t\n\0]+)/.exec(head.toString("latin1"))?.[1];
  if (script !== undefined) return Buffer.from(script, "latin1").toString();
  const isElf64 = head.length >= 64 && head.readUInt32BE(0) === 0x7f45_4c46 && head[4] === 2 && head[5] === 1;
  if (!isElf64) return undefined;
  const [first, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const at = first + index * size;
    if (at + 40 > head.length || head.readUInt32LE(at) !== 3) continue;
    const [offset, length] = [Number(head.readBigUInt64LE(at + 8)), Number(head.readBigUInt64LE(at + 32))];
    return offset + length > head.length ? undefined : head.toString("utf8", offset, offset + length - 1);
  }
  return undefined;
}
