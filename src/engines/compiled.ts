/** A policy compiled for whichever engine is going to enforce it; what the cache keeps. */
import { deserialize, serialize } from "node:v8";
import type { PolicyDescription } from "../events/record.ts";
import type { NotifyPolicy } from "./notify/policy.ts";
import type { SeccompEbpfPolicy } from "./seccomp-ebpf/policy.ts";

export type CompiledPolicy =
  | { readonly engine: "notify"; readonly policy: NotifyPolicy }
  | { readonly engine: "seccomp-ebpf"; readonly policy: SeccompEbpfPolicy };

export function descriptionOf({ policy }: CompiledPolicy): PolicyDescription {
  return policy.description;
}

/** Not compatible between versions of Node or of portcullis: whoever keeps it names both in the key. */
export function encodeCompiled(compiled: CompiledPolicy): Uint8Array {
  return serialize(compiled);
}

/** Throws where the bytes are no policy. */
export function decodeCompiled(bytes: Uint8Array): CompiledPolicy {
  return deserialize(bytes) as CompiledPolicy;
}
