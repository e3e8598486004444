/**
 * Follows the callers whose calls make a process, or change which thread has which id: such a call passes while its
 * caller is traced, so that the registry of tasks knows the child, or the new id, before its first call.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { cloneFlag } from "../../abi/process-calls.ts";
import type { FollowObstacle } from "../../events/record.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { Pinning } from "./pin/pinning.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import { callTrait } from "./policy/policy.ts";
import { whyPtraceRefused } from "./tasks/ptrace-refusal.ts";
import type { TaskRegistry, Thread } from "./tasks/tasks.ts";

/** A call whose caller is followed when it passes. */
export interface FollowedCall {
  /** Flags of clone or clone3; undefined if they are behind a pointer and were not judged. */
  readonly cloneFlags: bigint | undefined;
  /** Its `struct seccomp_data`: with the registers that were judged, or those of the stub's call. */
  readonly data: Uint8Array;
  /** False if the caller was interrupted first. */
  readonly pass: () => boolean;
}

export interface FollowingOptions {
  readonly architecture: ArchitectureName;
  /** Whether the policy must know of each new process. */
  readonly births: boolean;
  /**
   * Whether tasks can be kept (signal-stops.ts). Then each fork is followed where that is possible: the tracer of the kept tasks
   * must not get the child of a fork in flight that it does not know.
   */
  readonly keeps: boolean;
  readonly memory: JudgementMemory;
  readonly registry: TaskRegistry;
  readonly tracer: ForkTracer;
  /** Undefined where no call is pinned. */
  readonly pinning: Pinning | undefined;
  /** Whether the caller of the notification in the memory still waits for its answer. */
  readonly stillWaits: () => boolean;
  /** Nothing is enforced. */
  readonly audits: boolean;
  /** Makes an event. Refuses the call, unless it `passes`. */
  readonly refuse: (obstacle: FollowObstacle, how: { readonly passes: boolean }) => void;
  /** The registry may have moved the memory to a larger buffer. */
  readonly bind: () => void;
}

export class Following {
  readonly #options: FollowingOptions;
  readonly #clone: number;
  readonly #clone3: number;

  constructor(options: FollowingOptions) {
    this.#options = options;
    this.#clone = callNumber("clone", options.architecture);
    this.#clone3 = callNumber("clone3", options.architecture);
  }

  /** Passes a judged call, whose notification is in the memory. True where the answer lies in the memory instead. */
  pass(traits: number, caller: Thread | undefined, call: FollowedCall): boolean {
    const { memory, births, keeps, tracer, pinning } = this.#options;
    const { number, tid } = memory;
    if ((traits & callTrait.creates) !== 0) {
      // C libraries fall back to clone on this errno, so this is not an event (describe.ts).
      if (call.cloneFlags === undefined) {
        memory.refuse(errno.ENOSYS);
        return true;
      }
      const flags = number === this.#clone || number === this.#clone3 ? call.cloneFlags : 0n;
      const isNeeded = births || caller?.process.isRestricted === true || tracer.keeps(tid);
      if ((flags & cloneFlag.thread) === 0n && (isNeeded || keeps))
        return this.#passCreation(flags, caller, call, isNeeded);
    } else if ((traits & callTrait.executes) !== 0 && caller !== undefined && caller.process.pid !== tid) {
      return tracer.seize(tid, "itself", (seized) => {
        if (seized < 0) return this.#refuse(whyPtraceRefused(tid, -seized), call);
        if (this.#hasEnded(tid, caller)) return this.#passEnded(tid, call);
        pinning?.executes(tid);
        if (this.#passSeized(tid, call)) tracer.awaitExecution(caller, call.data);
        return false;
      });
    }
    if ((traits & callTrait.executes) !== 0) pinning?.executes(tid);
    call.pass();
    return false;
  }

  /** `isNeeded`: the call is refused if it cannot be followed. */
  #passCreation(flags: bigint, caller: Thread | undefined, call: FollowedCall, isNeeded: boolean): boolean {
    const { tracer } = this.#options;
    const { tid } = this.#options.memory;
    // With this flag the child would not stop. Only an attempt to escape uses it.
    if ((flags & cloneFlag.untraced) !== 0n) {
      if (isNeeded) return this.#cannotFollow(caller, call, { why: "untraced-flag" });
      call.pass();
      return false;
    }
    return tracer.seize(tid, "child", (seized) => {
      if (seized === 0) return this.#passFollowed(tid, caller, call);
      if (isNeeded) return this.#cannotFollow(caller, call, whyPtraceRefused(tid, -seized));
      call.pass();
      return false;
    });
  }

  #passFollowed(tid: number, caller: Thread | undefined, call: FollowedCall): boolean {
    const { registry, tracer, bind } = this.#options;
    if (this.#hasEnded(tid, caller)) return this.#passEnded(tid, call);
    const reservation = registry.reserveChild(caller);
    bind();
    tracer.beginFork(tid);
    if (!this.#passSeized(tid, call)) {
      registry.cancel(reservation);
      return false;
    }
    tracer.awaitChild(tid, reservation, call.data);
    return tracer.awaitStops();
  }

  /** Another supervisor of the same tasks can have dropped the caller meanwhile. */
  #hasEnded(tid: number, caller: Thread | undefined): boolean {
    return caller !== undefined && this.#options.registry.find(tid) !== caller;
  }

  /** Its notification is gone. If its id is another thread's now, that one is seized. */
  #passEnded(tid: number, call: FollowedCall): false {
    call.pass();
    this.#options.tracer.release(tid);
    return false;
  }

  /** Lets a seized caller's call pass. False if the caller was interrupted first; then it is detached. */
  #passSeized(tid: number, call: FollowedCall): boolean {
    if (call.pass()) return true;
    this.#options.tracer.release(tid);
    return false;
  }

  /**
   * In an audit the child enters the registry at its first judged call, with fresh state. Its parent's Landlock domain
   * must not be lost: portcullis would open objects for the child that the domain forbids.
   */
  #cannotFollow(caller: Thread | undefined, call: FollowedCall, obstacle: FollowObstacle): boolean {
    if (!this.#options.audits || caller?.process.isRestricted === true) return this.#refuse(obstacle, call);
    this.#options.refuse(obstacle, { passes: true });
    call.pass();
    return false;
  }

  /** ptrace(2) also refuses a thread that has been killed, for example by another one's execution: nothing was denied. */
  #refuse(obstacle: FollowObstacle, call: FollowedCall): boolean {
    if (!this.#options.stillWaits()) {
      call.pass();
      return false;
    }
    this.#options.refuse(obstacle, { passes: false });
    return true;
  }
}
