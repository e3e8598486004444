/** SHA-256 for a start, for which loading node:crypto would take 3 ms. */
import { native } from "./native.ts";

/** Longer texts are faster with node:crypto, which uses the processor's instructions. */
const mostBytes = 512 * 1024;

/** The digest, 32 bytes. Works without the native part, too. */
export function sha256(content: string | Uint8Array): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  if (bytes.length > mostBytes || !hasNative()) {
    return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest();
  }
  const digest = Buffer.alloc(32);
  native().sha256(bytes, digest);
  return digest;
}

function hasNative(): boolean {
  try {
    native();
    return true;
  } catch {
    return false;
  }
}
