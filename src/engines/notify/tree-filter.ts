/** The whole filter of a tree: the policy's, behind the rules for the supervisor's own work. Loads no compiler. */
import { behind } from "./filter-prefix.ts";
import { requireFileSize } from "./pin/file-size.ts";
import { type OwnCalls, ownCallRules } from "./pin/own-calls.ts";
import { windowProtection } from "./pin/protection.ts";
import { windowRules } from "./pin/window-rules.ts";
import type { ArmedFilter, NotifyPolicy } from "./policy/policy.ts";
import type { KernelFeatures } from "./supervisor-options.ts";

/** The calls that the filter reports whatever the policy says: those of signal-stops.ts, and those that pinned calls need. */
export function ownCallsOf(policy: NotifyPolicy): OwnCalls {
  const { rooms, catching } = policy;
  if (!pins(policy)) return { hindered: [], reportsEnds: false, stalling: [], notified: catching };
  return {
    hindered: policy.hinderedOwnCalls,
    reportsEnds: rooms.length > 0,
    stalling: policy.stallingCalls,
    notified: [...policy.protections, ...policy.hidingCalls, ...catching],
  };
}

const pins = ({ memory, rooms }: NotifyPolicy): boolean => memory.observations.length + rooms.length > 0;

/**
 * With the rules for the supervisor's own work. Where the kernel cannot seal the window of pinned calls, the filter
 * protects it. Throws a StartError where calls cannot be pinned.
 */
export function treeFilter(policy: NotifyPolicy, kernel: KernelFeatures = "present"): ArmedFilter {
  const { architecture } = policy.description;
  const own = ownCallRules(architecture, ownCallsOf(policy));
  if (!pins(policy)) return behind(own, policy.filter);
  requireFileSize();
  const protection = windowProtection(kernel) === "seal" ? [] : windowRules(architecture);
  return behind([...protection, ...own], policy.filter);
}

/** For a container: no process has the token with which the launcher's own calls pass. */
export function containerFilter(policy: NotifyPolicy): ArmedFilter {
  const filter = treeFilter(policy);
  const instructions = filter.instructions.slice();
  const { randomFillSync } = process.getBuiltinModule("node:crypto");
  for (const position of filter.tokenPositions) randomFillSync(instructions, 8 * position + 4, 4);
  return { ...filter, instructions };
}
