/** The files that verbs write. */
import { chmodSync, lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { Failure } from "./verb.ts";

/** @throws Failure */
export function writeOutput(file: string, text: string | Uint8Array): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new Failure([diagnostic("P0901", `${file} cannot be written (${code})`)]);
  }
}

/**
 * Writes a file whole or not at all: a full disk leaves the file that was there.
 *
 * @param access "private": only its owner may read it; "usual": as the file that was there, or as a new one
 * @throws Failure
 */
export function replaceOutput(file: string, text: string, access: "private" | "usual"): void {
  const there = lstatSync(file, { throwIfNoEntry: false });
  // A device, a fifo or a link is written to, and not replaced; nor does a file change its owner.
  const isWrittenTo =
    there !== undefined && (!there.isFile() || (access === "usual" && there.uid !== process.geteuid?.()));
  if (isWrittenTo) {
    writeOutput(file, text);
    return;
  }
  const fresh = `${file}.${process.pid}.new`;
  try {
    writeFileSync(fresh, text, { mode: access === "private" ? 0o600 : 0o666, flag: "wx" });
    if (access === "usual" && there !== undefined) chmodSync(fresh, there.mode & 0o777);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    // The folder admits no new file, but the file that is there may be writable.
    if (access === "usual" && there !== undefined && code === "EACCES") {
      writeOutput(file, text);
      return;
    }
    throw new Failure([diagnostic("P0901", `${file} cannot be written (${code})`)]);
  }
}
