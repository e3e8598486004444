/** The descriptors of the supervisor, which are opened before the command starts. */
import { close, createEpoll } from "../../linux/descriptors.ts";

/**
 * Epoll descriptors. As soon as the command runs, which may be before the supervisor's thread runs, it can set the
 * supervisor's RLIMIT_NOFILE to 0 (prlimit(2)).
 */
export interface SupervisorDescriptors {
  /** Watches the known tasks. */
  readonly tasks: number;
  /** For `pollFor`. */
  readonly polling: number;
  /** Watches the listener, for kernels that require it. */
  readonly listening: number;
}

/** Throws a SystemCallError. */
export function openDescriptors(): SupervisorDescriptors {
  return { tasks: createEpoll(), polling: createEpoll(), listening: createEpoll() };
}

export function closeDescriptors({ tasks, polling, listening }: SupervisorDescriptors): void {
  for (const descriptor of [tasks, polling, listening]) close(descriptor);
}
