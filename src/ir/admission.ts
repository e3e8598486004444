/**
 * Admission: decides, before the policy runs, whether a call is refused, allowed or judged. Every engine does the same.
 */
import { auditArchitecture, x32Bit } from "../abi/architecture.ts";
import type { SystemCallEvent } from "./evaluation.ts";
import { holds } from "./intervals.ts";
import type { Program } from "./program.ts";

/**
 * | outcome | meaning | result | state |
 * | --- | --- | --- | --- |
 * | foreign | the call comes through another ABI (i386, x32, another `AUDIT_ARCH`) | ENOSYS | unchanged |
 * | always | the policy never sees the call | allowed | unchanged |
 * | unknown | the number has no call, or the policy must name the call and does not | ENOSYS | unchanged |
 * | judged | the policy decides | its verdict | as the policy changes it |
 */
export type AdmissionOutcome = "foreign" | "always" | "unknown" | "judged";

/**
 * Why a call named `call` is refused before the policy is asked. io_uring's calls are in the table; a policy must name them, because
 * no filter sees the operations that they start.
 */
export function refusalReason(admission: "foreign" | "unknown", call: string): string {
  if (admission === "foreign") return "a call by a foreign ABI";
  return call.startsWith("io_uring_")
    ? "no filter sees the operations of io_uring"
    : "a call that the policy's table lacks";
}

/**
 * The number that a tracer writes to skip a call (ptrace(2), PTRACE_SYSEMU; seccomp(2), SECCOMP_RET_TRACE). It has the
 * x32 bit set, but `do_syscall_64` dispatches no call for it (`nr != -1`, arch/x86/entry/common.c in 6.12).
 */
const skippedNumber = -1;

export function admit(program: Program, event: Pick<SystemCallEvent, "number" | "architecture">): AdmissionOutcome {
  // Callers write AUDIT_ARCH as signed or unsigned 32 bits.
  if (event.architecture >>> 0 !== auditArchitecture[program.architecture]) return "foreign";
  const number = event.number | 0;
  if (program.architecture === "x86_64" && number !== skippedNumber && (number & x32Bit) !== 0) return "foreign";
  const unsigned = BigInt(number >>> 0);
  if (holds(program.admission.always, unsigned)) return "always";
  return holds(program.admission.judged, unsigned) ? "judged" : "unknown";
}
