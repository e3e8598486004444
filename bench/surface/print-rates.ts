/** The rows of a server's rates under its policy. */
import { print } from "../support/pairs.ts";
import type { EnforcedRates } from "./enforcement.ts";
import type { Server } from "./server.ts";

export function printRates(bench: string, { name }: Server, { policy, allowAll, none, judged }: EnforcedRates): void {
  const unit = "requests/s of a processor";
  const limit = "≥ 0.97";
  print({ bench, case: `${name} under its policy, against none`, unit: "requests/s", ...policy.perSecond, limit });
  print({ bench, case: `${name} under its policy: by processor time`, unit, ...policy.perProcessorSecond, limit });
  for (const [what, rates] of [
    ["under a filter that allows all", allowAll],
    ["without a filter, against another such", none],
  ] as const) {
    print({ bench, case: `${name} ${what}`, unit: "requests/s", ...rates.perSecond, informative: true });
    print({ bench, case: `${name} ${what}: by processor time`, unit, ...rates.perProcessorSecond, informative: true });
  }
  print({
    bench,
    case: `${name}: calls that the supervisor judges for 1,000 requests`,
    unit: "calls",
    ours: (1000 * judged.calls) / judged.requests,
    informative: true,
  });
}
