/**
 * Describes the end of a command by SIGSYS. The kernel carries out static kills and traps, and reports them to its audit only;
 * the wait status is all that portcullis sees of them.
 */

import type { EndRecord } from "../events/record.ts";
import { AuditLog } from "../linux/audit.ts";
import { endingSignal, exitCode, shellStatus, signals } from "../linux/signals.ts";

/** What a shell exits with when SIGSYS has killed its child. */
const killedStatus = shellStatus(signals.SIGSYS);
/** Milliseconds; the audit's record is made before the kill, and comes through a thread of the kernel's. */
const auditPatience = 200;

/** Verdicts that the kernel carries out without an event. */
export interface Untold {
  readonly kills: boolean;
  readonly traps: boolean;
  /** How such a kill becomes an event. */
  readonly advice: string;
}

export class SigsysWatch {
  readonly #untold: Untold;
  readonly #audit: AuditLog | undefined;

  /** Must be made before the command starts. */
  constructor(untold: Untold) {
    this.#untold = untold;
    this.#audit = untold.kills ? AuditLog.open() : undefined;
  }

  /** @param status of the command's first process, as wait(2) gives it. Undefined where there is nothing to say. */
  describe(pid: number, status: number): EndRecord | undefined {
    const isKilled = endingSignal(status) === signals.SIGSYS;
    const { kills, traps } = this.#untold;
    if (!isKilled && !(exitCode(status) === killedStatus && (kills || traps))) return undefined;
    const call = isKilled ? this.#audit?.killOf(pid, auditPatience) : undefined;
    const what = isKilled
      ? "the command was killed by SIGSYS"
      : `the command exited with ${killedStatus}, as a shell does when SIGSYS has killed its child`;
    const text = `${what}: ${this.#cause(call !== undefined)}`;
    return { kind: "end", time: Date.now(), pid, status: killedStatus, isKilled, call, text };
  }

  close(): void {
    this.#audit?.close();
  }

  #cause(isAudited: boolean): string {
    const { kills, traps, advice } = this.#untold;
    if (isAudited) return `a seccomp filter killed it for this call, as the kernel's audit says; ${advice}`;
    if (kills)
      return `a static kill${traps ? " or trap" : ""} of the policy does that, and the kernel does not report the call; ${advice}`;
    if (traps) return "a static trap of the policy does that; `strace -f` shows the call (si_syscall)";
    return "this policy never does that: another filter or a signal that was sent did";
  }
}
