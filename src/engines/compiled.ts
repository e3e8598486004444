/** Compiled policies as bytes, for the cache. */
import { deserialize, serialize } from "node:v8";
import type { CompiledPolicy } from "./registry.ts";

/** Not compatible between versions of Node or of portcullis: the cache's key names both. */
export function encodeCompiled(compiled: CompiledPolicy): Uint8Array {
  return serialize(compiled);
}

/** Throws if the bytes are not a policy. */
export function decodeCompiled(bytes: Uint8Array): CompiledPolicy {
  return deserialize(bytes) as CompiledPolicy;
}
