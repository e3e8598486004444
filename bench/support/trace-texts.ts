/** The text of a recording in parts: as one string, that of a long recording would be longer than Node's strings can be. */
import { closeSync, fstatSync, openSync } from "node:fs";
import { readBlocks, sourceOfFile } from "../../src/traces/blocks.ts";

/** Parts of whole lines, in latin1. @throws Error if the recording is damaged */
export function* traceTexts(file: string): Generator<string> {
  const descriptor = openSync(file, "r");
  try {
    for (const part of readBlocks(sourceOfFile(descriptor, fstatSync(descriptor).size))) {
      if (part.kind !== "block") throw new Error(`${file}: ${part.kind} at byte ${part.offset}`);
      yield part.text.toString("latin1");
    }
  } finally {
    closeSync(descriptor);
  }
}
