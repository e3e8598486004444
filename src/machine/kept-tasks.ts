/**
 * The addon's functions for kept tasks, which native/addon/ptrace/kept.h describes. One thread must call all of them.
 */
export interface KeptTaskFunctions {
  /**
   * Begins, after `supervise`, `startPins` and `startObjects`. `event`: an eventfd; `epoll`: an empty epoll descriptor; `filter`:
   * the `struct sock_filter[]` of the tree; `passes`: the number of a call that `next` itself lets pass if its caller is kept, or
   * −1. Returns 0 or a negative errno.
   */
  startKeeping(event: number, epoll: number, filter: Uint8Array, passes: number): number;
  /**
   * Seizes threads of one process and keeps them. Returns 0, or -EINPROGRESS where the present tree has a thread: then it is work of
   * the tree. Afterwards each id in the array is replaced by 0 or a negative errno. EINTR: another thread of the process executes a
   * program; no further one is tried.
   */
  beginKeep(tasks: Int32Array): number;
  /** Keeps a tracee that a kept task has made. */
  addKept(tid: number): void;
  /** The next `letGo` detaches the task; or it has ended. */
  forgetKept(tid: number): void;
  /** Whether the task is kept, and still a tracee. */
  isKept(tid: number): boolean;
  /** Whether it was kept until its process was stopped. Then it is to be kept again at its next call. */
  isSuspended(tid: number): boolean;
  /** Whether any task is kept. */
  keepsAny(): boolean;
  /**
   * Continues a kept tracee that has stopped, and detaches another one, with the signal for which it has stopped (0: none).
   * Also detaches a kept one whose process is stopped (SIGSTOP and the like).
   * Returns 0 or a negative errno.
   */
  letGo(tid: number, signal: number): number;
  /** Whether a tracee may have stopped or ended since the last time. */
  takeStops(): boolean;
}
