/** The engine `notify`: a classic filter notifies a supervisor in user space. Any Linux since 5.9, no privilege. */
import type { EngineRuntime } from "../engine/engine.ts";
import type { NotifyPolicy } from "./policy/policy.ts";
import { runUnderNotify } from "./run.ts";

export const notifyEngine: EngineRuntime<"notify", NotifyPolicy> = {
  name: "notify",
  summary: "a supervisor; any Linux since 5.9, no privilege",
  runHelp: {
    supervision:
      "Under notify, calls that need its verdict fail with ENOSYS if portcullis is killed, and wait if it is stopped. They never pass.",
    "kill-events":
      "Under notify the supervisor then carries out static kills, with SIGKILL: the exit status is 137, such a call costs a few microseconds more, kill thread kills the process, and if the supervisor has died the call fails (ENOSYS) and its caller survives.",
    killed:
      "under notify 159 if the filter killed the process, with a message, and 137 (SIGKILL) if the supervisor did",
  },
  audits: true,
  hasStatus: true,
  // Only a start shows whether the kernel accepts the filter and the listener.
  probe: () => ({ works: true, variant: "" }),
  run: (policy, command, options) => runUnderNotify(policy, command, options),
};
