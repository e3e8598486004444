/** The gate before the policy: who is refused, let through, or judged. The same on every engine. */
import { auditArchitecture, x32Bit } from "../linux/architecture.ts";
import type { SystemCallEvent } from "./evaluation.ts";
import { holds } from "./intervals.ts";
import type { Program } from "./program.ts";

/**
 * | outcome | what follows | state |
 * | --- | --- | --- |
 * | foreign | another ABI (i386, x32, a foreign `AUDIT_ARCH`): ENOSYS | untouched |
 * | always | no event of the policy: allowed | untouched |
 * | unknown | a number without a call, or one that the policy must name and does not: ENOSYS | untouched |
 * | judged | the policy decides | the policy's |
 */
export type AdmissionOutcome = "foreign" | "always" | "unknown" | "judged";

/**
 * What a tracer writes to skip a call (ptrace(2), PTRACE_SYSEMU; seccomp(2), SECCOMP_RET_TRACE). It has the x32 bit, but
 * is no call at all: `do_syscall_64` leaves it alone (`nr != -1`, arch/x86/entry/common.c in 6.12).
 */
const skipped = -1;

export function admit(program: Program, event: Pick<SystemCallEvent, "number" | "architecture">): AdmissionOutcome {
  // Callers write AUDIT_ARCH as signed or unsigned 32 bits.
  if (event.architecture >>> 0 !== auditArchitecture[program.architecture]) return "foreign";
  const number = event.number | 0;
  if (program.architecture === "x86_64" && number !== skipped && (number & x32Bit) !== 0) return "foreign";
  const unsigned = BigInt(number >>> 0);
  if (holds(program.admission.always, unsigned)) return "always";
  return holds(program.admission.judged, unsigned) ? "judged" : "unknown";
}
