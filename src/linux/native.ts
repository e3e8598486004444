/**
 * The native addon (native/addon), typed. The only file that loads it; every raw system call goes through here.
 *
 * Errors of the kernel are results, not exceptions: a call gives what the kernel gives, a negative errno included.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hostArchitecture } from "./architecture.ts";
import type { PinnedCallFunctions } from "./pinned-calls.ts";

/** What goes into a register: a whole number, a bigint modulo 2^64, null for 0, or the address of a buffer's bytes. */
export type Register = number | bigint | null | ArrayBufferView | ArrayBuffer;

export interface Native extends PinnedCallFunctions {
  /**
   * syscall(2). Buffers must be large enough for what the kernel writes: nothing checks that.
   * Results beyond 2^53 lose their low bits; no call in use has such results.
   */
  syscall(number: number, ...registers: readonly Register[]): number;
  /** For structures that hold pointers. The buffer must be kept alive for as long as the kernel may use the address. */
  addressOf(buffer: ArrayBufferView | ArrayBuffer): bigint;
  /**
   * A shared mapping of a descriptor's memory, for as long as the buffer is reachable, or a negative errno. Nothing keeps
   * a store into one that is not writable from ending the process.
   */
  mapMemory(descriptor: number, offset: number, length: number, writable: boolean): ArrayBuffer | number;
  /**
   * What `next` and `deaths` of this thread work on: the policy's memory (src/compile/wasm/layout.ts), room for 64 words
   * of `epoll_event.data`, the listener, an epoll descriptor with the watched pidfds (or -1), and an epoll descriptor to
   * wait for the listener with: -1 where RECV returns when no task is left under the filter (Linux 6.11). Call again when
   * the memory has grown.
   */
  supervise(memory: Uint8Array, deaths: Uint32Array, listener: number, epoll: number, listening: number): void;
  /** How many of the watched have ended, at most 64; their words are in the array given to `supervise`. */
  deaths(): number;
  /**
   * Sends the response in the memory where `answer` is true, waits for the next notification, notes the time, and looks
   * who has ended: the number of deaths, or a negative errno. ENOENT: nothing was received; poll the listener.
   */
  next(answer: boolean): number;
}

/** The native part cannot be used here. */
export class NativeUnavailableError extends Error {
  override readonly name = "NativeUnavailableError";
  readonly help: string | undefined;

  constructor(message: string, help?: string) {
    super(message);
    this.help = help;
  }
}

/** The folder of the package: the nearest above this file that has a package.json. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const above = dirname(folder);
    if (above === folder) throw new NativeUnavailableError("portcullis does not lie in its package's folder");
    folder = above;
  }
  return folder;
}

/** The path of a file in dist/native for this machine's architecture (Node's name of it: x64, arm64). */
export function nativeFile(name: "launcher" | "portcullis.node"): string {
  const folder = packageFolder();
  const file = join(folder, "dist/native", process.arch, name);
  if (!existsSync(file)) {
    const isCheckout = existsSync(join(folder, "Makefile"));
    throw new NativeUnavailableError(
      `the native part is missing (${file})`,
      isCheckout ? "run `make build` in the checkout" : "install the package portcullis again",
    );
  }
  return file;
}

let loaded: Native | undefined;

/**
 * Loads the addon at the first call, from `file` where that is given.
 * Throws a NativeUnavailableError where it is missing or cannot be loaded.
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

/** A system call failed where it must not; the operation stands in front. */
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

/** The result, if it is none of the kernel's failures. */
export function required(operation: string, result: number): number {
  if (result < 0) throw new SystemCallError(operation, -result);
  return result;
}
