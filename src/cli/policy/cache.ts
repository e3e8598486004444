/**
 * Caches compiled policies below the XDG cache directory.
 *
 * The key of an entry is the request (the policy's path, parameters, architecture, mode) and the compiler (this build
 * of portcullis, this Node). An entry is valid while every file that was read has the same content. It begins with a
 * digest, so that a truncated or damaged entry is detected and replaced. The folder must belong to this user alone
 * (0700).
 *
 * A process of the same user that can write there can weaken the next run, as it could by writing the policy or
 * ~/.profile: a policy for such a program should deny that (docs/cli.md).
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { readInputFile } from "../../machine/inputs.ts";
import { packageFile, packageVersion } from "../../machine/package.ts";
import { sha256 } from "../../machine/sha256.ts";

/** A file that the compilation read. */
export interface ReadFile {
  /** Absolute, or from the working directory, which is part of the request. */
  readonly path: string;
  /** SHA-256 of its content, in hexadecimal. */
  readonly hash: string;
}

/** The request. Strings only, so that equal requests have equal keys. */
export type CacheQuestion = Readonly<Record<string, string | readonly (readonly [string, string])[]>>;

const digestLength = 32;
const mostBytes = 64 << 20;
const mostFileBytes = 16 << 20;

export class CompiledCache {
  readonly #folder: string;
  readonly #build: string;

  private constructor(folder: string, build: string) {
    this.#folder = folder;
    this.#build = build;
  }

  /** Undefined if there is no cache: no home, a folder of another user, or portcullis run from its sources. */
  static open(environment: Readonly<Record<string, string | undefined>>): CompiledCache | undefined {
    const base = cacheBase(environment);
    const build = buildIdentity();
    if (base === undefined || build === undefined) return undefined;
    // A separate folder, because others may be allowed to read the one above.
    const folder = join(base, "portcullis/compiled");
    return isOurs(folder) || (make(folder) && isOurs(folder)) ? new CompiledCache(folder, build) : undefined;
  }

  /** The compiled form, if a valid entry exists. */
  find(question: CacheQuestion): Uint8Array | undefined {
    const entry = readEntry(this.#path(question));
    if (entry === undefined) return undefined;
    const digest = sha256(entry.subarray(digestLength));
    if (!digest.equals(entry.subarray(0, digestLength))) return undefined;
    const headerEnd = digestLength + 4 + entry.readUInt32LE(digestLength);
    const header = parseHeader(entry.subarray(digestLength + 4, headerEnd));
    if (header === undefined || !header.every(isUnchanged)) return undefined;
    return entry.subarray(headerEnd);
  }

  /** Stores an entry atomically. Errors, such as a full disk, are ignored. */
  keep(question: CacheQuestion, files: readonly ReadFile[], compiled: Uint8Array): void {
    const header = Buffer.from(JSON.stringify(files));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    const content = Buffer.concat([length, header, compiled]);
    const digest = sha256(content);
    const path = this.#path(question);
    const draft = `${path}.${process.pid}-${process.hrtime.bigint()}`;
    try {
      const fd = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        writeAll(fd, Buffer.concat([digest, content]));
      } finally {
        closeSync(fd);
      }
      renameSync(draft, path);
    } catch {
      try {
        unlinkSync(draft);
      } catch {
        // It was never created.
      }
    }
  }

  #path(question: CacheQuestion): string {
    const key = sha256(JSON.stringify([this.#build, process.version, question]));
    return join(this.#folder, key.toString("hex"));
  }
}

/** $XDG_CACHE_HOME if it is absolute, as the specification wants, else ~/.cache. */
function cacheBase({ XDG_CACHE_HOME, HOME }: Readonly<Record<string, string | undefined>>): string | undefined {
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  return HOME !== undefined && isAbsolute(HOME) ? join(HOME, ".cache") : undefined;
}

/** The digest of the files that `make build` wrote: hashing a megabyte at every start would take 3 ms. */
export function buildIdentity(): string | undefined {
  try {
    return `${packageVersion()} ${readFileSync(packageFile("dist/build-id"), "utf8")}`;
  } catch {
    return undefined;
  }
}

/**
 * Creates at most three levels, one at a time: Node's recursive mkdir never returns on some errors of the file system
 * (below /proc, Node 20).
 */
function make(folder: string): boolean {
  for (const each of [dirname(dirname(folder)), dirname(folder), folder]) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) return false;
    }
  }
  return true;
}

/** A folder, not a symbolic link, that belongs to this user and that no other user can access. */
function isOurs(folder: string): boolean {
  try {
    const stat = lstatSync(folder);
    return stat.isDirectory() && stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

function readEntry(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.uid !== process.geteuid?.() || stat.size > mostBytes) return undefined;
    const bytes = Buffer.alloc(stat.size);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(fd, bytes, done, bytes.length - done, null);
      if (count === 0) return undefined;
      done += count;
    }
    return bytes.length > digestLength + 4 ? bytes : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function parseHeader(bytes: Uint8Array): readonly ReadFile[] | undefined {
  try {
    const files: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return Array.isArray(files) && files.length > 0 && files.every(isReadFile) ? files : undefined;
  } catch {
    return undefined;
  }
}

function isReadFile(value: unknown): value is ReadFile {
  if (typeof value !== "object" || value === null || !("path" in value) || !("hash" in value)) return false;
  return typeof value.path === "string" && typeof value.hash === "string";
}

function isUnchanged({ path, hash }: ReadFile): boolean {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= mostFileBytes && sha256(readInputFile(path)).toString("hex") === hash;
  } catch {
    return false;
  }
}
