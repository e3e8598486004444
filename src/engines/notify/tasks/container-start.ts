/**
 * The start of a container's process: the calls of the runtime under the filter that it has installed. They end with its
 * execution of the command, and none of them is an event of the policy.
 */
import { readFileSync, statSync } from "node:fs";
import { commonFilterCount, filterCount } from "../../../machine/filter-count.ts";

/**
 * Whether the thread was under a filter before it got the container's own. A process of a tree could hand over a listener of
 * its own in the name of another container, and end before the agent has examined it. A runtime has no filter, and installs
 * one. Undefined if the thread has ended.
 */
export function wasConfined(tid: number): boolean | undefined {
  const count = filterCount(String(tid));
  return count === undefined ? undefined : count > commonFilterCount() + 1;
}

/** The start of a container as data, for another supervisor. */
export interface SavedStart {
  /** The runtime's program (`hidden` if the kernel does not show it); undefined until its first call. */
  readonly runtime: string | undefined;
  /** It has executed the command. */
  readonly isOver: boolean;
}

/**
 * A program that only a user with CAP_SYS_PTRACE sees: crun makes itself undumpable, and the agent of an ordinary user has that
 * capability in the container's user namespace, and not in the one where crun was executed (kernel/ptrace.c, v6.12,
 * __ptrace_may_access()).
 */
const hidden = "hidden";

export class ContainerStart {
  #runtime: SavedStart["runtime"];
  #isOver: boolean;

  constructor(saved: SavedStart = { runtime: undefined, isOver: false }) {
    this.#runtime = saved.runtime;
    this.#isOver = saved.isOver;
  }

  save(): SavedStart {
    return { runtime: this.#runtime, isOver: this.#isOver };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the call of this thread, which waits for its answer, is the runtime's. `executes`: it is an execve(2). */
  isOfRuntime(tid: number, executes: boolean): boolean {
    if (this.#isOver) return false;
    const program = programOf(tid);
    this.#runtime ??= program;
    const isRuntimes = program !== undefined && program === this.#runtime;
    // The command can be hidden, too, so the first execution ends the start. If it fails, the runtime's further calls are
    // judged.
    this.#isOver = !isRuntimes || (program === hidden && executes);
    return isRuntimes;
  }
}

/**
 * Another one after each execve(2), even of the same file: the kernel places the program, its stack and its random bytes anew
 * (fs/binfmt_elf.c, create_elf_tables()). Undefined if the thread has ended.
 */
function programOf(tid: number): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${tid}/exe`, { bigint: true });
    return `${dev}:${ino} ${readFileSync(`/proc/${tid}/auxv`, "hex")}`;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EACCES" ? hidden : undefined;
  }
}
