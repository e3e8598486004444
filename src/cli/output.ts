/** The files that verbs write. */
import { lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
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
 * Writes a file whole or not at all: a full disk leaves the file that was there. Only its owner may read it.
 *
 * @throws Failure
 */
export function replaceOutput(file: string, text: string): void {
  const there = lstatSync(file, { throwIfNoEntry: false });
  // A device, a fifo or a link is written to, and not replaced.
  if (there !== undefined && !there.isFile()) {
    writeOutput(file, text);
    return;
  }
  const fresh = `${file}.${process.pid}.new`;
  try {
    writeFileSync(fresh, text, { mode: 0o600, flag: "wx" });
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new Failure([diagnostic("P0901", `${file} cannot be written (${code})`)]);
  }
}
