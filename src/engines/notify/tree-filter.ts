/** The whole filter of a tree: the policy's, behind the rules for the supervisor's own work. Loads no compiler. */
import { behind } from "./filter-prefix.ts";
import { requireFileSize } from "./pin/file-size.ts";
import { ownCallRules } from "./pin/own-calls.ts";
import { windowProtection } from "./pin/protection.ts";
import { windowRules } from "./pin/window-rules.ts";
import type { ArmedFilter, NotifyPolicy } from "./policy.ts";
import type { KernelFeatures } from "./supervisor-options.ts";

/**
 * With the rules for signals (signal-stops.ts), and those that pinned calls need: where the kernel cannot seal their
 * window, the filter protects it. Throws a StartError where calls cannot be pinned.
 */
export function treeFilter(policy: NotifyPolicy, kernel: KernelFeatures = "present"): ArmedFilter {
  const { filter, memory, rooms, catching, description } = policy;
  const { architecture } = description;
  if (memory.observations.length === 0 && rooms.length === 0) {
    const notified = ownCallRules(architecture, [], { reportsEnds: false, stalling: [], notified: catching });
    return behind(notified, filter);
  }
  requireFileSize();
  const protection = windowProtection(kernel) === "seal" ? [] : windowRules(architecture);
  const own = ownCallRules(architecture, policy.hinderedOwnCalls, {
    reportsEnds: rooms.length > 0,
    stalling: policy.stallingCalls,
    notified: [...policy.protections, ...policy.hidingCalls, ...catching],
  });
  return behind([...protection, ...own], filter);
}

/** For a container: no process has the token with which the launcher's own calls pass. */
export function containerFilter(policy: NotifyPolicy): ArmedFilter {
  const filter = treeFilter(policy);
  const instructions = filter.instructions.slice();
  const { randomFillSync } = process.getBuiltinModule("node:crypto");
  for (const position of filter.tokenPositions) randomFillSync(instructions, 8 * position + 4, 4);
  return { ...filter, instructions };
}
