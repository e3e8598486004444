/** The descriptors of the supervisor, which are opened before the command starts. */
import { close, createEpoll } from "../../linux/descriptors.ts";

/**
 * Epoll descriptors. The command can set RLIMIT_NOFILE of the supervisor to 0 (prlimit(2)) as soon as it runs, which is
 * before the supervisor's thread does.
 */
export interface SupervisorDescriptors {
  /** Watches the tasks that are known. */
  readonly tasks: number;
  /** For `pollFor`. */
  readonly polling: number;
  /** Watches the listener, where the kernel needs that. */
  readonly listening: number;
}

/** Throws a SystemCallError. */
export function openDescriptors(): SupervisorDescriptors {
  return { tasks: createEpoll(), polling: createEpoll(), listening: createEpoll() };
}

export function closeDescriptors({ tasks, polling, listening }: SupervisorDescriptors): void {
  for (const descriptor of [tasks, polling, listening]) close(descriptor);
}
