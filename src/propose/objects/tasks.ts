/**
 * Follows the working directories and the descriptors of recorded tasks: a path of a call is relative to one of them. A
 * fork copies both, threads share them, and an execution closes descriptors.
 */
import { closeOnExec } from "../../abi/open-numbers.ts";

export interface Descriptor {
  /** The absolute path that opened it. */
  readonly path: string | undefined;
  /** Landlock restricts the ports of TCP sockets only. */
  readonly isTcp: boolean;
  readonly closesOnExec: boolean;
}

/** Shared by tasks with CLONE_FS. */
interface Place {
  /** Absolute; undefined if it is unknown. */
  directory: string | undefined;
  /** The directory of chroot(2), without a slash at its end: empty for the machine's own. */
  root: string;
}

export interface Task {
  place: Place;
  /** Shared by tasks with CLONE_FILES. */
  descriptors: Map<number, Descriptor>;
  /** The path of its program. */
  program: string | undefined;
}

/** include/uapi/linux/sched.h */
export const sharing = { place: 0x200n, descriptors: 0x400n } as const;

/** include/uapi/linux/close_range.h */
const closeRange = { unshare: 2, closeOnExec: 4 } as const;

/** include/uapi/linux/fcntl.h */
const command = { duplicate: 0, setFlags: 2, duplicateClosing: 1030 } as const;

export function firstTask(directory: string | undefined): Task {
  return { place: { directory, root: "" }, descriptors: new Map(), program: undefined };
}

/** @param flags CLONE_… of the call */
export function childOf(parent: Task, flags: bigint): Task {
  return {
    place: (flags & sharing.place) !== 0n ? parent.place : { ...parent.place },
    descriptors: (flags & sharing.descriptors) !== 0n ? parent.descriptors : new Map(parent.descriptors),
    program: parent.program,
  };
}

export function unshare(task: Task, flags: bigint): void {
  if ((flags & sharing.place) !== 0n) task.place = { ...task.place };
  if ((flags & sharing.descriptors) !== 0n) task.descriptors = new Map(task.descriptors);
}

export function executed(task: Task): void {
  task.descriptors = new Map([...task.descriptors].filter(([, { closesOnExec }]) => !closesOnExec));
}

/** Undefined if it is relative to something unknown. */
export function absolutePath(
  { place, descriptors }: Task,
  directory: number | "working",
  text: string,
): string | undefined {
  if (text.startsWith("/")) return `${place.root}${text}`;
  const base = directory === "working" ? place.directory : descriptors.get(directory)?.path;
  if (base === undefined) return undefined;
  return text === "" ? base : `${base === "/" ? "" : base}/${text}`;
}

/**
 * A call that changes only descriptors, and has succeeded.
 *
 * @param words its arguments, of 32 bits, signed
 */
export function changeDescriptors(task: Task, name: string, words: readonly number[], result: number): void {
  const { descriptors } = task;
  const [first = -1, second = 0, third = 0] = words;
  const duplicate = (to: number, closesOnExec: boolean) => {
    const found = descriptors.get(first);
    if (to === first) return;
    if (found === undefined) descriptors.delete(to);
    else descriptors.set(to, { ...found, closesOnExec });
  };
  switch (name) {
    case "close":
      descriptors.delete(first);
      return;
    case "dup":
      duplicate(result, false);
      return;
    case "dup2":
      duplicate(second, false);
      return;
    case "dup3":
      duplicate(second, (third & closeOnExec) !== 0);
      return;
    case "fcntl":
      if (second === command.duplicate || second === command.duplicateClosing)
        duplicate(result, second === command.duplicateClosing);
      else if (second === command.setFlags) setCloseOnExec(descriptors, [first, first], (third & 1) !== 0);
      return;
    case "close_range": {
      if ((third & closeRange.unshare) !== 0) unshare(task, sharing.descriptors);
      const range = [first >>> 0, second >>> 0] as const;
      if ((third & closeRange.closeOnExec) !== 0) setCloseOnExec(task.descriptors, range, true);
      else for (const one of within(task.descriptors, range)) task.descriptors.delete(one);
      return;
    }
  }
}

function setCloseOnExec(
  descriptors: Map<number, Descriptor>,
  range: readonly [from: number, to: number],
  closesOnExec: boolean,
): void {
  for (const one of within(descriptors, range)) descriptors.set(one, { ...descriptors.get(one)!, closesOnExec });
}

function within(descriptors: ReadonlyMap<number, Descriptor>, [from, to]: readonly [number, number]): number[] {
  return [...descriptors.keys()].filter((one) => one >= from && one <= to);
}
