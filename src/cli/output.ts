/** The files that verbs write. */
import { writeFileSync } from "node:fs";
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
