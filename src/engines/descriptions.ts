/** The engines' descriptions: loaded by `doctor`, `explain` and the documents, never for a start. */
import type { EngineDescription } from "./engine/description.ts";
import { notifyDescription } from "./notify/description.ts";
import type { EngineName } from "./registry.ts";
import { seccompEbpfDescription } from "./seccomp-ebpf/description.ts";

export const descriptions: { readonly [N in EngineName]: EngineDescription } = {
  "seccomp-ebpf": seccompEbpfDescription,
  notify: notifyDescription,
};
