/**
 * Many trees in one thread, which receives their calls and judges them, one at a time. Each tree has a thread of its own in the
 * addon, which traces, and waits for what is more than a call (native/addon/node/trees.c).
 *
 * The trees take turns, so that one tree cannot delay another one: the next turn is of the tree that has used the least time
 * among those with a call. A tree that was idle does not save time up. A turn takes some 10 µs, because other threads wait for
 * callers (machine/work.ts); only the kill of a caller without a descriptor can take four milliseconds (killing.ts). The tree
 * of a long turn then waits for a multiple of its time.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { errnoName } from "../../abi/errno.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { close, reservePolling } from "../../machine/descriptors.ts";
import { type NativeTree, native } from "../../machine/native.ts";
import { stayOnProcessor } from "../../machine/processor.ts";
import { endOrder } from "../engine/thread.ts";
import type { ManyTrees, SuperviseOrder, WorkerMessage, WorkerOrder } from "./orders.ts";
import type { MessageSink } from "./records/message-sink.ts";
import type { Supervisor } from "./supervisor.ts";
import type { SharedState, SupervisorOptions } from "./supervisor-options.ts";
import type { Wait, WaitingLoop, WaitResult } from "./waits.ts";

/** A turn that takes so many milliseconds is long; then its tree waits for so many times its time. */
const long = { turn: 5, share: 19 } as const;

/** Milliseconds for which a suspension waits for calls that are prepared, or whose objects are opened. */
const suspension = 100;

interface Tree {
  readonly order: SuperviseOrder;
  readonly handle: NativeTree;
  readonly supervisor: Supervisor;
  readonly loop: WaitingLoop;
  readonly sink: MessageSink;
  /** Milliseconds of this thread, comparable with those of the other trees that have calls. */
  used: number;
  /** The time of its next turn. */
  notBefore: number;
  /** What it waits for. */
  wait: Wait["kind"];
  /** The descriptors of its last wait for some. */
  polled: Int32Array;
}

export interface TreesOptions {
  readonly post: (message: WorkerMessage) => void;
  readonly supervisorOf: (
    order: SuperviseOrder,
    policy: SupervisorOptions["policy"],
    state: Pick<SupervisorOptions, "joined">,
  ) => { readonly supervisor: Supervisor; readonly sink: MessageSink };
}

export class Trees {
  readonly #native = native();
  readonly #many: ManyTrees;
  readonly #port: MessagePort;
  readonly #options: TreesOptions;
  readonly #policies = new Map<number, SupervisorOptions["policy"]>();
  readonly #trees = new Map<number, Tree>();
  readonly #states = new Map<number, SharedState>();
  /** The trees that wait for a turn. */
  readonly #ready: Tree[] = [];
  /** `used` of the last tree that had a turn. */
  #floor = 0;
  #received = 0;
  #ends = false;
  #suspends = false;

  constructor(many: ManyTrees, port: MessagePort, options: TreesOptions) {
    this.#many = many;
    this.#port = port;
    this.#options = options;
    reservePolling();
    // A call that a tree's thread follows passes from that to this one and back. If they are on two processors, each of these
    // wakes costs an inter-processor interrupt, which takes longer than the judgement.
    stayOnProcessor(many.processor);
    this.#native.watchTrees(many.event);
  }

  /** Returns after the order to end. */
  run(): void {
    for (;;) {
      this.#receiveOrders();
      if (this.#ends) return;
      this.#collect();
      const tree = this.#next(performance.now());
      if (tree !== undefined) this.#turn(tree);
    }
  }

  // ── Turns ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Waits only if no tree is ready. */
  #collect(): void {
    this.#native.awaitTrees(this.#patience);
    for (let id = this.#native.nextTree(); id >= 0; id = this.#native.nextTree()) {
      const tree = this.#trees.get(id)!;
      tree.used = Math.max(tree.used, this.#floor);
      this.#ready.push(tree);
    }
  }

  /** Milliseconds until a tree that is ready may have a turn; −1: none is ready. */
  get #patience(): number {
    if (this.#ready.length === 0) return -1;
    const first = this.#ready.reduce((least, { notBefore }) => Math.min(least, notBefore), Number.POSITIVE_INFINITY);
    return Math.max(0, Math.ceil(first - performance.now()));
  }

  #next(now: number): Tree | undefined {
    let best = -1;
    for (let index = 0; index < this.#ready.length; index++) {
      const tree = this.#ready[index]!;
      if (tree.notBefore <= now && (best < 0 || tree.used < this.#ready[best]!.used)) best = index;
    }
    return best < 0 ? undefined : this.#ready.splice(best, 1)[0]!;
  }

  #turn(tree: Tree): void {
    const begin = performance.now();
    this.#floor = tree.used;
    this.#native.enterTree(tree.handle);
    tree.supervisor.attend();
    const result = this.#native.endStep(tree.handle);
    if (result !== -errno.EINPROGRESS) this.#resume(tree, this.#resultOf(tree, result));
    tree.supervisor.leave();
    const end = performance.now();
    tree.used += end - begin;
    this.#many.used[0]! += end - begin;
    if (end - begin > long.turn && !this.#suspends) tree.notBefore = end + long.share * (end - begin);
  }

  #resultOf({ wait, polled }: Tree, result: number): WaitResult {
    switch (wait) {
      case "step":
        // A step only knows that tasks have ended; which ones, this thread finds out, because trees can share them.
        return result > 0 ? this.#native.deaths() : result;
      case "descriptors":
        return [...polled];
      case "work":
        return result;
    }
  }

  /** Runs the tree's loop up to its next wait. The tree must have been entered. */
  #resume(tree: Tree, result: WaitResult): void {
    try {
      const { done, value } = tree.loop.next(result);
      if (done !== true) this.#wait(tree, value);
      else if (tree.supervisor.isSuspended) this.#save(tree);
      else this.#end(tree);
    } catch (error) {
      // It closes the listener, if its own error has not ended it.
      tree.loop.return();
      this.#end(tree, messageOf(error));
    }
  }

  #wait(tree: Tree, wait: Wait): void {
    const { handle, order } = tree;
    tree.wait = wait.kind;
    switch (wait.kind) {
      case "step":
        return this.#native.beginStep(handle, wait.answer, wait.waits, wait.judges, !this.#suspends);
      case "descriptors":
        tree.polled = Int32Array.from(wait.descriptors);
        return this.#native.beginPoll(handle, tree.polled, wait.milliseconds, order.descriptors.polling);
      case "work":
        return; // it has begun
    }
  }

  #end(tree: Tree, why?: string): void {
    this.#drop(tree);
    this.#options.post({ kind: "finished", tree: tree.order.tree, why });
  }

  #save(tree: Tree): void {
    const saved = tree.supervisor.save();
    this.#drop(tree);
    this.#options.post({ kind: "suspended", tree: tree.order.tree, saved });
  }

  #drop({ order, handle, sink }: Tree): void {
    this.#native.endTree(handle);
    this.#trees.delete(order.tree);
    sink.finish();
  }

  #suspend(): void {
    this.#suspends = true;
    for (const tree of this.#trees.values()) {
      tree.notBefore = 0;
      tree.supervisor.suspend(suspension);
      if (!this.#ready.includes(tree)) this.#native.wakeTree(tree.handle);
    }
  }

  // ── Orders ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #receiveOrders(): void {
    const sent = Atomics.load(this.#many.orders, 0);
    for (; this.#received < sent; this.#received++) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#obey(received.message as WorkerOrder);
    }
  }

  #obey(order: WorkerOrder): void {
    if (order === endOrder) {
      this.#ends = true;
      return;
    }
    switch (order.kind) {
      case "policy":
        if (order.policy === undefined) this.#policies.delete(order.key);
        else this.#policies.set(order.key, order.policy);
        return;
      case "forget-state":
        this.#states.delete(order.state);
        return;
      case "prepare":
        return this.#options.post({ kind: "ready" });
      case "suspend":
        return this.#suspend();
      case "supervise":
        return this.#supervise(order);
    }
  }

  #supervise(order: SuperviseOrder): void {
    const handle = this.#native.startTree(order.tree, this.#many.wake);
    if (typeof handle === "number") {
      const name = errnoName(-handle) ?? `errno ${-handle}`;
      return this.#refuse(order, `it gets no thread (${name})`);
    }
    this.#native.enterTree(handle);
    try {
      const joined = this.#states.get(order.state);
      const policy = this.#policies.get(order.policy)!;
      const { supervisor, sink } = this.#options.supervisorOf(order, policy, { joined });
      const loop = supervisor.run();
      this.#states.set(order.state, supervisor.shared);
      const turns = { used: this.#floor, notBefore: 0, wait: "step", polled: new Int32Array(0) } as const;
      const tree: Tree = { order, handle, supervisor, loop, sink, ...turns };
      this.#trees.set(order.tree, tree);
      this.#resume(tree, 0);
      supervisor.leave();
    } catch (error) {
      this.#native.endTree(handle);
      this.#refuse(order, messageOf(error));
    }
  }

  #refuse(order: SuperviseOrder, why: string): void {
    close(order.listener);
    this.#options.post({ kind: "finished", tree: order.tree, why });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
