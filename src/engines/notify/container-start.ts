/**
 * The start of a container's process: the calls of the runtime under the filter that it has installed. They end with its
 * execution of the command, and none of them is an event of the policy.
 */
import { readFileSync, statSync } from "node:fs";

/** As data, for another supervisor. */
export interface SavedStart {
  /** The runtime's program; undefined until its first call. */
  readonly runtime: string | undefined;
  /** It has executed the command. */
  readonly isOver: boolean;
}

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

  /** Whether the call of this thread, which waits for its answer, is the runtime's. */
  isOfRuntime(tid: number): boolean {
    if (this.#isOver) return false;
    const program = programOf(tid);
    this.#runtime ??= program;
    this.#isOver = program === undefined || program !== this.#runtime;
    return !this.#isOver;
  }
}

/**
 * Another one after each execve(2), even of the same file: the kernel places the program, its stack and its random bytes anew
 * (fs/binfmt_elf.c, create_elf_tables()). Undefined if the kernel does not tell it.
 */
function programOf(tid: number): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${tid}/exe`, { bigint: true });
    return `${dev}:${ino} ${readFileSync(`/proc/${tid}/auxv`, "hex")}`;
  } catch {
    return undefined;
  }
}
