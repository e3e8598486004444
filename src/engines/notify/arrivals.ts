/** Calls that have arrived: finds the caller, lets the policy judge, and answers. */

import { type ArchitectureName, auditArchitecture, isX32Number } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { errno, kernelErrno } from "../../abi/errno-numbers.ts";
import { cloneFlag } from "../../abi/process-calls.ts";
import type { HoldObstacle } from "../../events/record.ts";
import type { Observer as MemoryObserver } from "../../ir/observe.ts";
import { noDescriptorsLeft } from "../../machine/pidfd.ts";
import { notificationIsValid } from "../../machine/seccomp.ts";
import { cloneFlagsIn, readMemory } from "./caller-memory.ts";
import type { HeldCall, ServedCalls } from "./objects/served-calls.ts";
import { identifies, type Parts } from "./parts.ts";
import { ObservationFailure } from "./pin/observer.ts";
import { isOver } from "./pin/outcome.ts";
import { type PendingCall, type Pinning, type PreparedCall, passesUnpinned, type Unpinned } from "./pin/pinning.ts";
import { mayStallBy } from "./pin/stalling.ts";
import { packCredentials } from "./policy/memory.ts";
import { callTrait } from "./policy/policy.ts";
import type { AnsweredCall } from "./questions.ts";
import { packEntered } from "./rooms/entered.ts";
import { type ContainerStart, wasConfined } from "./tasks/container-start.ts";
import { processOf, type Thread, type Unidentified } from "./tasks/tasks.ts";

/** LANDLOCK_RESTRICT_SELF_TSYNC (include/uapi/linux/landlock.h). */
const restrictAllThreads = 8n;

export class Arrivals {
  readonly #parts: Parts;
  readonly #audit: boolean;
  readonly #architecture: number;
  readonly #architectureName: ArchitectureName;
  readonly #identifies: boolean;
  readonly #restrictsItself: number;
  readonly #clone3: number;
  readonly #executions: readonly number[];
  /** The last call waits for a judgement (waiting-calls.ts). */
  #defers = false;
  /** The first process of a container is known. */
  #hasFirst: boolean;
  /** When the judgement began for which another thread works, in milliseconds. */
  #begin = 0;

  constructor(parts: Parts) {
    const { policy, saved } = parts.options;
    const { architecture } = policy.description;
    this.#parts = parts;
    this.#audit = policy.mode === "audit";
    this.#architecture = auditArchitecture[architecture];
    this.#architectureName = architecture;
    this.#identifies = identifies(policy.needs);
    this.#restrictsItself = callNumber("landlock_restrict_self", architecture);
    this.#clone3 = callNumber("clone3", architecture);
    this.#executions = (["execve", "execveat"] as const).map((name) => callNumber(name, architecture));
    this.#hasFirst = saved?.tree.hasFirst ?? false;
  }

  /** Whether the first process of a container is known. */
  get hasFirst(): boolean {
    return this.#hasFirst;
  }

  /** The text filter has allowed the call in the memory, and it cannot be pinned. */
  recordUnpinned(): boolean {
    return this.#safely(() => this.#recordUnpinned());
  }

  #recordUnpinned(): boolean {
    this.#parts.records.putUnpinned(this.#parts.pinning!.outcomeOf(this.#parts.memory.bytes(), this.#parts.deaths[0]!));
    return false;
  }

  /** True if an answer is in the memory and must be sent; false if it has been sent, or the call waits. */
  judgeReceived(): boolean {
    if (this.#parts.start?.isOver === false && this.#startsContainer(this.#parts.start)) {
      this.#parts.memory.pass();
      return true;
    }
    if (this.#parts.signals !== undefined && this.#parts.waiting.awaitsTracer(this.#parts.options.policy.calls))
      return false;
    return this.#parts.pinning === undefined
      ? this.#safely(() => this.#judgeCall(undefined))
      : this.#receive(this.#parts.pinning);
  }

  /** Whether the call in the memory is the runtime's. Its process becomes the command's. */
  #startsContainer(start: ContainerStart): boolean {
    const { tid } = this.#parts.memory;
    if (!this.#hasFirst && !this.#parts.failed) this.#meetFirst();
    this.#parts.bind();
    if (this.#parts.failed) return false;
    // The notification is gone.
    if (!this.#hasFirst) return true;
    const isRuntimes = start.isOfRuntime(tid, this.#executions.includes(this.#parts.memory.number));
    // Not before: a filter that allows execve(2) would pass the runtime's without a sign that the start is over.
    if (start.isOver) this.#parts.passAllowed();
    return isRuntimes;
  }

  /**
   * What is read is the caller's if the caller still waits afterwards. Signals interrupt it: Go's scheduler sends them to the
   * threads of runc. The call then comes again.
   */
  #meetFirst(): void {
    const { memory, registry, options } = this.#parts;
    const stillWaits = () => notificationIsValid(options.listener, memory.idBytes());
    const confined = wasConfined(memory.tid);
    if (!stillWaits()) return;
    if (confined !== false) return this.#parts.fail("the process was under a filter before the container's");
    const pid = options.policy.needs.births ? processOf(memory.tid) : undefined;
    const isFollowed = !options.policy.needs.births || (pid !== undefined && registry.adopt(pid));
    this.#hasFirst = stillWaits();
    if (this.#hasFirst && !isFollowed) this.#parts.failToFollow();
  }

  /** The call in the memory has its answer. An approved one is judged again. True if a response is in the memory. */
  settle(answered: AnsweredCall): boolean {
    this.#parts.reap(this.#parts.native.deaths());
    if (answered.answer === "allow" || answered.answer === "always") return this.judgeReceived();
    this.#parts.objects?.drop(this.#parts.memory.id);
    if (answered.answer !== "withdrawn") this.#parts.judge.refused(answered);
    this.#parts.memory.refuse(errno.EPERM);
    return true;
  }

  /** Another thread has done what a call needs, with this result. True if a response is in the memory. */
  endWork(result: number): boolean {
    const goOn = this.#parts.work.end();
    return this.#safely(() => goOn(result), this.#begin);
  }

  /** With pinning, a call comes twice: for its judgement, and when it is made with the judged copy. */
  #receive(pinning: Pinning): boolean {
    if (this.#parts.objects?.has(this.#parts.memory.id))
      return this.#receiveHeld(this.#parts.objects, this.#parts.memory.id);
    // If the id was that of a thread that has ended, its prepared calls end here.
    this.#parts.registry.find(this.#parts.memory.tid);
    this.#parts.preparedForks.delete(this.#parts.memory.tid);
    // A thread is in one call at a time, so its earlier calls have ended.
    this.#parts.admission?.keeper.ended(this.#parts.memory.tid);
    const received = pinning.receive(this.#parts.memory.bytes());
    switch (received.kind) {
      case "again":
        return false;
      case "call":
        return this.#safely(() => this.#judgeCall(received.call));
      case "prepared":
        return this.#safely(() => this.#passPrepared(received.call));
      case "ended":
        received.answer();
        return false;
    }
  }

  /** The object of a call is held, or the service has failed. */
  #receiveHeld(objects: ServedCalls, id: bigint): boolean {
    let isWanted = false;
    this.#defers = false;
    const held: HeldCall = {
      objects,
      id,
      serve: () => {
        isWanted = true;
        objects.serve(id);
      },
      await: () => {
        isWanted = true;
      },
    };
    const answer = this.#safely(() => this.#judgeCall(held));
    if (!isWanted && !this.#defers) objects.drop(id);
    return answer;
  }

  /** Denies the call if its judgement fails, and every later one. `begin`: of the judgement, in milliseconds. */
  #safely(judge: () => boolean, begin = this.#parts.status.now()): boolean {
    try {
      if (!this.#parts.failed) return judge();
    } catch (error) {
      this.#parts.fail(error instanceof Error ? error.message : String(error));
    } finally {
      if (this.#parts.work.isUnderWay) this.#begin = begin;
      else this.#parts.status.measure(begin);
    }
    return this.#parts.refuse("supervisor-failed", errno.ENOSYS);
  }

  // ── A judgement ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** True if an answer is in the memory and must be sent; false if it has been sent. */
  #judgeCall(call: PendingCall | HeldCall | undefined): boolean {
    const memory = this.#parts.memory;
    const { number, tid } = memory;
    if (memory.architecture !== this.#architecture) return this.#parts.refuse("foreign-abi", errno.ENOSYS);
    const traits = number < this.#parts.options.policy.calls.length ? this.#parts.options.policy.calls[number]! : 0;
    if (traits === 0) {
      return this.#parts.refuse(
        isX32Number(this.#architectureName, number) ? "foreign-abi" : "unknown-call",
        errno.ENOSYS,
      );
    }
    if (tid === 0) return this.#parts.refuse("invisible-task", errno.EPERM);
    if (this.#parts.tracer.busy) {
      const called = this.#parts.tracer.called(tid, memory.call());
      if (called === "judged") memory.pass();
      // The kernel restarts the call after the stop that is pending for its thread.
      else if (called === "stops") memory.refuse(kernelErrno.ERESTARTNOINTR);
      if (called !== "new") return true;
    }

    if (this.#parts.suspends) {
      this.#parts.waiting.hold();
      this.#defers = true;
      return false;
    }

    const { signals, work } = this.#parts;
    // The caller of a held call has been kept at its first notification.
    const isHeld = call !== undefined && "objects" in call;
    if (signals === undefined || isHeld || !signals.mustKeep(tid, number)) return this.#judgeKept(call);
    return signals.keepCaller(tid, work, () => this.#judgeKept(call));
  }

  /** The caller is kept if it can be, so that no signal ends a wait of its next calls. */
  #judgeKept(call: PendingCall | HeldCall | undefined): boolean {
    const memory = this.#parts.memory;
    const { number, tid } = memory;
    const { needs } = this.#parts.options.policy;
    const traits = this.#parts.options.policy.calls[number] ?? 0;
    const interrupted = this.#parts.signals?.called(tid, number, (at) => memory.argument(at)) ?? "passes";
    if (interrupted === "stops") {
      memory.refuse(kernelErrno.ERESTARTNOINTR);
      return true;
    }
    this.#defers = this.#parts.waiting.defers(interrupted === "waits");
    if (this.#defers) return false;

    if ((traits & callTrait.mayStall) !== 0 && mayStallBy(this.#architectureName, number, (at) => memory.argument(at)))
      this.#parts.readApart();

    let caller: Thread | undefined;
    if (this.#identifies) {
      const found = this.#parts.registry.find(tid) ?? this.#discover(tid);
      if (typeof found === "string") return this.#refuseUnidentified(found);
      caller = found;
      memory.setProcess(caller.process.pid);
      if (needs.credentials) {
        const credentials = this.#parts.registry.credentials(caller);
        if (credentials === undefined)
          return this.#parts.refuse(noDescriptorsLeft() ? "no-descriptors" : "invisible-task", errno.EPERM);
        memory.setCredentials(credentials.uid, credentials.gid);
      }
    }
    if (needs.alive) memory.setAlive(this.#parts.registry.alive + this.#parts.preparedForks.size);

    // The addon may know no thread whose end the registry does not see.
    if ((traits & (callTrait.changesCredentials | callTrait.changesRoot)) !== 0)
      this.#parts.pinning?.changesRights(tid, (traits & callTrait.changesRoot) !== 0);
    this.#parts.preconditions?.meets(number, (index) => memory.argument(index));
    if (caller !== undefined) this.#parts.admission?.meets(caller, number, (index) => memory.argument(index));
    if (call !== undefined && "objects" in call) return this.#judgeHeld(call, caller);
    const observations = this.#parts.observer.of(number);
    if (observations.length > 0) return this.#judgeObserved(call!, caller, observations);
    memory.setUnobserved();
    const { verdict, fate } = this.#parts.judge.evaluate(caller);
    if (fate === "hold") return false;
    if (fate === "refuse") {
      memory.refuse(this.#parts.judge.errnoOf(verdict));
      return true;
    }
    if (number === this.#restrictsItself && this.#parts.objects !== undefined) this.#restrict(caller);
    const entered = this.#parts.admission?.entered ?? [];
    if (entered.length > 0) return this.#parts.admission!.enter(call!, caller!, entered);
    if (traits === callTrait.judged) {
      memory.pass();
      return true;
    }
    return this.#parts.following.pass(traits, caller, {
      cloneFlags: number === this.#clone3 ? undefined : memory.argument(0),
      data: memory.call(),
      pass: () => {
        memory.pass();
        return this.#parts.send();
      },
    });
  }

  // ── Arguments behind pointers ─────────────────────────────────────────────────────────────────────────────────────

  /** Reads the caller's memory, judges the copy, and lets the caller make its call with that copy. */
  #judgeObserved(
    call: PendingCall,
    caller: Thread | undefined,
    observations: ReturnType<MemoryObserver["of"]>,
  ): boolean {
    const { number, tid } = this.#parts.memory;
    let makesProcess = false;
    return call.observe(
      (observer) => {
        const memory = observations.map((one) => readMemory(observer, one));
        const observed = this.#parts.observer.observe(number, memory);
        // The kernel's own copy would fail with this errno, so the call returns it without a judgement.
        if ("errno" in observed) return new ObservationFailure(observed.errno);
        const order = this.#parts.objects?.orderOf(number, observer, observations, memory);
        if (order instanceof ObservationFailure) return order;
        if (order !== undefined) {
          const { id } = this.#parts.memory;
          return observer.serve((notification) =>
            this.#parts.objects!.begin(id, notification, order, observations, memory),
          );
        }
        this.#parts.memory.setObserved(observed.words);
        const { verdict, fate } = this.#parts.judge.evaluate(caller, { observations, memory });
        if (fate === "hold") return observer.hold();
        if (fate === "refuse") return observer.refuse(this.#parts.judge.errnoOf(verdict));
        const entered = this.#parts.admission?.entered ?? [];
        if (entered.length > 0 && !this.#parts.admission!.canHold(entered)) return observer.refuse(errno.EPERM);
        makesProcess = number === this.#clone3 && (cloneFlagsIn(memory) & cloneFlag.thread) === 0n;
        return observer.pin(packEntered(entered));
      },
      (outcome) => {
        if (isOver(outcome)) this.#parts.questions?.ended(tid);
        const lives = !this.#parts.endedMeanwhile.includes(tid);
        if (outcome.kind === "prepared" && makesProcess && lives) this.#parts.preparedForks.add(tid);
        if (outcome.kind === "unserved")
          this.#parts.records.putRefusal("unserved", outcome.errno, { hold: "too-many" });
        this.#parts.records.putUnpinned(outcome);
        return false;
      },
      this.#unpinned(caller),
      this.#parts.memory.credentials,
    );
  }

  /** An audit lets a call pass that it cannot judge, except if its effect on the registry must be followed. */
  #unpinned(caller: Thread | undefined): Unpinned {
    const { number, tid } = this.#parts.memory;
    if (number === this.#clone3) return errno.ENOSYS; // C libraries fall back to clone
    const traits = this.#parts.options.policy.calls[number] ?? 0;
    const isFollowed = (traits & callTrait.executes) !== 0 && caller !== undefined && caller.process.pid !== tid;
    return this.#audit && !isFollowed ? passesUnpinned : errno.EPERM;
  }

  /** True if an answer is in the memory; otherwise the addon gives it. */
  #judgeHeld(call: HeldCall, caller: Thread | undefined): boolean {
    const { objects, id } = call;
    const held = objects.held(id);
    switch (held.is) {
      case "failed":
        this.#parts.memory.refuse(held.errno);
        return true;
      case "refused":
        return this.#refuseObject(held.why, held.errno);
      case "object": {
        // The caller was known at its first notification.
        if (this.#parts.isRestricted || caller?.process.isRestricted !== false)
          return this.#refuseObject("landlock", errno.EACCES);
        const { observations, memory, rewritten } = held;
        if (rewritten !== undefined) this.#parts.memory.setArgument(rewritten.argument, rewritten.flags);
        const observed = this.#parts.observer.observe(this.#parts.memory.number, memory);
        if ("errno" in observed) throw new Error("memory that was read has failed since");
        this.#parts.memory.setObserved(observed.words);
        const { verdict, fate } = this.#parts.judge.evaluate(caller, { observations, memory });
        if (fate === "hold") call.await();
        else if (fate === "refuse") this.#parts.memory.refuse(this.#parts.judge.errnoOf(verdict));
        else if (this.#parts.admission?.enterServed(objects, caller) === false) call.await();
        else call.serve();
        if (fate !== "hold") this.#parts.questions?.ended(this.#parts.memory.tid);
        return fate === "refuse";
      }
    }
  }

  /** Children and threads of a thread inherit its Landlock domain, also through execve, so its whole process counts. */
  #restrict(caller: Thread | undefined): void {
    if (caller === undefined || (this.#parts.memory.argument(1) & restrictAllThreads) !== 0n)
      this.#parts.isRestricted = true;
    else caller.process.isRestricted = true;
  }

  /** True if the answer is in the memory. */
  #refuseObject(hold: HoldObstacle, number: number): boolean {
    this.#parts.records.putRefusal("unserved", number, { hold, audit: this.#audit });
    if (this.#audit) this.#parts.pinning!.giveUp(this.#parts.memory.bytes(), passesUnpinned);
    else this.#parts.memory.refuse(number);
    return !this.#audit;
  }

  /** The second notification of a judged call, which is not an event. */
  #passPrepared(call: PreparedCall): boolean {
    const { number, tid } = call;
    const traits = this.#parts.options.policy.calls[number] ?? 0;
    if (this.#parts.tracer.busy && this.#parts.tracer.comesAgain(tid, call.data)) {
      call.pass();
      return false;
    }
    // It can have ended since it was judged.
    const caller = this.#identifies ? (this.#parts.registry.find(tid) ?? this.#discover(tid)) : undefined;
    if (typeof caller === "string") return this.#refuseUnidentified(caller);
    if (this.#hasOtherCredentials(call, caller)) {
      call.restart();
      return false;
    }
    this.#parts.questions?.ended(tid);
    if (call.rooms !== 0n) return this.#parts.admission!.enterPrepared(call, caller!);
    if (traits === callTrait.judged) {
      call.pass();
      return false;
    }
    const cloneFlags = number === this.#clone3 ? call.cloneFlags : call.argument(0);
    return this.#parts.following.pass(traits, caller, { cloneFlags, data: call.data, pass: () => call.pass() });
  }

  /** Whether the caller has changed its user or group since the call was judged: in a signal handler. */
  #hasOtherCredentials({ credentials }: PreparedCall, caller: Thread | undefined): boolean {
    if (caller === undefined || !this.#parts.options.policy.needs.credentials) return false;
    const present = this.#parts.registry.credentials(caller);
    return present === undefined || packCredentials(present) !== credentials;
  }

  #discover(tid: number): Thread | Unidentified {
    const { listener } = this.#parts.options;
    const id = this.#parts.memory.idBytes();
    const found = this.#parts.registry.discover(tid, () => notificationIsValid(listener, id));
    this.#parts.bind();
    return found;
  }

  #refuseUnidentified(why: Unidentified): boolean {
    switch (why) {
      case "gone":
        // The caller no longer waits for this answer, or it is hidden from us.
        this.#parts.memory.refuse(errno.EPERM);
        return true;
      case "exhausted":
        return this.#parts.refuse("no-descriptors", errno.EPERM);
      case "unseen":
        return this.#parts.refuseToFollow({ why: "unseen-caller" });
    }
  }
}
