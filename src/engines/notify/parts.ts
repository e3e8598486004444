/** The parts of a supervisor, connected, and what all of them use: our own refusals, the tasks, and the addon. */

import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { kernelAtLeast } from "../../abi/kernel-version.ts";
import { signals } from "../../abi/signals.ts";
import { instantiate } from "../../backend/wasm/instance.ts";
import type { FollowObstacle, Refusal } from "../../events/record.ts";
import { Observer as MemoryObserver } from "../../ir/observe.ts";
import { reservePolling } from "../../machine/descriptors.ts";
import { mostDeaths, native, required } from "../../machine/native.ts";
import { notificationIsValid, sendResponse, useSynchronousWakeUp } from "../../machine/seccomp.ts";
import { Work } from "../../machine/work.ts";
import { MemoryRecorder } from "./caller-memory.ts";
import { Following } from "./following.ts";
import { ForkTracer } from "./fork-tracer.ts";
import { Judge } from "./judge.ts";
import { killCaller } from "./killing.ts";
import { asksForObjects } from "./objects/objects-of.ts";
import { ServedCalls } from "./objects/served-calls.ts";
import { passedAsPrepared } from "./pin/passed-calls.ts";
import { Pinning } from "./pin/pinning.ts";
import { Preconditions } from "./pin/preconditions.ts";
import { windowProtection } from "./pin/protection.ts";
import { mayStallAtStart } from "./pin/stalling.ts";
import { JudgementMemory } from "./policy/memory.ts";
import type { Needs } from "./policy/policy.ts";
import { callTrait } from "./policy/policy.ts";
import { Questions } from "./questions.ts";
import { Records } from "./records/records.ts";
import { Admission } from "./rooms/admission.ts";
import { SignalStops } from "./signal-stops.ts";
import { StatusCounts } from "./status-counts.ts";
import type { SharedState, SupervisorOptions } from "./supervisor-options.ts";
import { hasThreadDescriptors } from "./tasks/caller.ts";
import { ContainerStart } from "./tasks/container-start.ts";
import { TaskRegistry, type Thread } from "./tasks/tasks.ts";
import { startTextFilter } from "./text-filter-start.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** Whether a judgement needs the calling thread or process. */
export function identifies({ threads, processes, processId, credentials }: Needs): boolean {
  return threads || processes || processId || credentials;
}

export class Parts {
  readonly options: SupervisorOptions;
  readonly native = native();
  readonly memory: JudgementMemory;
  readonly registry: TaskRegistry;
  readonly tracer: ForkTracer;
  readonly epoll: number;
  readonly deaths = new Uint32Array(mostDeaths);
  readonly #endsWithoutUsers: boolean;
  readonly records: Records;
  readonly judge: Judge;
  /** Undefined if the policy asks nothing, or nothing is enforced. */
  readonly questions: Questions | undefined;
  /** Undefined if the policy neither reads memory of its callers nor has rooms. */
  readonly pinning: Pinning | undefined;
  readonly preconditions: Preconditions | undefined;
  /** Undefined if the policy has no rooms, and in an audit, which enforces nothing. */
  readonly admission: Admission | undefined;
  readonly observer: MemoryObserver;
  /** Undefined if the policy does not ask about the object of a path. */
  readonly objects: ServedCalls | undefined;
  /** Descriptors that are readable when a call needs the loop. */
  readonly notifying: number[];
  /** Readable when a kept task has stopped; −1 if none is kept. */
  readonly stopped: number;
  /** Whether reads of callers' memory may never end (pin/stalling.ts). */
  #readsApart = false;
  /** A process has restricted all of its threads at once. Which of its children are older is not known. */
  isRestricted = false;
  readonly following: Following;
  /** Undefined if no task is kept. */
  readonly signals: SignalStops | undefined;
  readonly waiting: WaitingCalls;
  readonly work: Work;
  /** See SharedState. */
  readonly preparedForks: Set<number>;
  /** Tasks that another supervisor, which shares the registry, has reaped since this one's last turn. */
  readonly endedMeanwhile: number[] = [];
  /** Undefined if we have started the command. */
  readonly start: ContainerStart | undefined;
  /** The buffer of the memory that the addon knows. */
  #bound: Uint8Array | undefined;
  readonly status: StatusCounts;
  /** Every call is denied. */
  failed = false;
  /** Calls that come are held for another supervisor. */
  suspends = false;

  constructor(options: SupervisorOptions, release: string) {
    const { policy, listener, kernel, descriptors } = options;
    this.options = options;
    this.status = new StatusCounts(options.status);
    reservePolling(descriptors.polling);
    const { joined, command } = options;
    this.memory = joined?.memory ?? new JudgementMemory(options.instance ?? instantiate(policy.step));
    this.work = new Work(this.memory);
    this.records = new Records(this.memory, policy, options.sink);
    this.#endsWithoutUsers = kernel === "present" && kernelAtLeast(release, 6, 11);
    const { needs, description } = policy;
    this.epoll = identifies(needs) || needs.births ? (joined?.epoll ?? descriptors.tasks) : -1;
    const { saved } = options;
    if (saved !== undefined && joined === undefined) this.memory.restore(saved.state.memory);
    this.start = command === undefined ? new ContainerStart(saved?.tree.start) : undefined;
    this.preparedForks = joined?.preparedForks ?? new Set();
    const observes = policy.memory.observations.length > 0;
    this.observer = new MemoryObserver(policy.memory, policy.memory.matchers);
    const holdsRooms = policy.rooms.length > 0 && policy.mode !== "audit";
    const isKillable = kernel === "present" && kernelAtLeast(release, 5, 19);
    const threadDescriptors = kernel === "present" && hasThreadDescriptors();
    this.pinning =
      observes || holdsRooms
        ? new Pinning(listener, {
            protection: windowProtection(kernel),
            executionsAreReported: true,
            rightsAreReported:
              kernel === "present" && policy.calls.some((traits) => (traits & callTrait.changesRoot) !== 0),
            memoryIsFree: policy.memoryIsFree,
            isKillable,
            threadEndsAreReported: threadDescriptors,
            changesTask: (tid) => this.tracer.executesIn(tid),
            audits: policy.mode === "audit",
            filesAreRestricted: policy.objects.some(({ files }) => files.length > 0),
            work: this.work,
          })
        : undefined;
    this.objects = asksForObjects(policy.memory)
      ? new ServedCalls(listener, policy.memory, {
          architecture: description.architecture,
          isKillable,
          readOnlyProc: policy.readOnlyProc,
          isContainer: command === undefined,
        })
      : undefined;
    this.preconditions = this.pinning && new Preconditions(this.pinning, description.architecture, this.objects);
    this.notifying = this.objects === undefined ? [listener] : [listener, this.objects.descriptor];
    this.registry =
      joined?.registry ??
      new TaskRegistry(this.memory, needs, this.epoll, {
        threadDescriptors,
        descriptorsIdentify: kernel === "present",
        adoptsUnseen: policy.mode === "audit",
      });
    const isTraced = (tid: number) => this.tracer.follows(tid) || this.pinning?.isLate(tid) === true;
    this.signals = policy.catching.length > 0 ? new SignalStops(description.architecture, isTraced) : undefined;
    this.tracer = new ForkTracer(this.registry, {
      signals: this.signals,
      work: this.work,
      followsForks: policy.calls.some((traits) => (traits & callTrait.creates) !== 0),
      kill: (pid) => this.kill(pid),
      lost: (pid, why) => this.records.putNotice(`the new process ${pid} was killed: ${why}`),
      isPinned: (tid) => this.pinning?.isLate(tid) ?? false,
      restarts: (tid, call) => this.pinning?.restarts(tid, call),
      interruptsForks: options.interruptsForks,
    });
    const asks = policy.mode !== "audit" && policy.askingCalls.length > 0 && options.questions !== undefined;
    this.questions = asks
      ? new Questions({
          ...options.questions!,
          memory: this.memory,
          architecture: description.architecture,
          listener,
          event: descriptors.answers,
        })
      : undefined;
    this.judge = new Judge({
      memory: this.memory,
      policy,
      sink: options.sink,
      records: this.records,
      recorder: new MemoryRecorder(this.observer, policy.memory.refusing),
      status: this.status,
      pinning: this.pinning,
      questions: this.questions,
      kill: (caller) => this.killCaller(caller),
    });
    const { architecture } = description;
    this.admission = holdsRooms
      ? new Admission({
          rooms: policy.rooms,
          architecture,
          listener,
          pinning: this.pinning!,
          memory: this.memory,
          records: this.records,
          judgeLate: this.judge.late,
        })
      : undefined;
    this.waiting = new WaitingCalls({
      listener,
      memory: this.memory,
      tracer: this.tracer,
      counts: policy.countingCalls,
      pins: this.pinning !== undefined,
      signals: this.signals,
      reap: () => this.reap(this.native.deaths()),
      abandon: (id) => this.objects?.drop(id),
    });
    this.following = new Following({
      architecture,
      births: needs.births,
      keeps: this.signals !== undefined,
      memory: this.memory,
      registry: this.registry,
      tracer: this.tracer,
      pinning: this.pinning,
      stillWaits: () => notificationIsValid(listener, this.memory.idBytes()),
      audits: policy.mode === "audit",
      refuse: (obstacle, { passes }) => {
        if (passes) this.records.putRefusal("unseen-child", errno.EPERM, { obstacle, audit: true });
        else this.refuseToFollow(obstacle);
      },
      bind: () => this.bind(),
    });
    this.bind();
    this.stopped = this.signals?.start(options.descriptors, options.filter, policy.allowsHandlers) ?? -1;
    if (observes && mayStallAtStart()) this.readApart();
    // They change without a judgement, and other supervisors can share the state of a container.
    if (needs.clock || needs.alive || this.start !== undefined) this.pinning?.stateAlwaysChanges();
    // For a prepared call, Arrivals compares the caller's credentials and ends an approval. The addon knows no shared registry.
    if (observes && !holdsRooms && !needs.credentials && !asks && this.start === undefined)
      this.native.passPrepared(passedAsPrepared(policy.calls, architecture));
    if (policy.textFilter !== undefined)
      startTextFilter(policy.textFilter, policy.memory.matchers, options.status?.words);
    if (kernel === "present") useSynchronousWakeUp(listener);
    if (saved !== undefined) this.#restore(saved, joined);
    else if (command !== undefined && needs.births && !this.registry.adopt(command.pid, command.pidfd))
      this.failToFollow();
  }

  /** For supervisors of other processes of the container. */
  get shared(): SharedState {
    return {
      memory: this.memory,
      registry: this.registry,
      epoll: this.epoll,
      preparedForks: this.preparedForks,
    };
  }

  #restore({ state, tree }: NonNullable<SupervisorOptions["saved"]>, joined: SharedState | undefined): void {
    if (joined === undefined) this.registry.restore(state);
    this.isRestricted = tree.isRestricted;
    this.signals?.restore(tree.kept);
    this.waiting.restore(tree.calls);
    if (this.start?.isOver === true) this.passAllowed();
    this.bind();
  }

  /** The task has ended, or has got another id. */
  forget(tid: number): void {
    this.pinning?.ended(tid);
    this.admission?.keeper.ended(tid);
    this.signals?.ended(tid);
    this.questions?.ended(tid);
  }

  /** From now on calls that the exact filter allows pass in the addon. */
  passAllowed(): void {
    required("passAllowed", this.native.passAllowed(this.options.filter));
  }

  /** True if the caller has got the answer. */
  send(): boolean {
    return sendResponse(this.options.listener, this.memory.response());
  }

  // ── Our own refusals, and their events ────────────────────────────────────────────────────────────────────────────

  refuseToFollow(obstacle: FollowObstacle): boolean {
    return this.refuse("unseen-child", errno.EPERM, obstacle);
  }

  /** The answer is in the memory then. Returns true. */
  refuse(refusal: Refusal, number: number, obstacle?: FollowObstacle): boolean {
    this.status.refused();
    this.memory.refuse(number);
    this.records.putRefusal(refusal, number, { obstacle });
    return true;
  }

  failToFollow(): void {
    this.fail("the command cannot be followed");
  }

  /** Denies every call from now on. */
  fail(why: string): void {
    if (this.failed) return;
    this.failed = true;
    this.native.passPrepared(new Uint8Array(0));
    this.admission?.keeper.giveUp(errno.ENOSYS);
    this.records.putNotice(`the supervisor failed and denies everything from now on: ${why}`);
  }

  // ── Tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Drops the tasks whose ends the addon has collected, so many, and further ones. */
  reap(count: number): void {
    for (let more = count; more > 0; ) {
      for (let index = 0; index < more; index++) this.registry.reap(this.deaths[index]!);
      more = more === this.deaths.length ? this.native.deaths() : 0;
    }
  }

  /** Returns the errno for which the kernel refuses the kill; then the supervisor denies everything from then on. */
  killCaller(caller: Thread | undefined): number | undefined {
    const { listener } = this.options;
    const refused = killCaller(caller, {
      listener,
      memory: this.memory,
      tracer: this.tracer,
      records: this.records,
    });
    if (refused === undefined) return undefined;
    const pid = caller?.process.pid ?? this.memory.tid;
    this.fail(`process ${pid} was to be killed, and the kernel refuses it (${refused})`);
    return refused;
  }

  /** Only for a tracee whose end no wait has reported: the id is still its own. */
  kill(pid: number): void {
    this.native.syscall(callNumber("kill"), pid, signals.SIGKILL);
  }

  /** From now on reads of callers' memory may never end. */
  readApart(): void {
    if (this.#readsApart || this.pinning === undefined) return;
    this.#readsApart = true;
    this.notifying.push(this.pinning.readApart());
    this.bind(); // the addon watches that descriptor, too
  }

  /** Another supervisor may have let the shared memory grow. */
  renew(): void {
    if (this.#bound !== this.memory.bytes()) this.bind();
  }

  /** The addon works on the memory's present buffer. */
  bind(): void {
    this.#bound = this.memory.bytes();
    this.native.supervise(
      this.#bound,
      this.deaths,
      this.options.listener,
      this.epoll,
      this.#endsWithoutUsers && this.objects === undefined && !this.options.isOneOfMany
        ? -1
        : this.options.descriptors.listening,
    );
  }
}
