/**
 * Expresses fork, vfork and clone3 as the equivalent clone, which a C library uses if the other call is missing or
 * refused.
 */
import type { ArchitectureName } from "../linux/architecture.ts";
import { callByName } from "../linux/calls.ts";
import { nameSet } from "../linux/flags.ts";
import { aspectsOf } from "./aspects.ts";
import type { Signature } from "./history.ts";

/** The effect of clone3 with unknown flags: a thread or a child of the C library. */
const usual = [
  ...["CLONE_VM", "CLONE_FS", "CLONE_FILES", "CLONE_SIGHAND", "CLONE_THREAD", "CLONE_SYSVSEM", "CLONE_SETTLS"],
  ...["CLONE_PARENT_SETTID", "CLONE_CHILD_CLEARTID", "CLONE_CHILD_SETTID", "CLONE_VFORK"],
];

interface Use {
  readonly call: string;
  readonly signatures: readonly Signature[];
  readonly states: ReadonlySet<unknown>;
  readonly byRole: ReadonlyMap<unknown, number>;
}

/** The flags of the equivalent clones. */
function clonesOf({ call, signatures }: Use, architecture: ArchitectureName): bigint[] {
  const value = (name: string) => nameSet("CloneFlag")!.members.find((one) => one.name === name)!.value[architecture]!;
  const child = value("SIGCHLD");
  switch (call) {
    case "fork":
      return [child];
    case "vfork":
      return [child | value("CLONE_VM") | value("CLONE_VFORK")];
    case "clone3":
      // clone's flags have 32 bits.
      return signatures.flatMap(({ values: [flags] }) => {
        if (typeof flags === "bigint") return [BigInt.asUintN(32, flags) | child];
        return flags === undefined ? [usual.reduce((bits, name) => bits | value(name), child)] : [];
      });
    default:
      return [];
  }
}

/** The uses, with clone in place of the other calls where it is equivalent. */
export function withEquivalents<One extends Use>(uses: readonly One[], architecture: ArchitectureName): One[] {
  const clone = callByName("clone")!;
  const aspects = aspectsOf(clone, "calls", architecture);
  const parents = uses.filter((use) => clonesOf(use, architecture).length > 0);
  const first = parents[0];
  if (first === undefined) return [...uses];
  const signatures = parents
    .flatMap((use) => clonesOf(use, architecture))
    .map((flags): Signature => ({ id: -1, call: "clone", aspects, values: [flags] }));
  const own = uses.find(({ call }) => call === "clone");
  const states = new Set([own, ...parents].flatMap((use) => [...(use?.states ?? [])]));
  const base = own ?? { ...first, call: "clone", signatures: [], count: 0, byRole: new Map() };
  const merged = { ...base, states, signatures: [...base.signatures, ...signatures] };
  return [...uses.filter((use) => use !== own), merged];
}
