/**
 * Exports a policy as annotations of crun(1): its exact classic filter, which crun installs in the place of the container's
 * profile, and the socket that gets the listener. With a receiver as an annotation crun sends no `listenerMetadata`, but
 * the container's state has the annotations, and those of metadata.ts name the policy.
 */
import { shellWord } from "../diagnostics/shell-word.ts";
import { type ContainerFilter, encodeContainerFilter } from "./container-filter.ts";
import { type PolicyName, toAnnotations } from "./metadata.ts";

export function crunAnnotations(
  filter: ContainerFilter,
  listenerPath: string,
  name: PolicyName,
): Readonly<Record<string, string>> {
  const data = Buffer.from(encodeContainerFilter(filter)).toString("base64");
  return {
    "run.oci.seccomp_bpf_data": data,
    ...(filter.needsAgent ? { "run.oci.seccomp.receiver": listenerPath, ...toAnnotations(name) } : {}),
  };
}

/** Part of config.json. */
export function annotationsText(annotations: Readonly<Record<string, string>>): string {
  return `${JSON.stringify({ annotations }, null, 2)}\n`;
}

/**
 * Arguments of `podman run`, one shell word a line. Undefined if a value has a comma, a quote or a line end, at which some
 * versions of podman divide it.
 */
export function podmanText(annotations: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(annotations);
  if (entries.some(([key, value]) => /[,"\r\n]/.test(`${key}${value}`))) return undefined;
  return entries.map(([key, value]) => `--annotation=${shellWord(`${key}=${value}`)}\n`).join("");
}
