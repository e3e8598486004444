/** The engine `notify`: a classic filter asks a supervisor in user space. Any Linux since 5.9, no privilege. */
import type { EngineRuntime } from "../engine.ts";
import type { NotifyPolicy } from "./policy.ts";
import { runUnderNotify } from "./run.ts";

export const notifyEngine: EngineRuntime<"notify", NotifyPolicy> = {
  name: "notify",
  summary: "a supervisor; any Linux since 5.9, no privilege",
  audits: true,
  hasStatus: true,
  // Only a start shows whether the kernel accepts the filter and the listener.
  probe: () => ({ works: true, variant: "" }),
  run: (policy, command, options) => runUnderNotify(policy, command, options),
};
