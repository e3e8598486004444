/** Makes Landlock rulesets of a policy's declarations about objects: one for each layer. */

import {
  type FileRight,
  fileRights,
  inOrder,
  type PortRight,
  portRights,
  type ScopeRight,
  scopeRights,
} from "../../abi/landlock.ts";
import { type ObjectLayer, type PathRule, type PortRules, restrictedRights } from "../../ir/objects.ts";
import { type MountRule, mountRulesOf } from "./mounts.ts";

/** What the launcher reads (native/launcher/layer_format.h). */
export interface Ruleset {
  /** The restricted rights. */
  readonly files: readonly FileRight[];
  readonly ports: readonly PortRight[];
  readonly scopes: readonly ScopeRight[];
  readonly rules: readonly Rule[];
}

export type Rule =
  | {
      readonly is: "beneath";
      readonly path: string;
      readonly access: readonly FileRight[];
      /** The path may be missing. */
      readonly optional: boolean;
      /** Exceptions do not apply to it. */
      readonly whole: boolean;
    }
  | { readonly is: "port"; readonly port: number; readonly access: readonly PortRight[] }
  | { readonly is: "except"; readonly path: string }
  | { readonly is: "streams"; readonly access: readonly FileRight[] }
  | MountRule;

export function rulesetsOf(layers: readonly ObjectLayer[]): readonly Ruleset[] {
  // A task in any domain with rules about files is denied moves between directories by each of its domains that does not
  // grant them, even by one about ports (landlock_get_fs_access_mask(), security/landlock/ruleset.h of Linux 6.12).
  const restrictsFiles = layers.some((layer) => restrictedBy(layer).size > 0);
  const mounts = mountRulesOf(layers);
  return layers.map((layer, position) => {
    const { tcp, udp, scopes } = layer;
    const ports = [...portsOf(tcp, "bind-tcp", "connect-tcp"), ...portsOf(udp, "bind-udp", "connect-send-udp")];
    const files = restrictedBy(layer);
    return {
      files: restrictsFiles ? inOrder(fileRights, [...files.keys(), "refer"]) : [],
      ports: inOrder(
        portRights,
        ports.map(({ right }) => right),
      ),
      scopes: inOrder(scopeRights, scopes),
      rules: [
        ...(restrictsFiles ? rulesOfFiles(layer, files) : []),
        ...rulesOfPorts(ports),
        // The tree has one mount namespace.
        ...(position === 0 ? mounts : []),
      ],
    };
  });
}

/** The restricted rights, each with the rules that grant it. */
function restrictedBy({ files, unix }: ObjectLayer): ReadonlyMap<FileRight, readonly PathRule[]> {
  const rights = new Map<FileRight, readonly PathRule[]>();
  if (files !== undefined) for (const [right, list] of restrictedRights(files)) rights.set(right, files.lists[list]!);
  if (unix !== undefined) rights.set("resolve-unix", unix.connect);
  return rights;
}

function rulesOfFiles(
  { files }: ObjectLayer,
  restricted: ReadonlyMap<FileRight, readonly PathRule[]>,
): readonly Rule[] {
  const beneath = new Map<
    string,
    { readonly path: string; readonly access: Set<FileRight>; optional: boolean; whole: boolean }
  >();
  const permit = ({ path, optional }: Pick<PathRule, "path" | "optional">, right: FileRight, whole: boolean): void => {
    const key = `${whole} ${path}`;
    const known = beneath.get(key) ?? { path, access: new Set(), optional: true, whole };
    known.access.add(right);
    known.optional &&= optional;
    beneath.set(key, known);
  };
  // Moves that the policy does not restrict. No exception limits them, because a file cannot be moved to a directory where it
  // has more rights.
  if (!restricted.has("refer")) permit({ path: "/", optional: false }, "refer", true);
  for (const [right, rules] of restricted)
    for (const rule of rules) permit(rule, right, right === "read-dir" && files?.names === true);
  return [
    ...(files?.except ?? []).map(({ path }): Rule => ({ is: "except", path })),
    ...Array.from(
      beneath.values(),
      ({ access, ...rule }): Rule => ({ is: "beneath", ...rule, access: inOrder(fileRights, access) }),
    ),
    ...(files?.streams === true && restricted.size > 0
      ? [{ is: "streams", access: inOrder(fileRights, restricted.keys()) } as const]
      : []),
  ];
}

interface PortList {
  readonly right: PortRight;
  readonly ports: readonly number[];
}

function portsOf(rules: PortRules | undefined, bind: PortRight, connect: PortRight): readonly PortList[] {
  return [
    ...(rules?.bind === undefined ? [] : [{ right: bind, ports: rules.bind }]),
    ...(rules?.connect === undefined ? [] : [{ right: connect, ports: rules.connect }]),
  ];
}

function rulesOfPorts(lists: readonly PortList[]): readonly Rule[] {
  const ports = new Map<number, PortRight[]>();
  for (const { right, ports: listed } of lists)
    for (const port of new Set(listed)) ports.set(port, [...(ports.get(port) ?? []), right]);
  return Array.from(ports, ([port, access]): Rule => ({ is: "port", port, access: inOrder(portRights, access) }));
}
