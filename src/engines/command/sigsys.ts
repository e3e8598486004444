/**
 * Describes the end of a command by SIGSYS. The kernel carries out static kills and traps, and reports them only to its
 * audit; portcullis sees only the wait status.
 */

import { endingSignal, exitCode, shellStatus, signals } from "../../abi/signals.ts";
import type { EndRecord } from "../../events/record.ts";
import { AuditLog } from "../../machine/audit.ts";

/** The exit status of a shell whose child SIGSYS has killed. */
const killedStatus = shellStatus(signals.SIGSYS);
/** Milliseconds. The kernel makes the audit record before the kill, and a kernel thread delivers it later. */
const auditPatience = 200;

/** Verdicts that the kernel carries out without an event. */
export interface Unreported {
  readonly kills: boolean;
  readonly traps: boolean;
  /** The remedy: how such a kill becomes an event. */
  readonly advice: string;
}

export class SigsysWatch {
  readonly #unreported: Unreported;
  readonly #audit: AuditLog | undefined;

  /** Must be made before the command starts. */
  constructor(unreported: Unreported) {
    this.#unreported = unreported;
    this.#audit = unreported.kills ? AuditLog.open() : undefined;
  }

  /** `status` is the wait(2) status of the command's first process. Undefined if it shows no death by SIGSYS. */
  describe(pid: number, status: number): EndRecord | undefined {
    const isKilled = endingSignal(status) === signals.SIGSYS;
    const { kills, traps } = this.#unreported;
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
    const { kills, traps, advice } = this.#unreported;
    if (isAudited) return `a seccomp filter killed it for this call, as the kernel's audit says; ${advice}`;
    if (kills)
      return `a static kill${traps ? " or trap" : ""} of the policy does that, and the kernel does not report the call; ${advice}`;
    if (traps) return "a static trap of the policy does that; `strace -f` shows the call (si_syscall)";
    return "this policy never does that; another filter did, or a process sent the signal";
  }
}
