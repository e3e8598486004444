/**
 * Reads a file of which the policy's author or user gives the name. It never blocks and bounds the size: it opens
 * without blocking, because a plain read of a fifo without a writer would hang, and accepts only regular files.
 */
import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { DiagnosticCode } from "../../diagnostics/catalogue.ts";
import { noteFile } from "../../machine/inputs.ts";

/** Larger than any hand-written policy, and small enough to parse in a second. */
const maximumFileBytes = 4 * 1024 * 1024;

export type ReadOutcome =
  | { readonly text: string; readonly bytes: Uint8Array }
  | { readonly code: DiagnosticCode; readonly problem: string; readonly missing?: true };

/** The text of a regular UTF-8 file of at most `maximumFileBytes`, or the fault as the rest of a sentence. */
export function readPolicyFile(path: string): ReadOutcome {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return failure(error);
  }
  try {
    noteFile(descriptor, "input");
    const status = fstatSync(descriptor);
    if (!status.isFile()) {
      const what = status.isDirectory()
        ? "a directory"
        : status.isFIFO()
          ? "a fifo"
          : status.isCharacterDevice() || status.isBlockDevice()
            ? "a device"
            : "not a regular file";
      return { code: "P0902", problem: `is ${what}` };
    }
    if (status.size > maximumFileBytes) return tooLarge(status.size);
    // One byte over the limit, because a file may grow after fstat, and fstat gives 0 for files in /proc.
    const buffer = Buffer.allocUnsafe(Math.max(status.size, 64 * 1024) + 1);
    const parts: Buffer[] = [];
    let total = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, 0, buffer.length, null);
      if (count === 0) break;
      total += count;
      if (total > maximumFileBytes) return tooLarge(total);
      parts.push(Buffer.from(buffer.subarray(0, count)));
    }
    return decodePolicyText(Buffer.concat(parts));
  } catch (error) {
    return failure(error);
  } finally {
    closeSync(descriptor);
  }
}

/** Decodes strict UTF-8 and drops a byte order mark. */
export function decodePolicyText(bytes: Uint8Array): ReadOutcome {
  if (bytes.length > maximumFileBytes) return tooLarge(bytes.length);
  if (!isUtf8(bytes)) return { code: "P0903", problem: "is not UTF-8 text" };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  return { text: text.startsWith("\ufeff") ? text.slice(1) : text, bytes };
}

function tooLarge(bytes: number): ReadOutcome {
  return { code: "P0904", problem: `is too large: ${bytes} bytes, where ${maximumFileBytes} are allowed` };
}

function failure(error: unknown): ReadOutcome {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  if (code === "ENOENT" || code === "ENOTDIR") return { code: "P0901", problem: "does not exist", missing: true };
  if (code === "EACCES" || code === "EPERM") return { code: "P0901", problem: "may not be read (permission denied)" };
  if (code === "ENXIO" || code === "ENODEV") return { code: "P0902", problem: "is not a regular file" };
  if (code === "ELOOP") return { code: "P0901", problem: "is a loop of symbolic links" };
  return { code: "P0901", problem: `cannot be read (${code})` };
}
