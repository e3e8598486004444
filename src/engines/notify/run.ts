/**
 * Runs a command under a policy and waits for it.
 *
 * After the command's start no code is read from disk, because a command of the same user could change it.
 *
 * The supervisor's thread takes some 30 ms to start. Until the filter's first notification, this thread waits in the
 * kernel, or in its event loop if it has other work. If calls need the policy's state, or the command's tree ends with an
 * option, the supervisor's thread starts meanwhile. Otherwise it starts at the first notification, which is about a denial,
 * so only an event is late.
 */

import { readFileSync } from "node:fs";
import { close, pollBits, pollFor } from "../../machine/descriptors.ts";
import { nativeFile } from "../../machine/native.ts";
import { packageFile } from "../../machine/package.ts";
import { readProc } from "../../machine/proc.ts";
import { Readiness } from "../../machine/readiness.ts";
import { CommandWatch } from "../command/command-watch.ts";
import { DenialWatch } from "../command/denials.ts";
import { SigsysWatch } from "../command/sigsys.ts";
import { hideFromCommand, type RunOptions, type RunResult } from "../engine/run.ts";
import { awaitMessages, readMessage } from "../launcher/launcher.ts";
import { StartError } from "../launcher/start-error.ts";
import { closeDescriptors, openDescriptors, type SupervisorDescriptors } from "./descriptors.ts";
import { type Launched, launch } from "./launch.ts";
import type { ArmedFilter, NotifyPolicy } from "./policy/policy.ts";
import { Supervision, type TreeOrder } from "./supervision.ts";
import type { KernelFeatures } from "./supervisor-options.ts";
import { treeFilter } from "./tree-filter.ts";

export interface NotifyRunOptions extends RunOptions {
  /** Whether events have a destination; true by default. */
  readonly events?: boolean | undefined;
  /** The bundled source of the supervisor's thread (dist/supervisor.cjs); the package's own by default. */
  readonly supervisor?: string | undefined;
  /** "oldest": without the features of kernels after Linux 5.9, for tests. */
  readonly kernel?: KernelFeatures | undefined;
  /** For tests: supervises the tree in place of one thread that has only this tree. Returns as `SupervisedTree.ended`. */
  readonly supervise?: ((source: string, order: TreeOrder) => Promise<string | undefined>) | undefined;
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
  #supervision: Supervision | undefined;
  /** The supervisor's, if the filter notifies one. */
  #descriptors: SupervisorDescriptors | undefined;
  readonly #filter: ArmedFilter;
  readonly #sigsys: SigsysWatch;
  readonly #denials: DenialWatch | undefined;
  /** Set when the command has started. */
  #watch!: CommandWatch;

  constructor(policy: NotifyPolicy, options: NotifyRunOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#filter = treeFilter(policy, options.kernel);
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
    if (this.#startsEarly() && this.#options.supervise === undefined) this.#supervision = this.#start();
    if (this.#policy.filter.notifies && hasLimitedMemory()) await this.#prepare();
    const { status, approvals, hosts } = this.#options;
    // This thread serves the status and the questions, hears of refused hosts and reads the kernel's audit, so it must not
    // wait in the kernel.
    const serves =
      status !== undefined || approvals !== undefined || hosts !== undefined || this.#denials !== undefined;
    const isNeeded = status !== undefined || approvals !== undefined || this.#supervision !== undefined;
    const readiness = serves && !isNeeded && this.#policy.filter.notifies ? inLoop() : undefined;
    let launched: Launched;
    try {
      launched = launch(command, {
        filter: this.#filter,
        fallback: this.#policy.fallback,
        tree: this.#options,
        readOnlyProc: this.#policy.readOnlyProc,
        objects: this.#policy.objects,
        label: this.#denials?.label,
        bestEffort: this.#options.bestEffort ?? false,
      });
    } catch (error) {
      this.#denials?.close();
      await this.#supervision?.end();
      throw error;
    }
    this.#denials?.start(launched.pid, this.#options.onEvent);
    this.#watch = new CommandWatch(launched, this.#options.onEvent, this.#sigsys, this.#policy);
    if (launched.fellBack) {
      this.#watch.notice("another supervisor already listens here: denials are enforced, but not reported");
    } else if (this.#policy.filter.notifies && launched.listener === undefined) {
      this.#watch.notice("the supervisor failed and everything is denied: no file descriptor was left at the start");
    }
    if (serves) await this.#superviseUntilEnd(launched, readiness);
    else if (this.#awaitFirstCall(launched) === "notified") await this.#superviseUntilEnd(launched);
    else void this.#supervision?.end();
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

  #start(): Supervision {
    return new Supervision(this.#source!, "one", this.#addon);
  }

  /**
   * If the address space is limited, the supervisor allocates its memory before the command starts, because without a
   * supervisor all supervised calls would be denied. Throws a StartError.
   */
  async #prepare(): Promise<void> {
    this.#supervision ??= this.#start();
    try {
      await this.#supervision.prepare(this.#policy.step);
    } catch (error) {
      throw new StartError(
        125,
        `the supervisor does not get the memory that it needs (${(error as Error).message})`,
        "ulimit -v unlimited",
      );
    }
  }

  /** `readiness`: supervise from the first notification on. */
  async #superviseUntilEnd(launched: Launched, readiness?: Readiness): Promise<void> {
    const { listener, socket } = launched;
    const supervised = async (): Promise<void> => {
      if (listener === undefined) return;
      if (readiness === undefined || (await firstCall(listener, readiness)) === "notified")
        await this.#supervise(launched, listener);
    };
    const finished = supervised();
    await Promise.all([finished, awaitMessages(socket, (message) => this.#watch.heed(message))]);
  }

  /** Resolves when no task is left under the filter. */
  async #supervise(command: Launched, listener: number): Promise<void> {
    const { status, approvals, onEvent, kernel, interruptsForks, supervise } = this.#options;
    const order: TreeOrder = {
      policy: this.#policy,
      ...{ filter: this.#filter, listener, command, descriptors: this.#descriptors },
      ...{ status, approvals, onEvent, kernel, interruptsForks },
    };
    const end = async () =>
      supervise === undefined
        ? (this.#supervision ?? this.#start()).supervise(order).ended
        : supervise(this.#source!, order);
    // A limit of processes or of memory, which the command can have set, refuses the thread.
    const why = await end().catch((error: Error) => {
      close(listener);
      return error.message;
    });
    if (why !== undefined) this.#watch.notice(`the supervisor failed and everything is denied from now on: ${why}`);
  }
}

/** Resolves with the filter's first notification ("notified"), or when no task is left under it ("ended"). */
function firstCall(listener: number, readiness: Readiness): Promise<"ended" | "notified"> {
  // A watch alone does not keep the process alive.
  const alive = setInterval(() => undefined, 2 ** 30);
  return new Promise((resolve) => {
    readiness.add(listener, () => {
      const [bits = 0] = pollFor([listener], 0);
      if ((bits & (pollBits.in | pollBits.hangUp)) === 0) return;
      readiness.remove(listener);
      clearInterval(alive);
      if ((bits & pollBits.in) === 0) close(listener);
      resolve((bits & pollBits.in) !== 0 ? "notified" : "ended");
    });
  });
}

/** Shared, because it lasts as long as the process. Opened before a command runs, which can lower our limit of descriptors. */
let shared: Readiness | undefined;
function inLoop(): Readiness | undefined {
  try {
    shared ??= new Readiness();
    return shared;
  } catch {
    return undefined; // no descriptor is left: the thread starts at once
  }
}

/** Whether RLIMIT_AS or RLIMIT_DATA limits this process. */
function hasLimitedMemory(): boolean {
  const limits = readProc("self/limits");
  return limits === undefined || /^Max (address space|data size) +\d/m.test(limits);
}
