/** `portcullis export`: a policy in the formats of container runtimes and service managers (src/export). */
import { basename, isAbsolute } from "node:path";
import { diagnostic, hasErrors } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { agentSocket, type PolicyName } from "../../export/metadata.ts";
import type { Context } from "../context.ts";
import { writeOutput } from "../output.ts";
import {
  architectureOption,
  missing,
  noMoreWords,
  policyAndWords,
  policyOptions,
  policyRequest,
  readyNameOf,
} from "../policy/arguments.ts";
import { orTooLarge } from "../policy/compile.ts";
import { loadRequested, type ValidPolicy } from "../policy/load.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

const formats = ["oci", "crun", "systemd", "spo"] as const;
type Format = (typeof formats)[number];

export const exportPolicy: Verb = {
  name: "export",
  synopsis: ["export FORMAT [OPTIONS] POLICY"],
  about: [
    "Writes the part of the policy that the kernel can decide alone in another program's format. docs/containers.md describes each.",
    "oci is a seccomp profile of the OCI runtime specification (podman, docker, containerd, crun, runc). What its rules cannot say exactly asks the agent (SCMP_ACT_NOTIFY), so the profile is never weaker than the policy. A policy without state needs no agent.",
    "crun are annotations of a container with the exact classic filter, which only crun reads. --podman prints them as arguments of podman run.",
    "systemd is a drop-in of a service, without an agent: conditions on arguments and state are lost, and a comment lists them.",
    "spo is a SeccompProfile of the Kubernetes Security Profiles Operator (v1), with the rules of oci.",
  ],
  options: {
    ...policyOptions,
    output: { short: "o", value: "FILE", about: "Write to FILE instead of stdout.", complete: "file" },
    ...architectureOption,
    listener: {
      value: "PATH",
      about: `The socket of the agent: ${agentSocket} by default. spo permits paths below /var/run/security-profiles-operator only.`,
    },
    "denial-events": {
      about: "Refusals that the profile could give itself ask the agent, too, so that they become events.",
    },
    "wait-killable": {
      about:
        "Add SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: only fatal signals end a call that waits for the agent. crun and runc from 1.5 on accept it.",
    },
    podman: { about: "Print the annotations of crun as arguments of podman run, one shell word a line." },
    "best-effort": {
      about: "Leave out what the format cannot enforce (files, ports, hosts, proc file systems), and say so.",
    },
  },
  complete: formats,
  exit: [
    ["0", "The policy was exported."],
    [String(failed), "The policy does not compile, or the format cannot enforce a part of it."],
  ],
  examples: [
    ["portcullis export oci -o profile.json against/cve-2017-5123", "A profile that needs no agent"],
    ["portcullis export oci --set most=64 -o profile.json children", "One whose counter the agent keeps"],
    ["portcullis export systemd -o portcullis.conf against/cve-2017-5123", "A drop-in for a service"],
  ],
  async execute(invocation, context) {
    const { format, policy } = formatAndPolicy(invocation);
    refuseOptions(format, invocation);
    const request = policyRequest(policy, invocation);
    const loaded = await loadRequested(request, context);
    const { policyDigest } = await import("../../export/digest.ts");
    const { parameters } = request;
    const name: PolicyName = {
      policy: readyNameOf(policy) ?? basename(policy).replace(/\.[^.]+$/, ""),
      digest: policyDigest({ files: loaded.files, parameters }),
      parameters: Object.fromEntries([...parameters].sort(([a], [b]) => (a < b ? -1 : 1))),
    };
    const text = await write(format, { loaded, name, invocation, context });
    const output = invocation.text("output");
    if (output === undefined) context.out(text);
    else writeOutput(output, text, { option: "-o" });
    return 0;
  },
};

function formatAndPolicy(invocation: Invocation): { readonly format: Format; readonly policy: string } {
  const [first, ...others] = invocation.words;
  const format = formats.find((one) => one === first);
  if (first === undefined) throw missing("a format", formats.join(", "));
  if (format === undefined)
    throw new Failure([
      diagnostic("P0907", `there is no format ${JSON.stringify(first)}`, { help: formats.join(", ") }),
    ]);
  const { policy, words } = policyAndWords({ ...invocation, words: others, text: (option) => invocation.text(option) });
  noMoreWords(words);
  return { format, policy };
}

const onlyFor: { readonly [option: string]: readonly Format[] } = {
  listener: ["oci", "crun", "spo"],
  "denial-events": ["oci", "crun", "spo"],
  "wait-killable": ["oci", "spo"],
  podman: ["crun"],
};

function refuseOptions(format: Format, invocation: Invocation): void {
  for (const [option, permitted] of Object.entries(onlyFor)) {
    if (!invocation.has(option) || permitted.includes(format)) continue;
    throw new Failure([
      diagnostic("P0909", `--${option} has no effect on ${format}`, { help: `it is for ${permitted.join(", ")}` }),
    ]);
  }
}

/** Container runtimes and systemd install a filter and nothing else. The comments of systemd's drop-in say so. */
function refuseUnenforced({ program, sources, parameters }: ValidPolicy, bestEffort: boolean, context: Context): void {
  const { readOnlyProc, objects, hosts } = program;
  const parts = [
    readOnlyProc ? "readOnlyProc" : [],
    objects.length > 0 ? "the files, ports and scopes of the policy" : [],
    hosts.length > 0 ? "its hosts" : [],
  ].flat();
  if (parts.length === 0) return;
  const what = parts.join(" and ");
  if (bestEffort) {
    context.err(`portcullis: BEST EFFORT: ${what}: not in this format\n`);
    return;
  }
  const isFlag = readOnlyProc && parameters.some(({ name }) => name === "read-only-proc");
  const help = "--best-effort leaves it out; `portcullis run` enforces it";
  throw new Failure(
    [
      diagnostic("P0606", `a container runtime does not enforce ${what}`, {
        help: isFlag && parts.length === 1 ? `--set read-only-proc=false, or ${help}` : help,
      }),
    ],
    sources,
  );
}

interface Request {
  readonly loaded: ValidPolicy;
  readonly name: PolicyName;
  readonly invocation: Invocation;
  readonly context: Context;
}

/** @throws Failure */
async function write(format: Format, { loaded, name, invocation, context }: Request): Promise<string> {
  const { program, sources } = loaded;
  if (format === "systemd") {
    const { systemdText } = await import("../../export/systemd.ts");
    return orTooLarge(() => systemdText(program, name));
  }
  refuseUnenforced(loaded, invocation.has("best-effort"), context);
  const mode = invocation.has("denial-events") ? "reported" : "quiet";
  const listenerPath = await listenerOf(format, invocation);
  const exported = <T>(made: T | undefined, diagnostics: readonly Diagnostic[]): T => {
    if (made === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
    return made;
  };
  if (format === "crun") {
    const [{ containerFilter }, { annotationsText, crunAnnotations, podmanText }] = await Promise.all([
      import("../../export/container-filter.ts"),
      import("../../export/crun.ts"),
    ]);
    const { filter, diagnostics } = orTooLarge(() => containerFilter(program, mode));
    const annotations = crunAnnotations(exported(filter, diagnostics), listenerPath, name);
    if (!invocation.has("podman")) return annotationsText(annotations);
    const text = podmanText(annotations);
    if (text !== undefined) return text;
    throw new Failure([
      diagnostic("P0606", "podman divides an annotation at a comma, a quote or a line end, which a parameter has", {
        help: "portcullis export oci",
      }),
    ]);
  }
  const [{ exportOci, ociText }, { exportSpo, spoText }] = await Promise.all([
    import("../../export/oci.ts"),
    import("../../export/spo.ts"),
  ]);
  const options = { mode, listenerPath, name, waitsKillable: invocation.has("wait-killable") } as const;
  const { profile, diagnostics, hindrances } = orTooLarge(() =>
    format === "oci" ? exportOci(program, options) : exportSpo(program, options),
  );
  const made = exported(profile, diagnostics);
  for (const sentence of hindrances) context.err(`portcullis: ${sentence}\n`);
  return format === "oci" ? ociText(made) : spoText(made, name.policy);
}

/** @throws Failure */
async function listenerOf(format: Format, invocation: Invocation): Promise<string> {
  const { isSpoSocket, spoSocket } = await import("../../export/spo.ts");
  const path = invocation.text("listener") ?? (format === "spo" ? spoSocket : agentSocket);
  if (isAbsolute(path) && (format !== "spo" || isSpoSocket(path))) return path;
  const help = format === "spo" ? `a file in /var/run/security-profiles-operator, as ${spoSocket}` : "an absolute path";
  throw new Failure([diagnostic("P0907", `--listener ${JSON.stringify(path)} cannot be used`, { help })]);
}
