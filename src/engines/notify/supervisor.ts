/**
 * The supervisor: receives the calls that the filter reports, lets the policy judge them, and answers.
 *
 * One judgement is: fused native call → `step` → fused native call. The thread that runs this does nothing else, so an
 * evaluation is atomic. After an internal error it denies every call.
 */

import { instantiate } from "../../compile/wasm/instance.ts";
import type { FollowObstacle, HoldObstacle, Refusal } from "../../events/record.ts";
import { Observer as MemoryObserver } from "../../ir/observe.ts";
import { type ArchitectureName, auditArchitecture, isX32Number } from "../../linux/architecture.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { close, pollBits, pollFor, reservePolling } from "../../linux/descriptors.ts";
import { errno, kernelErrno } from "../../linux/errno-numbers.ts";
import { kernelAtLeast } from "../../linux/kernel-version.ts";
import { mostDeaths, native, required } from "../../linux/native.ts";
import { noDescriptorsLeft } from "../../linux/pidfd.ts";
import { cloneFlag } from "../../linux/process-calls.ts";
import { notificationIsValid, sendResponse, useSynchronousWakeUp } from "../../linux/seccomp.ts";
import { signals } from "../../linux/signals.ts";
import { hasThreadDescriptors } from "./caller.ts";
import { cloneFlagsIn, MemoryRecorder, readMemory } from "./caller-memory.ts";
import { ContainerStart, wasConfined } from "./container-start.ts";
import { Following } from "./following.ts";
import { ForkTracer } from "./fork-tracer.ts";
import { Judge } from "./judge.ts";
import { killCaller } from "./killing.ts";
import { JudgementMemory, packCredentials } from "./memory.ts";
import { asksForObjects } from "./objects/objects-of.ts";
import { type HeldCall, ServedCalls } from "./objects/served-calls.ts";
import { ObservationFailure } from "./pin/observer.ts";
import { isOver } from "./pin/outcome.ts";
import { passedAsPrepared } from "./pin/passed-calls.ts";
import { type PendingCall, Pinning, type PreparedCall, passesUnpinned, type Unpinned } from "./pin/pinning.ts";
import { Preconditions } from "./pin/preconditions.ts";
import { windowProtection } from "./pin/protection.ts";
import { mayStallAtStart, mayStallBy } from "./pin/stalling.ts";
import { callTrait } from "./policy.ts";
import { type AnsweredCall, Questions } from "./questions.ts";
import { Records } from "./records.ts";
import { Admission } from "./rooms/admission.ts";
import { packEntered } from "./rooms/entered.ts";
import type { SavedState, SavedTree } from "./saved.ts";
import { SignalStops } from "./signal-stops.ts";
import { StatusCounts } from "./status-counts.ts";
import type { SharedState, SupervisorOptions } from "./supervisor-options.ts";
import { processOf, TaskRegistry, type Thread, type Unidentified } from "./tasks.ts";
import { startTextFilter } from "./text-filter-start.ts";
import { WaitingCalls } from "./waiting-calls.ts";
import type { Wait, WaitingLoop, WaitResult } from "./waits.ts";

/** Milliseconds of a wait while a question is open: memory that is read in threads can arrive (native/addon/reads.c). */
const openPatience = 50;

/** Milliseconds between looks whether a suspended tree's calls are over. */
const suspensionPause = 1;

const notFollowed = "the command cannot be followed";

/** LANDLOCK_RESTRICT_SELF_TSYNC (include/uapi/linux/landlock.h). */
const restrictAllThreads = 8n;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #native = native();
  readonly #memory: JudgementMemory;
  readonly #registry: TaskRegistry;
  readonly #tracer: ForkTracer;
  readonly #epoll: number;
  readonly #deaths = new Uint32Array(mostDeaths);
  readonly #endsWithoutUsers: boolean;
  readonly #audit: boolean;
  readonly #architecture: number;
  readonly #architectureName: ArchitectureName;
  /** Whether a judgement needs the calling thread or process. */
  readonly #identifies: boolean;
  readonly #records: Records;
  readonly #judge: Judge;
  /** Undefined if the policy asks nothing, or nothing is enforced. */
  readonly #questions: Questions | undefined;
  /** Undefined if the policy neither reads memory of its callers nor has rooms. */
  readonly #pinning: Pinning | undefined;
  readonly #preconditions: Preconditions | undefined;
  /** Undefined if the policy has no rooms, and in an audit, which enforces nothing. */
  readonly #admission: Admission | undefined;
  readonly #observer: MemoryObserver;
  /** Undefined if the policy does not ask about the object of a path. */
  readonly #objects: ServedCalls | undefined;
  /** Descriptors that are readable when a call needs the loop. */
  readonly #notifying: number[];
  /** Readable when a kept task has stopped; −1 if none is kept. */
  readonly #stopped: number;
  /** Whether reads of callers' memory may never end (pin/stalling.ts). */
  #readsApart = false;
  readonly #restrictsItself: number;
  /** A process has restricted all of its threads at once. Which of its children are older is not known. */
  #isRestricted = false;
  readonly #clone3: number;
  readonly #following: Following;
  /** Undefined if no task is kept. */
  readonly #signals: SignalStops | undefined;
  readonly #waiting: WaitingCalls;
  /** The last call waits for a judgement (waiting-calls.ts). */
  #defers = false;
  /** See SharedState. */
  readonly #preparedForks: Set<number>;
  /** The first process of a container is known. */
  #hasFirst: boolean;
  /** Undefined if we have started the command. */
  readonly #start: ContainerStart | undefined;
  /** The time from which on nothing delays its end, in milliseconds; undefined while it goes on. */
  #suspendsAt: number | undefined;
  #isSuspended = false;
  #isAttended = true;
  /** Tasks that another supervisor has reaped, which shares the registry. */
  readonly #endedMeanwhile: number[] = [];
  /** The buffer of the memory that the addon knows. */
  #bound: Uint8Array | undefined;
  readonly #status: StatusCounts;
  readonly #step = { kind: "step" as const, answer: false, waits: false, judges: false };
  #failed = false;

  constructor(options: SupervisorOptions, release: string) {
    const { policy, listener, kernel, descriptors } = options;
    this.#options = options;
    this.#status = new StatusCounts(options.status);
    reservePolling(descriptors.polling);
    const { joined, command } = options;
    this.#memory = joined?.memory ?? new JudgementMemory(options.instance ?? instantiate(policy.step));
    this.#records = new Records(this.#memory, policy, options.sink);
    this.#endsWithoutUsers = kernel === "present" && kernelAtLeast(release, 6, 11);
    const { needs, description } = policy;
    this.#identifies = needs.threads || needs.processes || needs.processId || needs.credentials;
    this.#epoll = this.#identifies || needs.births ? (joined?.epoll ?? descriptors.tasks) : -1;
    const { saved } = options;
    if (saved !== undefined && joined === undefined) this.#memory.restore(saved.state.memory);
    const hasStarted = saved?.tree.hasStarted ?? (command === undefined ? false : undefined);
    this.#start = hasStarted === undefined ? undefined : new ContainerStart(hasStarted);
    this.#hasFirst = saved !== undefined;
    this.#preparedForks = joined?.preparedForks ?? new Set();
    const observes = policy.memory.observations.length > 0;
    this.#observer = new MemoryObserver(policy.memory, policy.memory.matchers);
    const holdsRooms = policy.rooms.length > 0 && policy.mode !== "audit";
    const isKillable = kernel === "present" && kernelAtLeast(release, 5, 19);
    const threadDescriptors = kernel === "present" && hasThreadDescriptors();
    this.#pinning =
      observes || holdsRooms
        ? new Pinning(listener, {
            protection: windowProtection(kernel),
            executionsAreReported: true,
            rightsAreReported:
              kernel === "present" && policy.calls.some((traits) => (traits & callTrait.changesRoot) !== 0),
            memoryIsFree: policy.memoryIsFree,
            isKillable,
            threadEndsAreReported: threadDescriptors,
            changesTask: (tid) => this.#tracer.executesIn(tid),
            audits: policy.mode === "audit",
            filesAreRestricted: policy.objects.some(({ files }) => files.length > 0),
          })
        : undefined;
    this.#objects = asksForObjects(policy.memory)
      ? new ServedCalls(listener, policy.memory, {
          architecture: description.architecture,
          isKillable,
          readOnlyProc: policy.readOnlyProc,
        })
      : undefined;
    this.#preconditions = this.#pinning && new Preconditions(this.#pinning, description.architecture, this.#objects);
    this.#notifying = this.#objects === undefined ? [listener] : [listener, this.#objects.descriptor];
    this.#registry =
      joined?.registry ??
      new TaskRegistry(this.#memory, needs, this.#epoll, {
        threadDescriptors,
        descriptorsIdentify: kernel === "present",
        adoptsUnseen: policy.mode === "audit",
      });
    this.#architectureName = description.architecture;
    const isTraced = (tid: number) => this.#tracer.follows(tid) || this.#pinning?.isLate(tid) === true;
    this.#signals = policy.catching.length > 0 ? new SignalStops(description.architecture, isTraced) : undefined;
    this.#tracer = new ForkTracer(this.#registry, {
      signals: this.#signals,
      followsForks: policy.calls.some((traits) => (traits & callTrait.creates) !== 0),
      kill: (pid) => this.#kill(pid),
      lost: (pid, why) => this.#records.putNotice(`the new process ${pid} was killed: ${why}`),
      isPinned: (tid) => this.#pinning?.isLate(tid) ?? false,
      restarts: (tid, call) => this.#pinning?.restarts(tid, call),
      interruptsForks: options.interruptsForks,
    });
    const asks = policy.mode !== "audit" && policy.askingCalls.length > 0 && options.questions !== undefined;
    this.#questions = asks
      ? new Questions({
          ...options.questions!,
          memory: this.#memory,
          architecture: description.architecture,
          listener,
          event: descriptors.answers,
        })
      : undefined;
    this.#judge = new Judge({
      memory: this.#memory,
      policy,
      sink: options.sink,
      records: this.#records,
      recorder: new MemoryRecorder(this.#observer, policy.memory.refusing),
      status: this.#status,
      pinning: this.#pinning,
      questions: this.#questions,
      kill: (caller) => this.#killCaller(caller),
    });
    this.#audit = policy.mode === "audit";
    const { architecture } = description;
    this.#admission = holdsRooms
      ? new Admission({
          rooms: policy.rooms,
          architecture,
          listener,
          pinning: this.#pinning!,
          memory: this.#memory,
          records: this.#records,
          judgeLate: this.#judge.late,
        })
      : undefined;
    this.#architecture = auditArchitecture[architecture];
    this.#clone3 = callNumber("clone3", architecture);
    this.#waiting = new WaitingCalls({
      listener,
      memory: this.#memory,
      tracer: this.#tracer,
      counts: policy.countingCalls,
      pins: this.#pinning !== undefined,
      signals: this.#signals,
      reap: () => this.#reap(this.#native.deaths()),
      abandon: (id) => this.#objects?.drop(id),
    });
    this.#following = new Following({
      architecture,
      births: needs.births,
      keeps: this.#signals !== undefined,
      memory: this.#memory,
      registry: this.#registry,
      tracer: this.#tracer,
      pinning: this.#pinning,
      stillWaits: () => notificationIsValid(listener, this.#memory.idBytes()),
      audits: policy.mode === "audit",
      refuse: (obstacle, { passes }) => {
        if (passes) this.#records.putRefusal("unseen-child", errno.EPERM, { obstacle, audit: true });
        else this.#refuseToFollow(obstacle);
      },
      bind: () => this.#bind(),
    });
    this.#restrictsItself = callNumber("landlock_restrict_self", architecture);
    this.#bind();
    this.#stopped = this.#signals?.start(options.descriptors, options.filter, policy.allowsHandlers) ?? -1;
    if (observes && mayStallAtStart()) this.#readApart();
    // They change without a judgement, and other supervisors can share the state of a container.
    if (needs.clock || needs.alive || this.#start !== undefined) this.#pinning?.stateAlwaysChanges();
    // #passPrepared compares the caller's credentials, and ends an approval. A shared registry is known here only.
    if (observes && !holdsRooms && !needs.credentials && !asks && this.#start === undefined)
      this.#native.passPrepared(passedAsPrepared(policy.calls, architecture));
    if (policy.textFilter !== undefined)
      startTextFilter(policy.textFilter, policy.memory.matchers, options.status?.words);
    if (kernel === "present") useSynchronousWakeUp(listener);
    if (saved !== undefined) this.#restore(saved, joined);
    else if (command !== undefined && needs.births && !this.#registry.adopt(command.pid, command.pidfd))
      this.#fail(notFollowed);
  }

  get shared(): SharedState {
    return {
      memory: this.#memory,
      registry: this.#registry,
      epoll: this.#epoll,
      preparedForks: this.#preparedForks,
    };
  }

  // ── Another supervisor ────────────────────────────────────────────────────────────────────────────────────────────

  #restore({ state, tree }: NonNullable<SupervisorOptions["saved"]>, joined: SharedState | undefined): void {
    if (joined === undefined) this.#registry.restore(state);
    this.#isRestricted = tree.isRestricted;
    this.#signals?.restore(tree.kept);
    this.#waiting.restore(tree.calls);
    if (this.#start?.isOver === true) this.#passAllowed();
    this.#bind();
  }

  /**
   * Ends the loop when no call is in the middle of something, so that another supervisor can go on. Calls that come meanwhile
   * wait. `patience`: milliseconds until calls that were prepared count as new ones.
   */
  suspend(patience: number): void {
    this.#suspendsAt = performance.now() + patience;
  }

  /** Whether the loop has ended because of `suspend`. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** A suspended tree, whose listener is open. Undefined if its calls cannot wait for another supervisor: it has rooms. */
  save(): { readonly state: SavedState; readonly tree: SavedTree } | undefined {
    if (this.#failed || this.#options.policy.rooms.length > 0) return undefined;
    const calls = [...this.#waiting.notifications, ...(this.#questions?.notifications ?? [])];
    return {
      state: { memory: this.#memory.bytes().slice(), ...this.#registry.save() },
      tree: { calls, kept: this.#keptTasks(), isRestricted: this.#isRestricted, hasStarted: this.#start?.isOver },
    };
  }

  #keptTasks(): readonly number[] {
    const tasks = [...this.#registry.processes].flatMap(({ threads }) => [...threads].map(({ tid }) => tid));
    return tasks.filter((tid) => this.#signals?.isKept(tid) === true);
  }

  /** Among many: it goes on after a wait. Meanwhile another supervisor may have changed what they share. */
  attend(): void {
    this.#isAttended = true;
    if (this.#bound !== this.#memory.bytes()) this.#bind();
    for (const tid of this.#endedMeanwhile.splice(0)) this.#forget(tid);
  }

  /** Among many: it waits. */
  leave(): void {
    this.#isAttended = false;
  }

  /** Ends when no task is left under the filter. */
  *run(): WaitingLoop {
    this.#registry.onEnd.add(this.#taskEnded);
    try {
      yield* this.#serve();
    } finally {
      this.#registry.onEnd.delete(this.#taskEnded);
      if (!this.#isSuspended) close(this.#options.listener);
    }
  }

  *#serve(): WaitingLoop {
    const { listener } = this.#options;
    let answer = false;
    for (;;) {
      if (this.#signals?.takeStops() === true) this.#tracer.advance({ interrupts: false });
      if (this.#suspendsAt !== undefined && !answer && this.#canSuspend(this.#suspendsAt)) {
        this.#isSuspended = true;
        return;
      }
      if (this.#questions?.isOpen === true) {
        if (answer) this.#send();
        answer = false;
        const answered = this.#questions.next((id) => this.#objects?.drop(id));
        if (answered !== undefined) {
          answer = this.#settle(answered);
          continue;
        }
      }
      if (this.#tracer.busy || this.#waiting.isBusy) {
        if (answer) this.#send();
        answer = false;
        const isNotified = () =>
          this.#pinning?.hasWaiting === true || pollFor(this.#notifying, 0).some((bits) => bits !== 0);
        this.#tracer.advance({ interrupts: this.#waiting.isBusy || !isNotified() });
        if (this.#waiting.next()) {
          answer = this.#judgeReceived();
          continue;
        }
        if (this.#tracer.busy && !isNotified()) {
          yield {
            kind: "descriptors",
            descriptors: [...this.#notifying, this.#stopped],
            milliseconds: this.#tracer.pause,
          };
          this.#advanceRooms();
          continue;
        }
      }
      if (this.#status.isRequested) {
        // The pending answer goes first, so that its caller does not wait for the snapshot.
        if (answer) this.#send();
        answer = false;
        this.#status.tell(this.#memory, this.#registry);
      }
      const rooms = this.#admission?.keeper;
      const isAsked = this.#questions?.isOpen === true;
      if (rooms?.isBusy === true || isAsked) {
        if (answer) this.#send();
        answer = false;
        if (!(yield* this.#awaitNotification(rooms?.isBusy === true ? rooms.patience : openPatience))) continue;
      }
      // The notification can be gone: its thread has been killed. A wait for the next one would leave tracees stopped.
      const waits = rooms?.isBusy !== true && !isAsked && !this.#tracer.busy;
      this.#step.answer = answer;
      this.#step.waits = waits;
      this.#step.judges = waits && !this.#failed && this.#preparedForks.size === 0 && this.#start === undefined;
      const deaths = Number(yield this.#step);
      answer = false;
      if (deaths === -errno.EAGAIN) {
        // Steps do not wait while all trees are suspended.
        if (this.#suspendsAt !== undefined)
          yield { kind: "descriptors", descriptors: this.#notifying, milliseconds: suspensionPause };
        continue;
      }
      if (deaths === -errno.ECANCELED) {
        answer = this.#safely(() => this.#recordUnpinned());
        continue;
      }
      if (deaths < 0) {
        if ((pollFor([listener], 0)[0]! & pollBits.hangUp) !== 0) break;
        continue;
      }
      if (deaths > 0) this.#reap(deaths);
      answer = this.#judgeReceived();
    }
  }

  #canSuspend(until: number): boolean {
    if (this.#tracer.busy || this.#pinning?.hasWaiting === true) return false;
    return performance.now() >= until || (this.#preparedForks.size === 0 && this.#objects?.isServing !== true);
  }

  readonly #taskEnded = (tid: number): void => {
    this.#preparedForks.delete(tid);
    if (this.#isAttended) this.#forget(tid);
    else this.#endedMeanwhile.push(tid);
  };

  #forget(tid: number): void {
    this.#pinning?.ended(tid);
    this.#admission?.keeper.ended(tid);
    this.#signals?.ended(tid);
    this.#questions?.ended(tid);
  }

  /** The text filter has allowed the call in the memory, and it cannot be pinned. */
  #recordUnpinned(): boolean {
    this.#records.putUnpinned(this.#pinning!.outcomeOf(this.#memory.bytes(), this.#deaths[0]!));
    return false;
  }

  #judgeReceived(): boolean {
    if (this.#start?.isOver === false && this.#startsContainer(this.#start)) {
      this.#memory.pass();
      return true;
    }
    if (this.#signals !== undefined && this.#waiting.awaitsTracer(this.#options.policy.calls)) return false;
    return this.#pinning === undefined ? this.#safely(() => this.#judgeCall(undefined)) : this.#receive(this.#pinning);
  }

  /** Whether the call in the memory is the runtime's. Its process becomes the command's. */
  #startsContainer(start: ContainerStart): boolean {
    const { tid } = this.#memory;
    if (!this.#hasFirst && !this.#failed) this.#meetFirst();
    if (this.#failed) return false;
    // The notification is gone.
    if (!this.#hasFirst) return true;
    this.#bind();
    if (start.isOfRuntime(tid)) return true;
    // Not before: a filter that allows execve(2) would pass the runtime's without a sign that the start is over.
    this.#passAllowed();
    return false;
  }

  /**
   * What is read is the caller's if the caller still waits afterwards. Signals interrupt it: Go's scheduler sends them to the
   * threads of runc. The call then comes again.
   */
  #meetFirst(): void {
    const { tid } = this.#memory;
    const stillWaits = () => notificationIsValid(this.#options.listener, this.#memory.idBytes());
    const confined = wasConfined(tid);
    if (!stillWaits()) return;
    if (confined !== false) return this.#fail("the process was under a filter before the container's");
    const pid = this.#options.policy.needs.births ? processOf(tid) : undefined;
    const isFollowed = !this.#options.policy.needs.births || (pid !== undefined && this.#registry.adopt(pid));
    this.#hasFirst = stillWaits();
    if (this.#hasFirst && !isFollowed) this.#fail(notFollowed);
  }

  #passAllowed(): void {
    required("passAllowed", this.#native.passAllowed(this.#options.filter));
  }

  /** A call can wait for the end of a task, which is not a notification. */
  #advanceRooms(): void {
    if (this.#admission?.keeper.isBusy !== true) return;
    this.#reap(this.#native.deaths());
    this.#admission.keeper.advance();
  }

  /** Whether a notification arrives within so many milliseconds, or the listener hangs up. A task's end ends the wait. */
  *#awaitNotification(milliseconds: number): Generator<Wait, boolean, WaitResult> {
    if (milliseconds === 0) this.#advanceRooms();
    if (this.#pinning?.hasWaiting === true) return true;
    const others = [this.#epoll, this.#stopped, this.#options.descriptors.answers];
    const ready = yield { kind: "descriptors", descriptors: [...this.#notifying, ...others], milliseconds };
    const isNotified = typeof ready !== "number" && ready.slice(0, -others.length).some((bits) => bits !== 0);
    if (isNotified) return true;
    this.#reap(this.#native.deaths());
    this.#advanceRooms();
    return false;
  }

  /** The call in the memory has its answer. An approved one is judged again. True if a response is in the memory. */
  #settle(answered: AnsweredCall): boolean {
    this.#reap(this.#native.deaths());
    if (answered.answer === "allow" || answered.answer === "always") return this.#judgeReceived();
    this.#objects?.drop(this.#memory.id);
    this.#judge.refused(answered);
    this.#memory.refuse(errno.EPERM);
    return true;
  }

  /** With pinning, a call comes twice: for its judgement, and when it is made with the judged copy. */
  #receive(pinning: Pinning): boolean {
    if (this.#objects?.has(this.#memory.id)) return this.#receiveHeld(this.#objects, this.#memory.id);
    // If the id was that of a thread that has ended, its prepared calls end here.
    this.#registry.find(this.#memory.tid);
    this.#preparedForks.delete(this.#memory.tid);
    // A thread is in one call at a time, so its earlier calls have ended.
    this.#admission?.keeper.ended(this.#memory.tid);
    const received = pinning.receive(this.#memory.bytes());
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

  /** Denies the call if its judgement fails, and every later one. */
  #safely(judge: () => boolean): boolean {
    const begin = this.#status.now();
    try {
      if (!this.#failed) return judge();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    } finally {
      this.#status.measure(begin);
    }
    return this.#refuse("supervisor-failed", errno.ENOSYS);
  }

  // ── A judgement ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** True if an answer is in the memory and must be sent; false if it has been sent. */
  #judgeCall(call: PendingCall | HeldCall | undefined): boolean {
    const memory = this.#memory;
    const { number, tid } = memory;
    const { needs } = this.#options.policy;
    if (memory.architecture !== this.#architecture) return this.#refuse("foreign-abi", errno.ENOSYS);
    const traits = number < this.#options.policy.calls.length ? this.#options.policy.calls[number]! : 0;
    if (traits === 0) {
      return this.#refuse(isX32Number(this.#architectureName, number) ? "foreign-abi" : "unknown-call", errno.ENOSYS);
    }
    if (tid === 0) return this.#refuse("invisible-task", errno.EPERM);
    if (this.#tracer.busy) {
      const called = this.#tracer.called(tid, memory.call());
      if (called === "judged") memory.pass();
      // The kernel restarts the call after the stop that is pending for its thread.
      else if (called === "stops") memory.refuse(kernelErrno.ERESTARTNOINTR);
      if (called !== "new") return true;
    }

    if (this.#suspendsAt !== undefined) {
      this.#waiting.hold();
      this.#defers = true;
      return false;
    }

    const interrupted = this.#signals?.called(tid, number, (at) => memory.argument(at)) ?? "passes";
    if (interrupted === "stops") {
      memory.refuse(kernelErrno.ERESTARTNOINTR);
      return true;
    }
    this.#defers = this.#waiting.defers(interrupted === "waits");
    if (this.#defers) return false;

    if ((traits & callTrait.mayStall) !== 0 && mayStallBy(this.#architectureName, number, (at) => memory.argument(at)))
      this.#readApart();

    let caller: Thread | undefined;
    if (this.#identifies) {
      const found = this.#registry.find(tid) ?? this.#discover(tid);
      if (typeof found === "string") return this.#refuseUnidentified(found);
      caller = found;
      memory.setProcess(caller.process.pid);
      if (needs.credentials) {
        const credentials = this.#registry.credentials(caller);
        if (credentials === undefined)
          return this.#refuse(noDescriptorsLeft() ? "no-descriptors" : "invisible-task", errno.EPERM);
        memory.setCredentials(credentials.uid, credentials.gid);
      }
    }
    if (needs.alive) memory.setAlive(this.#registry.alive + this.#preparedForks.size);

    // The addon may know no thread whose end the registry does not see.
    if ((traits & (callTrait.changesCredentials | callTrait.changesRoot)) !== 0)
      this.#pinning?.changesRights(tid, (traits & callTrait.changesRoot) !== 0);
    this.#preconditions?.meets(number, (index) => memory.argument(index));
    if (caller !== undefined) this.#admission?.meets(caller, number, (index) => memory.argument(index));
    if (call !== undefined && "objects" in call) return this.#judgeHeld(call, caller);
    const observations = this.#observer.of(number);
    if (observations.length > 0) {
      this.#judgeObserved(call!, caller, observations);
      return false;
    }
    memory.setUnobserved();
    const { verdict, fate } = this.#judge.evaluate(caller);
    if (fate === "hold") return false;
    if (fate === "refuse") {
      memory.refuse(this.#judge.errnoOf(verdict));
      return true;
    }
    if (number === this.#restrictsItself && this.#objects !== undefined) this.#restrict(caller);
    const entered = this.#admission?.entered ?? [];
    if (entered.length > 0) return this.#admission!.enter(call!, caller!, entered);
    if (traits === callTrait.judged) {
      memory.pass();
      return true;
    }
    return this.#following.pass(traits, caller, {
      cloneFlags: number === this.#clone3 ? undefined : memory.argument(0),
      data: memory.call(),
      pass: () => {
        memory.pass();
        return this.#send();
      },
    });
  }

  // ── Arguments behind pointers ─────────────────────────────────────────────────────────────────────────────────────

  /** Reads the caller's memory, judges the copy, and lets the caller make its call with that copy. */
  #judgeObserved(call: PendingCall, caller: Thread | undefined, observations: ReturnType<MemoryObserver["of"]>): void {
    const { number, tid } = this.#memory;
    let makesProcess = false;
    const outcome = call.observe(
      (observer) => {
        const memory = observations.map((one) => readMemory(observer, one));
        const observed = this.#observer.observe(number, memory);
        // The kernel's own copy would fail with this errno, so the call returns it without a judgement.
        if ("errno" in observed) return new ObservationFailure(observed.errno);
        const order = this.#objects?.orderOf(number, observer, observations, memory);
        if (order instanceof ObservationFailure) return order;
        if (order !== undefined) {
          const { id } = this.#memory;
          return observer.serve((notification) => this.#objects!.begin(id, notification, order, observations, memory));
        }
        this.#memory.setObserved(observed.words);
        const { verdict, fate } = this.#judge.evaluate(caller, { observations, memory });
        if (fate === "hold") return observer.hold();
        if (fate === "refuse") return observer.refuse(this.#judge.errnoOf(verdict));
        const entered = this.#admission?.entered ?? [];
        if (entered.length > 0 && !this.#admission!.canHold(entered)) return observer.refuse(errno.EPERM);
        makesProcess = number === this.#clone3 && (cloneFlagsIn(memory) & cloneFlag.thread) === 0n;
        return observer.pin(packEntered(entered));
      },
      this.#unpinned(caller),
      this.#memory.credentials,
    );
    if (isOver(outcome)) this.#questions?.ended(tid);
    if (outcome.kind === "prepared" && makesProcess) this.#preparedForks.add(tid);
    if (outcome.kind === "unserved") this.#records.putRefusal("unserved", outcome.errno, { hold: "too-many" });
    this.#records.putUnpinned(outcome);
  }

  /** An audit lets a call pass that it cannot judge, except if its effect on the registry must be followed. */
  #unpinned(caller: Thread | undefined): Unpinned {
    const { number, tid } = this.#memory;
    if (number === this.#clone3) return errno.ENOSYS; // C libraries fall back to clone
    const traits = this.#options.policy.calls[number] ?? 0;
    const isFollowed = (traits & callTrait.executes) !== 0 && caller !== undefined && caller.process.pid !== tid;
    return this.#audit && !isFollowed ? passesUnpinned : errno.EPERM;
  }

  /** True if an answer is in the memory; otherwise the addon gives it. */
  #judgeHeld(call: HeldCall, caller: Thread | undefined): boolean {
    const { objects, id } = call;
    const held = objects.held(id);
    switch (held.is) {
      case "failed":
        this.#memory.refuse(held.errno);
        return true;
      case "refused":
        return this.#refuseObject(held.why, held.errno);
      case "object": {
        // The caller was known at its first notification.
        if (this.#isRestricted || caller?.process.isRestricted !== false)
          return this.#refuseObject("landlock", errno.EACCES);
        const { observations, memory, rewritten } = held;
        if (rewritten !== undefined) this.#memory.setArgument(rewritten.argument, rewritten.flags);
        const observed = this.#observer.observe(this.#memory.number, memory);
        if ("errno" in observed) throw new Error("memory that was read has failed since");
        this.#memory.setObserved(observed.words);
        const { verdict, fate } = this.#judge.evaluate(caller, { observations, memory });
        if (fate === "hold") call.await();
        else if (fate === "refuse") this.#memory.refuse(this.#judge.errnoOf(verdict));
        else if (this.#admission?.enterServed(objects, caller) === false) call.await();
        else call.serve();
        if (fate !== "hold") this.#questions?.ended(this.#memory.tid);
        return fate === "refuse";
      }
    }
  }

  /** Children and threads of a thread inherit its Landlock domain, also through execve, so its whole process counts. */
  #restrict(caller: Thread | undefined): void {
    if (caller === undefined || (this.#memory.argument(1) & restrictAllThreads) !== 0n) this.#isRestricted = true;
    else caller.process.isRestricted = true;
  }

  /** True if the answer is in the memory. */
  #refuseObject(hold: HoldObstacle, number: number): boolean {
    this.#records.putRefusal("unserved", number, { hold, audit: this.#audit });
    if (this.#audit) this.#pinning!.giveUp(this.#memory.bytes(), passesUnpinned);
    else this.#memory.refuse(number);
    return !this.#audit;
  }

  /** The second notification of a judged call, which is not an event. */
  #passPrepared(call: PreparedCall): boolean {
    const { number, tid } = call;
    const traits = this.#options.policy.calls[number] ?? 0;
    if (this.#tracer.busy && this.#tracer.comesAgain(tid, call.data)) {
      call.pass();
      return false;
    }
    // It can have ended since it was judged.
    const caller = this.#identifies ? (this.#registry.find(tid) ?? this.#discover(tid)) : undefined;
    if (typeof caller === "string") return this.#refuseUnidentified(caller);
    if (this.#hasOtherCredentials(call, caller)) {
      call.restart();
      return false;
    }
    this.#questions?.ended(tid);
    if (call.rooms !== 0n) return this.#admission!.enterPrepared(call, caller!);
    if (traits === callTrait.judged) {
      call.pass();
      return false;
    }
    const cloneFlags = number === this.#clone3 ? call.cloneFlags : call.argument(0);
    return this.#following.pass(traits, caller, { cloneFlags, data: call.data, pass: () => call.pass() });
  }

  /** Whether the caller has changed its user or group since the call was judged: in a signal handler. */
  #hasOtherCredentials({ credentials }: PreparedCall, caller: Thread | undefined): boolean {
    if (caller === undefined || !this.#options.policy.needs.credentials) return false;
    const present = this.#registry.credentials(caller);
    return present === undefined || packCredentials(present) !== credentials;
  }

  #discover(tid: number): Thread | Unidentified {
    const { listener } = this.#options;
    const id = this.#memory.idBytes();
    const found = this.#registry.discover(tid, () => notificationIsValid(listener, id));
    this.#bind();
    return found;
  }

  #refuseUnidentified(why: Unidentified): boolean {
    switch (why) {
      case "gone":
        // The caller no longer waits for this answer, or it is hidden from us.
        this.#memory.refuse(errno.EPERM);
        return true;
      case "exhausted":
        return this.#refuse("no-descriptors", errno.EPERM);
      case "unseen":
        return this.#refuseToFollow({ why: "unseen-caller" });
    }
  }

  /** True if the caller has got the answer. */
  #send(): boolean {
    return sendResponse(this.#options.listener, this.#memory.response());
  }

  // ── Our own refusals, and their events ────────────────────────────────────────────────────────────────────────────

  #refuseToFollow(obstacle: FollowObstacle): boolean {
    return this.#refuse("unseen-child", errno.EPERM, obstacle);
  }

  #refuse(refusal: Refusal, number: number, obstacle?: FollowObstacle): boolean {
    this.#status.refused();
    this.#memory.refuse(number);
    this.#records.putRefusal(refusal, number, { obstacle });
    return true;
  }

  #fail(why: string): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#native.passPrepared(new Uint8Array(0));
    this.#admission?.keeper.giveUp(errno.ENOSYS);
    this.#records.putNotice(`the supervisor failed and denies everything from now on: ${why}`);
  }

  // ── Tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #reap(count: number): void {
    for (let more = count; more > 0; ) {
      for (let index = 0; index < more; index++) this.#registry.reap(this.#deaths[index]!);
      more = more === this.#deaths.length ? this.#native.deaths() : 0;
    }
  }

  /** Returns the errno for which the kernel refuses the kill; then the supervisor denies everything from then on. */
  #killCaller(caller: Thread | undefined): number | undefined {
    const { listener } = this.#options;
    const refused = killCaller(caller, {
      listener,
      memory: this.#memory,
      tracer: this.#tracer,
      records: this.#records,
    });
    if (refused === undefined) return undefined;
    const pid = caller?.process.pid ?? this.#memory.tid;
    this.#fail(`process ${pid} was to be killed, and the kernel refuses it (${refused})`);
    return refused;
  }

  /** Only for a tracee whose end no wait has reported: the id is still its own. */
  #kill(pid: number): void {
    this.#native.syscall(callNumber("kill"), pid, signals.SIGKILL);
  }

  #readApart(): void {
    if (this.#readsApart || this.#pinning === undefined) return;
    this.#readsApart = true;
    this.#notifying.push(this.#pinning.readApart());
    this.#bind(); // the addon watches that descriptor, too
  }

  /** The addon works on the memory's present buffer. */
  #bind(): void {
    this.#bound = this.#memory.bytes();
    this.#native.supervise(
      this.#bound,
      this.#deaths,
      this.#options.listener,
      this.#epoll,
      this.#endsWithoutUsers && this.#objects === undefined && !this.#options.isOneOfMany
        ? -1
        : this.#options.descriptors.listening,
    );
  }
}
