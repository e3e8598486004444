/**
 * Follows forks, and executions by threads that are not their process's leader, exactly: which process is the child of
 * this judgement?
 *
 * The caller is blocked in its notification. It is seized (PTRACE_SEIZE, which does not stop it), answered, and makes the
 * call. If it makes a child, both stop: the caller in an event that names the child, the child before its first
 * instruction. The child is entered with the state that was set aside when the fork was judged, and both are let go,
 * untraced, after some 100 µs. If the call fails there is no event; after some milliseconds PTRACE_INTERRUPT brings the
 * caller to a stop, and that stop (or any signal's) says so.
 *
 * Several can be in flight. Other calls are judged meanwhile: `advance` never waits for long.
 *
 * | the caller stops or ends with | then |
 * | --- | --- |
 * | an event of fork, vfork or clone | the child is born |
 * | an event of exec | the thread has taken over its leader's id |
 * | any other stop | the call made nothing |
 * | its end | perhaps a child was born unnamed: the next unknown tracee is it; none is left: nothing was made |
 */
import * as ptrace from "../../linux/ptrace.ts";
import type { Birth, TaskRegistry } from "./tasks.ts";

/** How long a fork may take before it is asked what became of it, and an execution, which reads files. */
const patience = { creation: 5, execution: 100 } as const;

/** A fork takes about 100 µs: looking again at once, that often, costs less than sleeping. */
const eagerLooks = 200;

interface Creation {
  readonly kind: "creation";
  readonly tid: number;
  readonly birth: Birth;
  until: number;
}

interface Execution {
  readonly kind: "execution";
  readonly tid: number;
  until: number;
}

/** Seized in vain (its call was interrupted first): only to be let go. */
interface Stray {
  readonly kind: "stray";
  readonly tid: number;
  until: number;
}

type InFlight = Creation | Execution | Stray;

export class BirthWatch {
  readonly #registry: TaskRegistry;
  /** By the caller's thread id. */
  readonly #inFlight = new Map<number, InFlight>();
  /** Children that are entered and have not come to their first stop. */
  readonly #expected = new Set<number>();
  /** Tracees that stopped before their maker's event was read. */
  readonly #early = new Set<number>();
  /** Births whose maker died before it could name the child. */
  readonly #unnamed: Birth[] = [];
  /** A child could not be followed and was killed. */
  readonly #lost: (pid: number, why: string) => void;
  readonly #kill: (pid: number) => void;

  constructor(registry: TaskRegistry, kill: (pid: number) => void, lost: (pid: number, why: string) => void) {
    this.#registry = registry;
    this.#kill = kill;
    this.#lost = lost;
  }

  /** Something is being traced. */
  get busy(): boolean {
    return this.#inFlight.size + this.#expected.size + this.#early.size + this.#unnamed.length > 0;
  }

  /**
   * Seizes a thread that is about to make a call to be followed: 0, or the negative errno for which that cannot be.
   *
   * A thread that is still in flight and calls again has made nothing with its former call (the kernel restarts a fork
   * that a signal got in the way of): it would have stopped first. It is seized already.
   */
  seize(tid: number): number {
    const former = this.#inFlight.get(tid);
    if (former === undefined) return ptrace.seize(tid, ptrace.traceOptions.creation | ptrace.traceOptions.exec);
    this.#inFlight.delete(tid);
    if (former.kind === "creation") this.#registry.miscarry(former.birth);
    return 0;
  }

  /** The seized thread's fork was let through. */
  awaitBirth(tid: number, birth: Birth): void {
    this.#inFlight.set(tid, { kind: "creation", tid, birth, until: performance.now() + patience.creation });
  }

  awaitExecution(tid: number): void {
    this.#inFlight.set(tid, { kind: "execution", tid, until: performance.now() + patience.execution });
  }

  /** The thread was seized, but its call is not going to be made. */
  release(tid: number): void {
    this.#inFlight.set(tid, { kind: "stray", tid, until: performance.now() + patience.execution });
    ptrace.interrupt(tid);
  }

  /** Waits a moment for what usually happens at once. */
  advanceEagerly(): void {
    for (let look = 0; look < eagerLooks && this.busy; look++) {
      if (this.advance() === 0) ptrace.yieldProcessor();
    }
  }

  /** Deals with all that has stopped; how many. Does not wait. */
  advance(): number {
    for (let count = 0; ; count++) {
      const stop = ptrace.nextStop();
      if (stop === "no tracees") {
        this.#nobodyIsLeft();
        return count;
      }
      if (stop === "none yet") {
        this.#losePatience();
        return count;
      }
      this.#handle(stop.tid, ptrace.stopOf(stop.status));
    }
  }

  #handle(tid: number, { stopped, signal, event }: ReturnType<typeof ptrace.stopOf>): void {
    // This one comes with the id that the thread has by then: its leader's.
    if (stopped && event === ptrace.traceEvent.exec) {
      this.#executed(tid);
      return;
    }
    const one = this.#inFlight.get(tid);
    if (one !== undefined) {
      this.#inFlight.delete(tid);
      if (stopped) this.#makerStopped(one, signal, event);
      else this.#makerEnded(one);
    } else if (!stopped) {
      this.#expected.delete(tid);
      this.#early.delete(tid);
    } else if (this.#expected.delete(tid)) {
      this.#letGo(tid, event === 0 ? signal : 0);
    } else {
      this.#early.add(tid);
      this.#nameTheUnnamed();
    }
  }

  #makerStopped(one: InFlight, signal: number, event: number): void {
    const { fork, vfork, clone } = ptrace.traceEvent;
    if (event === fork || event === vfork || event === clone) {
      const child = ptrace.eventMessage(one.tid);
      if (one.kind !== "creation") {
        if (child > 0) this.#expect(child); // a thread; those are nobody's business
      } else if (child > 0) this.#born(one.birth, child);
      else this.#unnamed.push(one.birth); // killed while it was stopped; the child is ours to find
      this.#letGo(one.tid, 0);
      return;
    }
    if (one.kind === "creation") this.#registry.miscarry(one.birth);
    // A stop for a signal has taken the signal away: it is given back. Any other stop is of our own making.
    this.#letGo(one.tid, event === 0 ? signal : 0);
  }

  #executed(pid: number): void {
    const former = ptrace.eventMessage(pid);
    this.#inFlight.delete(former);
    const leader = this.#inFlight.get(pid);
    if (leader !== undefined) {
      this.#inFlight.delete(pid);
      this.#makerEnded(leader);
    }
    this.#registry.executed(former, pid);
    this.#letGo(pid, 0);
  }

  #makerEnded(one: InFlight): void {
    if (one.kind !== "creation") return;
    this.#unnamed.push(one.birth);
    this.#nameTheUnnamed();
  }

  #born(birth: Birth, child: number): void {
    if (this.#registry.bear(birth, child) === "exhausted") {
      this.#kill(child);
      this.#lost(child, "no file descriptors are left to follow it with");
    }
    this.#expect(child);
  }

  #expect(child: number): void {
    if (this.#early.delete(child)) this.#letGo(child, 0);
    else this.#expected.add(child);
  }

  /** A child whose maker has died without naming it. Only where there is no doubt whose it is, it may live. */
  #nameTheUnnamed(): void {
    if (this.#unnamed.length === 0 || this.#early.size === 0) return;
    const someMakerMayName = [...this.#inFlight.values()].some((one) => one.kind === "creation");
    if (someMakerMayName) return;
    for (const child of [...this.#early]) {
      const birth = this.#unnamed.pop();
      if (birth === undefined) return;
      if (this.#unnamed.length > 0 || this.#early.size > 1) {
        this.#kill(child);
        this.#lost(child, "its maker died before it could be told whose child it is");
      }
      this.#born(birth, child);
    }
  }

  #nobodyIsLeft(): void {
    for (const birth of this.#unnamed.splice(0)) this.#registry.miscarry(birth);
    for (const one of this.#inFlight.values()) if (one.kind === "creation") this.#registry.miscarry(one.birth);
    this.#inFlight.clear();
    this.#expected.clear();
    this.#early.clear();
  }

  #losePatience(): void {
    if (this.#inFlight.size === 0) {
      this.#nameTheUnnamed();
      return;
    }
    const now = performance.now();
    for (const one of this.#inFlight.values()) {
      if (now < one.until) continue;
      one.until = now + patience.execution;
      ptrace.interrupt(one.tid);
    }
  }

  #letGo(tid: number, signal: number): void {
    ptrace.detach(tid, signal); // ESRCH: it was killed meanwhile
  }
}
