/**
 * Runs a command under a policy and waits for it.
 *
 * After the command's start no code is read from disk, because a command of the same user could change it.
 *
 * The supervisor's thread takes some 30 ms to start. Until the filter's first notification, this thread waits in the
 * kernel. If calls need the policy's state, or the command's tree ends with an option, the supervisor's thread starts
 * meanwhile. Otherwise it starts at the first notification, which is about a denial, so only an event is late.
 */

import { readFileSync } from "node:fs";
import { close, pollBits, pollFor, signalEvent } from "../../linux/descriptors.ts";
import { nativeFile } from "../../linux/native.ts";
import { packageFile } from "../../linux/package.ts";
import { readProc } from "../../linux/proc.ts";
import { notificationIsValid } from "../../linux/seccomp.ts";
import { answerWords } from "../approval.ts";
import { CommandWatch } from "../command-watch.ts";
import { DenialWatch } from "../denials.ts";
import { awaitMessages, readMessage } from "../launcher.ts";
import { hideFromCommand, type RunOptions, type RunResult } from "../run.ts";
import { SigsysWatch } from "../sigsys.ts";
import { StartError } from "../start-error.ts";
import { SupervisingThread } from "../thread.ts";
import { closeDescriptors, openDescriptors, type SupervisorDescriptors } from "./descriptors.ts";
import { behind } from "./filter-prefix.ts";
import { type Launched, launch } from "./launch.ts";
import { requireFileSize } from "./pin/file-size.ts";
import { ownCallRules } from "./pin/own-calls.ts";
import { windowProtection } from "./pin/protection.ts";
import { windowRules } from "./pin/window-rules.ts";
import type { ArmedFilter, NotifyPolicy } from "./policy.ts";
import type { PostedQuestion } from "./questions.ts";
import type { KernelFeatures } from "./supervisor-options.ts";
import type { WorkerData, WorkerMessage, WorkerOrder, WorkerPreparation } from "./worker.ts";

export interface NotifyRunOptions extends RunOptions {
  /** Whether events have a destination; true by default. */
  readonly events?: boolean | undefined;
  /** The bundled source of the supervisor's thread (dist/supervisor.cjs); the package's own by default. */
  readonly supervisor?: string | undefined;
  /** "oldest": without the features of kernels after Linux 5.9, for tests. */
  readonly kernel?: KernelFeatures | undefined;
  /** For tests: interrupt each fork, as if the thread did not get a processor. */
  readonly interruptsForks?: boolean | undefined;
}

const advice = "with --kill-events the supervisor kills instead, and the call and the policy's line become an event";

/**
 * Starts the command and resolves when it and, unless `killTree`, all of its tree have ended. Rejects with a StartError
 * if the command was not started.
 */
export async function runUnderNotify(
  policy: NotifyPolicy,
  command: readonly string[],
  options: NotifyRunOptions,
): Promise<RunResult> {
  if (command.length === 0) throw new StartError(125, "there is no command to run");
  return new Run(policy, options).run(command);
}

class Run {
  readonly #policy: NotifyPolicy;
  readonly #options: NotifyRunOptions;
  /** Read before the command starts; run when it is needed. */
  readonly #source: string | undefined;
  readonly #addon = nativeFile("portcullis.node");
  #thread: SupervisingThread | undefined;
  /** The supervisor's, if the filter notifies one. */
  #descriptors: SupervisorDescriptors | undefined;
  readonly #sigsys: SigsysWatch;
  readonly #denials: DenialWatch | undefined;
  /** Set when the command has started. */
  #watch!: CommandWatch;

  constructor(policy: NotifyPolicy, options: NotifyRunOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#sigsys = new SigsysWatch({ ...policy.filter, advice });
    const isHeard = options.events !== false || options.status !== undefined;
    const hasDenials = policy.objects.length > 0 && policy.mode !== "quiet";
    this.#denials = isHeard && hasDenials ? DenialWatch.open() : undefined;
    this.#source = policy.filter.notifies
      ? readFileSync(options.supervisor ?? packageFile("dist/supervisor.cjs"), "utf8")
      : undefined;
  }

  async run(command: readonly string[]): Promise<RunResult> {
    hideFromCommand();
    if (this.#policy.filter.notifies) this.#descriptors = openDescriptors();
    if (this.#startsEarly()) this.#thread = this.#startThread();
    if (this.#policy.filter.notifies && hasLimitedMemory()) await this.#prepareThread();
    let launched: Launched;
    try {
      launched = launch(command, {
        filter: this.#filter(),
        fallback: this.#policy.fallback,
        tree: this.#options,
        readOnlyProc: this.#policy.readOnlyProc,
        objects: this.#policy.objects,
        label: this.#denials?.label,
        bestEffort: this.#options.bestEffort ?? false,
      });
    } catch (error) {
      this.#denials?.close();
      await this.#thread?.end();
      throw error;
    }
    this.#denials?.start(launched.pid, this.#options.onEvent);
    this.#watch = new CommandWatch(launched, this.#options.onEvent, this.#sigsys);
    if (launched.fellBack) {
      this.#watch.notice("another supervisor already listens here: denials are enforced, but not reported");
    } else if (this.#policy.filter.notifies && launched.listener === undefined) {
      this.#watch.notice("the supervisor failed and everything is denied: no file descriptor was left at the start");
    }
    // This thread serves the status and the questions, hears of refused hosts and reads the kernel's audit, so it must not
    // wait in the kernel.
    const { status, approvals, hosts } = this.#options;
    const serves =
      status !== undefined || approvals !== undefined || hosts !== undefined || this.#denials !== undefined;
    if (serves || this.#awaitFirstCall(launched) === "notified") await this.#superviseUntilEnd(launched);
    else void this.#thread?.end();
    await this.#denials?.finish();
    if (this.#descriptors !== undefined) closeDescriptors(this.#descriptors);
    return this.#watch.finish();
  }

  /** The launcher's shield knows the ids of threads that exist when the command starts (native/launcher/shield.c). */
  #startsEarly(): boolean {
    const { timeout, killTree, dieWithParent } = this.#options;
    const isTied = timeout !== undefined || killTree === true || dieWithParent === true;
    return this.#policy.stateful || (this.#policy.filter.notifies && isTied);
  }

  // ── Without the supervisor ────────────────────────────────────────────────────────────────────────────────────────

  /**
   * With the rules for signals (signal-stops.ts), and those that pinned calls need: where the kernel cannot seal their window, the filter protects it.
   */
  #filter(): ArmedFilter {
    const { filter, memory, rooms, catching, description } = this.#policy;
    const { architecture } = description;
    if (memory.observations.length === 0 && rooms.length === 0) {
      const notified = ownCallRules(architecture, [], { reportsEnds: false, stalling: [], notified: catching });
      return behind(notified, filter);
    }
    requireFileSize();
    const isSealed = windowProtection(this.#options.kernel ?? "present") === "seal";
    const protection = isSealed ? [] : windowRules(architecture);
    const reportsEnds = rooms.length > 0;
    const own = ownCallRules(architecture, this.#policy.hinderedOwnCalls, {
      reportsEnds,
      stalling: this.#policy.stallingCalls,
      notified: [...this.#policy.protections, ...this.#policy.hidingCalls, ...catching],
    });
    return behind([...protection, ...own], filter);
  }

  /** Waits in the kernel for the end ("ended") or for a notification ("notified"). */
  #awaitFirstCall({ socket, listener }: Launched): "ended" | "notified" {
    let conversing = true;
    let listening = listener !== undefined;
    while (conversing || listening) {
      const [said = 0, notified = 0] = pollFor([conversing ? socket : -1, listening ? listener! : -1]);
      if (said !== 0) conversing = this.#watch.heed(readMessage(socket));
      if ((notified & pollBits.in) !== 0) return "notified";
      if ((notified & pollBits.hangUp) !== 0) listening = false;
    }
    return "ended";
  }

  // ── With the supervisor ───────────────────────────────────────────────────────────────────────────────────────────

  readonly #counters = new Int32Array(new SharedArrayBuffer(8));

  #startThread(): SupervisingThread {
    return new SupervisingThread(this.#source!, { addon: this.#addon, counters: this.#counters } satisfies WorkerData);
  }

  /**
   * If the address space is limited, the supervisor allocates its memory before the command starts, because without a
   * supervisor all supervised calls would be denied. Throws a StartError.
   */
  async #prepareThread(): Promise<void> {
    this.#thread ??= this.#startThread();
    const { worker } = this.#thread;
    worker.postMessage({ prepare: this.#policy.step } satisfies WorkerPreparation);
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error) =>
        reject(
          new StartError(
            125,
            `the supervisor does not get the memory that it needs (${error.message})`,
            "ulimit -v unlimited",
          ),
        );
      worker.once("error", fail);
      worker.once("message", () => {
        worker.off("error", fail);
        resolve();
      });
    });
  }

  async #superviseUntilEnd(launched: Launched): Promise<void> {
    const { listener, socket } = launched;
    const finished = listener === undefined ? Promise.resolve() : this.#supervise(launched, listener);
    await Promise.all([finished, awaitMessages(socket, (message) => this.#watch.heed(message))]);
  }

  /** Resolves when no task is left under the filter. */
  #supervise({ pid, pidfd }: Launched, listener: number): Promise<void> {
    const { worker } = this.#thread ?? this.#startThread();
    const { mode, needs, calls, countingCalls, askingCalls, memoryIsFree, memory, rooms } = this.#policy;
    const { description, step, textFilter, catching, allowsHandlers, readOnlyProc, objects } = this.#policy;
    const judged = {
      mode,
      needs,
      calls,
      countingCalls,
      askingCalls,
      memoryIsFree,
      memory,
      textFilter,
      rooms,
      readOnlyProc,
      objects,
      catching,
      allowsHandlers,
    };
    const policy = { ...judged, description, step };
    const command = { pid, pidfd };
    const descriptors = this.#descriptors!;
    const { kernel = "present", interruptsForks = false, status } = this.#options;
    const { approvals } = this.#options;
    const features = { kernel, interruptsForks, status: status?.words, answers: approvals?.words };
    const { instructions } = this.#filter();
    const order: WorkerOrder = { policy, listener, filter: instructions, descriptors, command, ...features };
    worker.postMessage(order);
    return new Promise((resolve) => {
      let isOver = false;
      const over = (): void => {
        if (isOver) return;
        isOver = true;
        resolve();
      };
      worker.on("message", (message: WorkerMessage) => {
        if (message.kind === "finished") over();
        if (message.kind === "snapshot") this.#options.status?.onSnapshot(message.snapshot);
        if (message.kind === "question") this.#ask(message.question, listener);
        if (message.kind !== "record") return;
        Atomics.sub(this.#counters, 0, 1);
        this.#options.onEvent(message.record);
      });
      // The thread has ended before the tree. Without a listener the kernel denies the calls that the filter reports (ENOSYS).
      const failed = (why: string): void => {
        if (isOver) return;
        close(listener);
        this.#watch.notice(`the supervisor failed and everything is denied from now on: ${why}`);
        over();
      };
      worker.on("error", (error) => failed(error.message));
      worker.on("exit", () => failed("its thread has ended"));
    });
  }

  #ask({ place, id, record, isRepeatable }: PostedQuestion, listener: number): void {
    const { onQuestion, words } = this.#options.approvals!;
    const isWaiting = () => notificationIsValid(listener, BigUint64Array.of(id));
    onQuestion({ place, record, isRepeatable, isWaiting }, (answer, seconds = 0) => {
      Atomics.store(words, 2 * place + 1, seconds);
      Atomics.store(words, 2 * place, answerWords[answer]);
      signalEvent(this.#descriptors!.answers);
    });
  }
}

/** Whether RLIMIT_AS or RLIMIT_DATA limits this process. */
function hasLimitedMemory(): boolean {
  const limits = readProc("self/limits");
  return limits === undefined || /^Max (address space|data size) +\d/m.test(limits);
}
