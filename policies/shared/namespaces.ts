import type { CallOf } from "portcullis";

/** clone creates namespaces like unshare. */
export function makesNamespace(call: CallOf<"clone">): boolean {
  return call.args.flags.hasAny(
    "CLONE_NEWUSER",
    "CLONE_NEWNS",
    "CLONE_NEWNET",
    "CLONE_NEWPID",
    "CLONE_NEWIPC",
    "CLONE_NEWUTS",
    "CLONE_NEWCGROUP",
  );
}
