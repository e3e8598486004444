/**
 * The supervision of a tree as data, for a supervisor in another process that goes on with it. The listener and the state of
 * its policy are all that must not be lost: calls that no supervisor has received wait in the kernel.
 */
import { processStart } from "../../../machine/proc.ts";
import type { SavedStart } from "./container-start.ts";

/** Increased with every change of these types, of the memory's layout, of what a compiled policy means, or of own-calls.ts. */
export const savedFormat = 2;

/** A task, and when it began (proc_pid_stat(5), field 22): the next one with its id has begun later. */
export interface SavedTask {
  readonly id: number;
  readonly start: string;
}

export interface SavedThread extends SavedTask {
  /** The address of its state. */
  readonly slot: number;
}

export interface SavedProcess extends SavedTask {
  readonly slot: number;
  readonly isRestricted: boolean;
  readonly threads: readonly SavedThread[];
}

/** What the trees of one state share. */
export interface SavedState {
  /** The policy's memory. */
  readonly memory: Uint8Array;
  readonly slots: SavedSlots;
  readonly processes: readonly SavedProcess[];
}

export interface SavedSlots {
  readonly next: number;
  readonly thread: readonly number[];
  readonly process: readonly number[];
}

/** What is a tree's own. */
export interface SavedTree {
  /** Calls that were received and have no answer, in their order: `struct seccomp_notif`. */
  readonly calls: readonly Uint8Array[];
  /** Tasks that were kept (signal-stops.ts). */
  readonly kept: readonly number[];
  readonly isRestricted: boolean;
  /** Undefined if it is no container's. */
  readonly start: SavedStart | undefined;
  /** The first process of a container is known. */
  readonly hasFirst: boolean;
}

/** A saved task; undefined if it has ended. */
export function savedTask(id: number): SavedTask | undefined {
  const start = processStart(id);
  return start === undefined ? undefined : { id, start };
}

/** Whether the task still lives. Call this after its descriptor was opened. */
export function isSame({ id, start }: SavedTask): boolean {
  return processStart(id) === start;
}
