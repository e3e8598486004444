/**
 * The native addon (native/addon), typed. Only this file loads it; all raw system calls go through it.
 *
 * A kernel error is a result, not an exception: a call returns the kernel's result, which can be a negative errno.
 */
import { existsSync } from "node:fs";
import { hostArchitecture } from "../abi/architecture.ts";
import type { HeldObjectFunctions } from "./held-objects.ts";
import type { KeptTaskFunctions } from "./kept-tasks.ts";
import { packageFile } from "./package.ts";
import type { PinnedCallFunctions } from "./pinned-calls.ts";
import type { RecordedCallFunctions } from "./recorded-calls.ts";
import type { TextFilterFunctions } from "./text-filter.ts";

/** The value of a register: an integer, a bigint modulo 2^64, null for 0, or the address of a buffer's bytes. */
export type Register = number | bigint | null | ArrayBufferView | ArrayBuffer;

/** A thread of native/addon/node/tracers.c. */
export type TracerThread = object & { readonly tracer: unique symbol };

/** A tree of native/addon/node/trees.c. */
export type NativeTree = object & { readonly tree: unique symbol };

/** The largest number of deaths that one call of the addon returns. */
export const mostDeaths = 64;

export interface Native
  extends PinnedCallFunctions,
    HeldObjectFunctions,
    KeptTaskFunctions,
    RecordedCallFunctions,
    TextFilterFunctions {
  /**
   * syscall(2). Buffers must be large enough for what the kernel writes; there is no check. Results beyond 2^53 lose
   * their low bits; no used call has such results.
   */
  syscall(number: number, ...registers: readonly Register[]): number;
  /**
   * For structures that contain pointers. The caller must keep the buffer alive while the kernel may use the address.
   */
  addressOf(buffer: ArrayBufferView | ArrayBuffer): bigint;
  /** Stores the SHA-256 of the bytes into the digest, 32 bytes. */
  sha256(bytes: Uint8Array, digest: Uint8Array): void;
  /**
   * A shared mapping of a descriptor's memory, which exists while the buffer is reachable, or a negative errno. A store
   * into a read-only mapping ends the process.
   */
  mapMemory(descriptor: number, offset: number, length: number, writable: boolean): ArrayBuffer | number;
  /** Closes a descriptor in a thread of its own. 0, or a negative errno; then it stays open. */
  closeApart(descriptor: number): number;
  /**
   * Sets the objects of this thread's `next` and `deaths`: the policy's memory (src/backend/wasm/layout.ts), room for
   * `mostDeaths` words of `epoll_event.data`, the listener, an epoll descriptor with the watched pidfds (or -1), and an epoll
   * descriptor to wait for the listener: -1 if RECV returns when no task is left under the filter (Linux 6.11). Must be
   * called again when the memory has grown.
   */
  supervise(memory: Uint8Array, deaths: Uint32Array, listener: number, epoll: number, listening: number): void;
  /** The number of watched tasks that have ended, at most `mostDeaths`; their words are in the array given to `supervise`. */
  deaths(): number;
  /**
   * Sends the response in the memory if `answer` is true, waits for the next notification, stores the time, and
   * collects deaths. Returns the number of deaths, or a negative errno. ENOENT: no notification was received; poll the
   * listener. EAGAIN: calls were handled that need no judgement here; or `waits` is false and no notification is present,
   * although poll(2) reported one. With `judges` the text filter allows calls; ECANCELED: it has allowed the call in the
   * memory, whose pin has failed with the result of `pinCall` in the first word of the deaths.
   */
  next(answer: boolean, waits: boolean, judges: boolean): number;
  /**
   * Calls that this `struct sock_filter[]` allows pass in `next`, because the installed filter reports more than it. Returns 0
   * or a negative errno.
   */
  passAllowed(filter: Uint8Array): number;
  /** Prepared calls whose number has a 1 here pass in `next`. */
  passPrepared(calls: Uint8Array): void;
  /**
   * As `syscall`, in the thread whose tracees are those of the present tree: this thread, or the tree's own (`startTree`).
   */
  tracingCall(number: number, ...registers: readonly Register[]): number;
  /**
   * Calls the function in this thread's event loop while the descriptor is readable, until the process ends. The watch does
   * not keep the process alive. Returns 0 or a negative errno.
   */
  watchInLoop(descriptor: number, callback: () => void): number;
  /** Starts a thread that makes calls for this one, and ends when the result is collected as garbage; or a negative errno. */
  startTracer(): TracerThread | number;
  /** `syscall`, in that thread. This thread waits for it. */
  tracerCall(tracer: TracerThread, number: number, ...registers: readonly Register[]): number;
  /** `seize`, in that thread. */
  tracerSeize(tracer: TracerThread, tid: number, options: number): number;
  /** `beginSeize`, in that thread. */
  tracerBeginSeize(tracer: TracerThread, tid: number, options: number): number;
  /** `beginAwait`, in that thread. */
  tracerBeginAwait(tracer: TracerThread): number;
  /**
   * Begins with many trees in this thread. `event`: an eventfd, which other threads may make readable to end a wait of
   * `awaitTrees`.
   */
  watchTrees(event: number): void;
  /**
   * Starts a tree, which has a thread of its own. `wake`: an eventfd; while it is readable, steps do not wait for a notification.
   * Returns a negative errno on failure.
   */
  startTree(id: number, wake: number): NativeTree | number;
  /** Selects the tree on which all functions about a tree work from now on; null: that without a thread of its own. */
  enterTree(tree: NativeTree | null): void;
  /** Ends the tree, which has no step under way. */
  endTree(tree: NativeTree): void;
  /**
   * Begins what `next` does, and returns at once. Until `nextTree` has returned the tree, no function may work on it. `here`:
   * this thread may make the step.
   */
  beginStep(tree: NativeTree, answer: boolean, waits: boolean, judges: boolean, here: boolean): void;
  /**
   * Likewise waits until one of at most 16 descriptors is readable; their poll(2) bits then replace them. Skips negative ones.
   * `spare`: an empty epoll descriptor.
   */
  beginPoll(tree: NativeTree, descriptors: Int32Array, milliseconds: number, spare: number): void;
  /** Waits until `nextTree` has a tree, this time is over (−1: without a limit), or another thread ends the wait. */
  awaitTrees(milliseconds: number): void;
  /** The id of a tree whose step has ended, or can be made; −1: none. */
  nextTree(): number;
  /** While `wake` is readable: `nextTree` returns the tree although it waits for a notification. Only until it has returned it. */
  wakeTree(tree: NativeTree): void;
  /**
   * The result of the step of a tree that `nextTree` has returned: that of `next`, of poll(2), or of its work. -EINPROGRESS: the
   * step goes on, and `nextTree` will return the tree again.
   */
  endStep(tree: NativeTree): number;
}

/** The native addon cannot be used here. */
export class NativeUnavailableError extends Error {
  override readonly name = "NativeUnavailableError";
  readonly help: string | undefined;

  constructor(message: string, help?: string) {
    super(message);
    this.help = help;
  }
}

/** The path of a file in dist/native for this machine's architecture (in Node's spelling: x64, arm64). */
export function nativeFile(name: "launcher" | "portcullis.node"): string {
  const file = packageFile(`dist/native/${process.arch}/${name}`);
  if (!existsSync(file)) {
    const isCheckout = existsSync(packageFile("Makefile"));
    throw new NativeUnavailableError(
      `the native part is missing (${file})`,
      isCheckout ? "run `make build` in the checkout" : "install the package portcullis again",
    );
  }
  return file;
}

let loaded: Native | undefined;

/**
 * Loads the addon at the first call, from `file` if given. Throws a NativeUnavailableError if it is missing or cannot
 * be loaded.
 */
export function native(file?: string): Native {
  if (loaded !== undefined) return loaded;
  if (process.platform !== "linux" || hostArchitecture() === undefined) {
    throw new NativeUnavailableError(
      `enforcing needs Linux on x86-64 or arm64, this is ${process.platform} ${process.arch}`,
      "simulate, test, check and explain work here",
    );
  }
  const holder: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(holder as NodeJS.Module, file ?? nativeFile("portcullis.node"));
  } catch (error) {
    if (error instanceof NativeUnavailableError) throw error;
    throw new NativeUnavailableError(`the native part cannot be loaded: ${(error as Error).message}`);
  }
  loaded = holder.exports as Native;
  return loaded;
}

/** A system call failed unexpectedly; the message begins with the operation. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  readonly operation: string;
  readonly errno: number;

  constructor(operation: string, errno: number) {
    super(`${operation}: errno ${errno}`);
    this.operation = operation;
    this.errno = errno;
  }
}

/** Returns the result. Throws a SystemCallError if it is a negative errno. */
export function required(operation: string, result: number): number {
  if (result < 0) throw new SystemCallError(operation, -result);
  return result;
}
