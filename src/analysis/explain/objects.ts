/** Describes the declarations of a policy about objects, and the kernel that they need. */

import { fileRights, kernelOfAbi, portRights, scopeRights } from "../../abi/landlock.ts";
import { fileLists, type ObjectLayer, type PathRule, type PortRules, restrictedRights } from "../../ir/objects.ts";
import type { Program } from "../../ir/program.ts";
import type { ObjectsDescription } from "./explanation.ts";
import { placeText } from "./texts.ts";

/** One description for each layer. `abi`: the level of the kernel that will run the policy, if it is known. */
export function describeObjects(program: Program, abi: number | undefined): readonly ObjectsDescription[] {
  return program.objects.map((layer) => ({
    at: placeText(program, layer.at),
    lists: listsOf(layer),
    names: layer.files?.names ?? false,
    linux: kernelOfAbi[Math.max(1, ...needsOf(layer).map((need) => need.abi))]!,
    missing: abi === undefined ? [] : missingOf(layer, abi),
  }));
}

/** Names and members of the lists; those of `files.runtime` are summed up. */
function listsOf({ files, tcp, udp, unix, scopes, limits }: ObjectLayer): ObjectsDescription["lists"] {
  const found: { name: string; items: readonly string[] }[] = [];
  for (const list of fileLists) {
    const rules = files?.lists[list];
    if (rules !== undefined) found.push({ name: `files.${list}`, items: pathsOf(rules) });
  }
  if (files !== undefined && files.except.length > 0) {
    found.push({ name: "files.except", items: pathsOf(files.except) });
  }
  for (const name of ["protect", "private"] as const) {
    const rules = files?.[name] ?? [];
    if (rules.length > 0) found.push({ name: `files.${name}`, items: pathsOf(rules) });
  }
  found.push(...portsOf("tcp", tcp), ...portsOf("udp", udp));
  if (unix !== undefined) found.push({ name: "unix.connect", items: pathsOf(unix.connect) });
  if (scopes.length > 0) found.push({ name: "scope", items: scopes });
  if (limits?.processes !== undefined)
    found.push({ name: "limits.processes", items: [`${limits.processes.most}, with threads, by the kernel`] });
  if (limits?.privateSize !== undefined)
    found.push({ name: "limits.privateSize", items: [`${limits.privateSize.most} KiB`] });
  return found;
}

function pathsOf(rules: readonly PathRule[]): readonly string[] {
  const own = rules.filter(({ at }) => at !== undefined).map(({ path, optional }) => `${path}${optional ? "?" : ""}`);
  const preset = rules.length - own.length;
  return preset === 0 ? own : [...own, `${preset} of files.runtime`];
}

function portsOf(protocol: string, rules: PortRules | undefined) {
  return (["bind", "connect"] as const).flatMap((use) => {
    const ports = rules?.[use];
    return ports === undefined ? [] : [{ name: `${protocol}.${use}`, items: ports.map(String) }];
  });
}

interface Need {
  readonly what: string;
  readonly abi: number;
}

/** What the layer restricts, with the ABI level that can. */
function needsOf({ files, tcp, udp, unix, scopes }: ObjectLayer): readonly Need[] {
  const needs: Need[] = [];
  if (files !== undefined && Object.keys(files.lists).length > 0) {
    // Each ruleset about files also restricts moves.
    needs.push({ what: "files", abi: fileRights.refer.abi });
    for (const [right, list] of restrictedRights(files))
      needs.push({ what: `files.${list}`, abi: fileRights[right].abi });
  }
  if (tcp !== undefined) needs.push({ what: "tcp", abi: portRights["bind-tcp"].abi });
  if (unix !== undefined) needs.push({ what: "unix", abi: fileRights["resolve-unix"].abi });
  if (udp !== undefined) needs.push({ what: "udp", abi: portRights["bind-udp"].abi });
  for (const scope of scopes) needs.push({ what: `scope ${scope}`, abi: scopeRights[scope].abi });
  return needs;
}

function missingOf(layer: ObjectLayer, abi: number): ObjectsDescription["missing"] {
  const missing = new Map<string, string>();
  for (const { what, abi: needed } of needsOf(layer)) if (needed > abi) missing.set(what, kernelOfAbi[needed]!);
  return Array.from(missing, ([what, linux]) => ({ what, linux }));
}
