/** Which policies an agent serves for local runs: those that need no more than a supervisor. */
import type { NotifyPolicy } from "../../engines/notify/policy/policy.ts";
import { mayTraceAll } from "../../engines/notify/tasks/ptrace-refusal.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { asks } from "../../ir/verdicts.ts";
import { AuditLog } from "../../machine/audit.ts";
import { sysctl } from "../../machine/proc.ts";

export interface AgentSurroundings {
  /** This process may trace all processes of its user, although it is not their ancestor. */
  readonly mayTrace: boolean;
  /** The kernel's audit can be read, which a run does in its own time. */
  readonly readsAudit: boolean;
}

export function examineSurroundings(): AgentSurroundings {
  const audit = AuditLog.open();
  audit?.close();
  return {
    mayTrace: mayTraceAll() || (sysctl("kernel/yama/ptrace_scope") ?? 0) === 0,
    readsAudit: audit !== undefined,
  };
}

/** Undefined for a policy that falls back. */
export function servedPolicy(
  compiled: CompiledPolicy,
  { mayTrace, readsAudit }: AgentSurroundings,
): NotifyPolicy | undefined {
  if (compiled.engine !== "notify") return undefined;
  const { policy } = compiled;
  const { description, filter, objects, mode } = policy;
  const isAsking = mode !== "audit" && description.verdicts.some(asks);
  const restrictsHosts = (description.hosts ?? []).length > 0;
  // Only an ancestor may read and follow the processes of its calls.
  const cannotFollow = filter.notifies && !mayTrace;
  const hasAuditEvents = readsAudit && (filter.kills || (objects.length > 0 && mode !== "quiet"));
  return isAsking || restrictsHosts || cannotFollow || hasAuditEvents ? undefined : policy;
}
