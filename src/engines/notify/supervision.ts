/**
 * The supervisor's thread, from the side of the process that gives it trees: orders go there, records, snapshots and
 * questions come back.
 */
import { close, createEvent, signalEvent } from "../../machine/descriptors.ts";
import { nativeFile } from "../../machine/native.ts";
import { isEndedBySignal } from "../../machine/pending-signals.ts";
import { notificationIsValid } from "../../machine/seccomp.ts";
import { answerWords } from "../engine/approval.ts";
import type { RunOptions } from "../engine/run.ts";
import { type EndOrder, SupervisingThread } from "../engine/thread.ts";
import { closeDescriptors, openDescriptors, type SupervisorDescriptors } from "./descriptors.ts";
import type { ManyTrees, WorkerData, WorkerMessage, WorkerOrder } from "./orders.ts";
import { type ArmedFilter, judgedPart, type NotifyPolicy } from "./policy/policy.ts";
import type { PostedQuestion } from "./questions.ts";
import type { Supervisor } from "./supervisor.ts";
import type { KernelFeatures } from "./supervisor-options.ts";

/** A tree whose filter is installed. */
export interface TreeOrder extends Pick<RunOptions, "onEvent" | "status" | "approvals"> {
  readonly policy: NotifyPolicy;
  /** The whole filter of the tree, with what precedes the policy's. */
  readonly filter: ArmedFilter;
  /** The thread closes it. */
  readonly listener: number;
  /**
   * The first process; the pidfd stays the caller's. Undefined if a container runtime has installed a filter that reports at
   * least what `filter` reports: then the first process is the first caller, and its calls are no events before it has executed
   * the command.
   */
  readonly command: { readonly pid: number; readonly pidfd: number } | undefined;
  /** Another process has supervised the tree before, and has suspended it. */
  readonly saved?: Suspended | undefined;
  /** The tree, of the same policy and thread, whose state it shares. */
  readonly joins?: SupervisedTree | undefined;
  /** Opened before the command started; by default they are opened now, and closed when the tree has ended. */
  readonly descriptors?: SupervisorDescriptors | undefined;
  /** See NotifyRunOptions. */
  readonly kernel?: KernelFeatures | undefined;
  readonly interruptsForks?: boolean | undefined;
}

/** A suspended tree, as data that v8.serialize(3) can write. The listener is apart. */
export type Suspended = NonNullable<ReturnType<Supervisor["save"]>>;

export interface SupervisedTree {
  /**
   * Resolves when no task is left under the filter, or with a sentence when the thread has failed: without a listener the
   * kernel denies the calls that the filter reports (ENOSYS).
   */
  readonly ended: Promise<string | undefined>;
}

/** What trees share. */
interface State {
  readonly number: number;
  /** See SupervisorDescriptors. */
  readonly tasks: number;
  trees: number;
}

interface Supervised {
  readonly order: TreeOrder;
  readonly state: State;
  readonly descriptors: SupervisorDescriptors;
  readonly underWay: Int32Array;
  readonly over: (why?: string) => void;
  readonly supervised: SupervisedTree;
}

/** Policies without a tree that the thread keeps, because the next command often has the policy of the last one. */
const mostUnused = 16;

/** A thread that supervises trees. */
export class Supervision {
  readonly #thread: SupervisingThread;
  readonly #many: ManyTrees | undefined;
  readonly #trees = new Map<number, Supervised>();
  readonly #policies = new Map<NotifyPolicy, { readonly key: number; trees: number }>();
  readonly #numbers = new WeakMap<SupervisedTree, number>();
  #keys = 0;
  #ids = 0;
  #states = 0;
  #failed: string | undefined;
  /** Resolves when the thread has ended, with all of its trees, and says why. */
  readonly failure: Promise<string>;
  #tellFailure!: (why: string) => void;
  readonly #suspended = new Map<SupervisedTree, { readonly number: number; readonly saved: Suspended }>();
  #suspends: () => void = () => undefined;

  /**
   * `source`: the text of dist/supervisor.cjs, read before a command could change the file. `trees`: "one" blocks in the kernel
   * for its only tree; with many, each call costs some microseconds more, and the thread stays on the processor with this index.
   */
  constructor(
    source: string,
    trees: "one" | { readonly processor: number } = "one",
    addon: string = nativeFile("portcullis.node"),
  ) {
    if (trees !== "one")
      this.#many = {
        ...{ event: createEvent(), wake: createEvent(), orders: new Int32Array(new SharedArrayBuffer(4)) },
        ...{ processor: trees.processor, used: new Float64Array(new SharedArrayBuffer(8)) },
      };
    this.failure = new Promise((resolve) => {
      this.#tellFailure = resolve;
    });
    this.#thread = new SupervisingThread(source, { addon, many: this.#many } satisfies WorkerData);
    const { worker } = this.#thread;
    worker.on("message", (message: WorkerMessage) => this.#heed(message));
    worker.on("error", (error) => this.#fail(error.message));
    worker.on("exit", () => this.#fail("its thread has ended"));
  }

  /** Allocates the memory of the one tree's policy in advance. Rejects with the thread's error. */
  prepare(step: NotifyPolicy["step"]): Promise<void> {
    const { worker } = this.#thread;
    this.#send({ kind: "prepare", step });
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", () => {
        worker.off("error", reject);
        resolve();
      });
    });
  }

  /** Throws a SystemCallError if no descriptor is left: the listener is still the caller's then. */
  supervise(order: TreeOrder): SupervisedTree {
    const { policy, listener, filter, command, status, approvals } = order;
    const own = order.descriptors ?? openDescriptors();
    const state = this.#stateOf(order, own);
    const descriptors = { ...own, tasks: state.tasks };
    const underWay = new Int32Array(new SharedArrayBuffer(4));
    const tree = this.#ids++;
    let finish: Supervised["over"] = () => undefined;
    const ended = new Promise<string | undefined>((resolve) => {
      const over = (why?: string): void => {
        this.#trees.delete(tree);
        this.#releasePolicy(policy);
        if (order.descriptors === undefined) closeDescriptors({ ...own, tasks: -1 });
        this.#releaseState(state, order);
        resolve(why);
      };
      finish = over;
    });
    const supervised: SupervisedTree = { ended };
    this.#numbers.set(supervised, tree);
    this.#trees.set(tree, { order, state, descriptors, underWay, over: finish, supervised });
    const key = this.#policyKey(policy);
    if (this.#failed !== undefined) this.#fail(this.#failed);
    else
      this.#send({
        kind: "supervise",
        ...{ tree, policy: key, state: state.number, listener, descriptors, underWay },
        filter: filter.instructions,
        command: command && { pid: command.pid, pidfd: command.pidfd },
        kernel: order.kernel ?? "present",
        interruptsForks: order.interruptsForks ?? false,
        saved: order.saved,
        status: status?.words,
        answers: approvals?.words,
      });
    return supervised;
  }

  /**
   * Suspends all trees, and keeps their listeners open. Resolves within `patience` milliseconds: trees that are not among the
   * result cannot go on elsewhere. Their promises never resolve.
   */
  async suspend(patience: number): Promise<ReadonlyMap<SupervisedTree, Suspended>> {
    if (this.#many === undefined) throw new Error("only one of many trees can be suspended");
    signalEvent(this.#many.wake);
    this.#send({ kind: "suspend" });
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, patience);
      this.#suspends = () => {
        if (this.#trees.size > 0) return;
        clearTimeout(late);
        resolve();
      };
      this.#suspends();
    });
    // If trees share a state, the last one that was suspended has saved it last.
    const states = new Map([...this.#suspended.values()].map(({ number, saved }) => [number, saved.state]));
    return new Map(
      [...this.#suspended].map(([tree, { number, saved }]) => [tree, { ...saved, state: states.get(number)! }]),
    );
  }

  /** Milliseconds that the judgements of its trees have taken. Only of a thread for many trees. */
  get used(): number {
    return this.#many?.used[0] ?? 0;
  }

  /** Why the thread has ended, with all of its trees; undefined as long as it supervises. */
  get failed(): string | undefined {
    return this.#failed;
  }

  /** Only without a tree. */
  end(): Promise<void> {
    const ended = this.#thread.end();
    this.#wake();
    return ended;
  }

  #send(order: Exclude<WorkerOrder, EndOrder>): void {
    this.#thread.worker.postMessage(order);
    this.#wake();
  }

  #wake(): void {
    if (this.#many === undefined) return;
    Atomics.add(this.#many.orders, 0, 1);
    signalEvent(this.#many.event);
  }

  /** The state of the joined tree; a new one without such a tree, or if it has ended. */
  #stateOf({ joins }: TreeOrder, own: SupervisorDescriptors): State {
    const joined = joins && this.#trees.get(this.#numbers.get(joins) ?? -1)?.state;
    const state = joined ?? { number: this.#states++, tasks: own.tasks, trees: 0 };
    if (joined !== undefined) close(own.tasks);
    state.trees++;
    return state;
  }

  #releaseState(state: State, { descriptors }: TreeOrder): void {
    if (--state.trees > 0) return;
    if (descriptors === undefined) close(state.tasks);
    if (this.#many !== undefined && this.#failed === undefined)
      this.#send({ kind: "forget-state", state: state.number });
  }

  #policyKey(policy: NotifyPolicy): number {
    let known = this.#policies.get(policy);
    if (known === undefined) {
      known = { key: this.#keys++, trees: 0 };
      this.#policies.set(policy, known);
      this.#send({ kind: "policy", key: known.key, policy: judgedPart(policy) });
    }
    known.trees++;
    return known.key;
  }

  #releasePolicy(policy: NotifyPolicy): void {
    const known = this.#policies.get(policy);
    if (known === undefined || --known.trees > 0) return;
    // The last used one becomes the last to go.
    this.#policies.delete(policy);
    this.#policies.set(policy, known);
    const unused = [...this.#policies].filter(([, { trees }]) => trees === 0);
    if (unused.length <= mostUnused) return;
    const [oldest, { key }] = unused[0]!;
    this.#policies.delete(oldest);
    if (this.#failed === undefined) this.#send({ kind: "policy", key, policy: undefined });
  }

  #heed(message: WorkerMessage): void {
    if (message.kind === "ready") return;
    const supervised = this.#trees.get(message.tree);
    if (supervised === undefined) return;
    const { order, state, underWay, over } = supervised;
    switch (message.kind) {
      case "record":
        Atomics.sub(underWay, 0, 1);
        return order.onEvent(message.record);
      case "snapshot":
        return order.status?.onSnapshot(message.snapshot);
      case "question":
        return ask(supervised, message.question);
      case "suspended":
        if (message.saved !== undefined)
          this.#suspended.set(supervised.supervised, { number: state.number, saved: message.saved });
        this.#trees.delete(message.tree);
        return this.#suspends();
      case "finished":
        over(message.why);
        return this.#suspends();
    }
  }

  /** The thread has ended before its trees. */
  #fail(why: string): void {
    this.#failed = why;
    for (const { order, over } of [...this.#trees.values()]) {
      close(order.listener);
      over(why);
    }
    this.#tellFailure(why);
  }
}

function ask({ order, descriptors }: Supervised, { place, id, record, isRepeatable }: PostedQuestion): void {
  const { onQuestion, words } = order.approvals!;
  const isWaiting = () => notificationIsValid(order.listener, BigUint64Array.of(id)) && !isEndedBySignal(record.tid);
  onQuestion({ place, record, isRepeatable, isWaiting }, (answer, seconds = 0) => {
    Atomics.store(words, 2 * place + 1, seconds);
    Atomics.store(words, 2 * place, answerWords[answer]);
    signalEvent(descriptors.answers);
  });
}
