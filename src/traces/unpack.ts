/** From a file to the text of a trace: JSON lines or strace's output as they are, or compressed. */
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { inflateForeign, isCompressed, isInBlocks, readBlocks, sourceOf } from "./blocks.ts";

export interface Unpacked {
  /** Undefined exactly if there is an error. */
  readonly text: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * @param file the displayed name
 * @param most bytes of text
 */
export function unpackTrace(bytes: Uint8Array, file: string, most: number): Unpacked {
  const source = sourceOf(bytes);
  if (!isCompressed(source)) return decoded(bytes, file, []);
  const parts: Uint8Array[] = [];
  const diagnostics: Diagnostic[] = [];
  let size = 0;
  if (!isInBlocks(source)) {
    try {
      return decoded(inflateForeign(bytes, most), file, []);
    } catch (error) {
      const isLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
      return failed(isLarge ? tooLarge(file, most) : damaged(file, "it is not what gzip has written"));
    }
  }
  for (const part of readBlocks(source)) {
    if (part.kind === "damage") {
      return failed(damaged(file, `${part.size} bytes from byte ${part.offset} on are not what was written`));
    }
    if (part.kind === "truncated") {
      const what = `${file} ends within a block: its recorder was killed, or the disk was full`;
      diagnostics.push(diagnostic("P0825", what, { help: "the calls up to there are read" }));
    }
    size += part.text.length;
    if (size > most) return failed(tooLarge(file, most));
    parts.push(part.text);
  }
  return decoded(Buffer.concat(parts), file, diagnostics);
}

function decoded(bytes: Uint8Array, file: string, diagnostics: readonly Diagnostic[]): Unpacked {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), diagnostics };
  } catch {
    return failed(diagnostic("P0903", `${file} is not UTF-8`));
  }
}

function failed(error: Diagnostic): Unpacked {
  return { text: undefined, diagnostics: [error] };
}

function damaged(file: string, how: string): Diagnostic {
  return diagnostic("P0824", `${file} is damaged: ${how}`, {
    help: "`portcullis trace cut -o NEW FILE` writes what can be read to a new file",
  });
}

function tooLarge(file: string, most: number): Diagnostic {
  return diagnostic("P0904", `${file} has more than ${most >> 20} MiB of text`, {
    help: "`portcullis trace cut` makes a smaller one of it",
  });
}
