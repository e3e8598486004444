/**
 * Expresses fork, vfork and clone3 as the equivalent clone, which a C library uses if the other call is missing or
 * refused.
 */
import type { ArchitectureName } from "../abi/architecture.ts";
import { callByName } from "../abi/calls.ts";
import { nameSet } from "../abi/flags.ts";
import { cloneFlag } from "../abi/process-calls.ts";
import { aspectsOf } from "./aspects.ts";
import type { Signature } from "./history.ts";
import type { Grant, Permissions } from "./permissions.ts";

/** The effect of clone3 with unknown flags: a thread or a child of the C library. */
const usual = [
  ...["CLONE_VM", "CLONE_FS", "CLONE_FILES", "CLONE_SIGHAND", "CLONE_THREAD", "CLONE_SYSVSEM", "CLONE_SETTLS"],
  ...["CLONE_PARENT_SETTID", "CLONE_CHILD_CLEARTID", "CLONE_CHILD_SETTID", "CLONE_VFORK"],
];

/** The flags of the equivalent clones. */
function clonesOf({ call, values }: Signature, architecture: ArchitectureName): bigint[] {
  const value = (name: string) => nameSet("CloneFlag")!.members.find((one) => one.name === name)!.value[architecture]!;
  const child = value("SIGCHLD");
  switch (call) {
    case "fork":
      return [child];
    case "vfork":
      return [child | value("CLONE_VM") | value("CLONE_VFORK")];
    case "clone3": {
      const [flags] = values;
      // clone's flags have 32 bits.
      // A thread ends without a signal.
      if (typeof flags === "bigint") return [BigInt.asUintN(32, flags) | (isThread(flags) ? 0n : child)];
      return flags === undefined ? [usual.reduce((bits, name) => bits | value(name), child)] : [];
    }
    default:
      return [];
  }
}

function isThread(flags: bigint): boolean {
  return (flags & cloneFlag.thread) !== 0n;
}

/** Clone is allowed as well where another call that is equivalent was recorded. */
export function withEquivalents(permissions: Permissions, architecture: ArchitectureName): Permissions {
  const uses = permissions.calls;
  const aspects = aspectsOf(callByName("clone")!, "calls", architecture);
  const clones = uses.flatMap(({ grants }) =>
    grants.flatMap(({ signature, states }) =>
      clonesOf(signature, architecture).map((flags): Grant => {
        return { signature: { id: -1, call: "clone", aspects, values: [flags] }, states };
      }),
    ),
  );
  if (clones.length === 0) return permissions;
  const own = uses.find(({ call }) => call === "clone");
  const base = own ?? { call: "clone", grants: [], count: 0, byRole: new Map(), isFrequent: false };
  const calls = [...uses.filter((use) => use !== own), { ...base, grants: [...base.grants, ...clones] }];
  return { ...permissions, calls: calls.sort((a, b) => (a.call < b.call ? -1 : 1)) };
}
