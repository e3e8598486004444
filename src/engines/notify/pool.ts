/**
 * Several threads that supervise trees. Each tree is in one of them for its whole life, so a tree that calls as fast as it can
 * delays only those of its own thread.
 */
import { availableParallelism } from "node:os";
import type { SupervisedTree, Supervision, Suspended, TreeOrder } from "./supervision.ts";

/** Each has a heap of its own, and compiles the policies of its trees. */
const mostThreads = 4;

/** Milliseconds over which a thread's load is measured at least. */
const measured = 100;

/** Differences of the loads below this share of a processor do not decide. */
const noise = 0.1;

class Thread {
  readonly supervision: Supervision;
  trees = 0;
  #load = 0;
  #used = 0;
  #at = performance.now();

  constructor(supervision: Supervision) {
    this.supervision = supervision;
  }

  /** The share of a processor that its judgements take, in units of `noise`. A thread without trees has none. */
  load(now: number): number {
    const time = now - this.#at;
    if (time >= measured || this.trees === 0) {
      const used = this.supervision.used;
      this.#load = this.trees === 0 ? 0 : (used - this.#used) / time;
      this.#used = used;
      this.#at = now;
    }
    return Math.round(this.#load / noise);
  }
}

export class SupervisionPool {
  readonly #threads: readonly Thread[];
  readonly #threadOf = new WeakMap<SupervisedTree, Thread>();
  /** Resolves when a thread has ended, with all of its trees, and says why. */
  readonly failure: Promise<string>;

  /** `start` starts a thread for many trees. `count`: by default one for each processor, and at most four. */
  constructor(
    start: (processor: number) => Supervision,
    count: number = Math.min(availableParallelism(), mostThreads),
  ) {
    this.#threads = Array.from({ length: count }, (_, index) => new Thread(start(index)));
    this.failure = Promise.race(this.#threads.map(({ supervision }) => supervision.failure));
  }

  /** See Supervision.supervise. A tree is in the thread of the one that it joins, else in the one with the least load. */
  supervise(order: TreeOrder): SupervisedTree {
    const thread = (order.joins && this.#threadOf.get(order.joins)) ?? this.#leastLoaded();
    const tree = thread.supervision.supervise(order);
    this.#threadOf.set(tree, thread);
    thread.trees++;
    void tree.ended.then(() => thread.trees--);
    return tree;
  }

  #leastLoaded(): Thread {
    const now = performance.now();
    const loads = this.#threads.map((thread) => ({ thread, load: thread.load(now) }));
    loads.sort((one, other) => one.load - other.load || one.thread.trees - other.thread.trees);
    return loads[0]!.thread;
  }

  /** See Supervision.suspend. */
  async suspend(patience: number): Promise<ReadonlyMap<SupervisedTree, Suspended>> {
    const suspended = await Promise.all(this.#threads.map(({ supervision }) => supervision.suspend(patience)));
    return new Map(suspended.flatMap((trees) => [...trees]));
  }

  /** Why a thread has ended, with all of its trees; undefined as long as all supervise. */
  get failed(): string | undefined {
    return this.#threads.find(({ supervision }) => supervision.failed !== undefined)?.supervision.failed;
  }

  /** Only without a tree. */
  async end(): Promise<void> {
    await Promise.all(this.#threads.map(({ supervision }) => supervision.end()));
  }
}
