/**
 * The files that this process has read as inputs or has written, by device and inode, so that no output replaces one of
 * them, by whatever name. Each place that opens a file which the user named tells it here.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";

export type FileUse = "input" | "output";

const key = Symbol.for("portcullis.files");
/** The files of dist/ that one process loads have a copy of this module each, and share the map. */
const shared = globalThis as { [key]?: Map<string, FileUse> };
shared[key] ??= new Map();
const files = shared[key];

/** @param file its name, or a descriptor of it */
export function noteFile(file: string | number, use: FileUse): void {
  const identity = identityOf(file);
  if (identity !== undefined) files.set(identity, use);
}

/** Undefined if this process has not used it. */
export function useOf(file: string | number): FileUse | undefined {
  const identity = identityOf(file);
  return identity === undefined ? undefined : files.get(identity);
}

/** A new command line begins. */
export function forgetFiles(): void {
  files.clear();
}

/** Reads a whole file. @throws Node's error */
export function readInputFile(path: string): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    noteFile(descriptor, "input");
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Undefined for what is not a regular file: a pipe or a terminal can be input and output at once. As integers, because
 * overlayfs uses the highest bits of an inode's number.
 */
function identityOf(file: string | number): string | undefined {
  try {
    const options = { bigint: true } as const;
    const stat = typeof file === "number" ? fstatSync(file, options) : statSync(file, options);
    return stat.isFile() ? `${stat.dev}:${stat.ino}` : undefined;
  } catch {
    return undefined; // It does not exist, or the open that follows reports why it fails.
  }
}
