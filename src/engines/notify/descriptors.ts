/** The descriptors of the supervisor, which are opened before the command starts. */
import { close, createEpoll, createEvent } from "../../machine/descriptors.ts";

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
  /** An eventfd, readable when a kept task has stopped, and an epoll descriptor for it and all others. */
  readonly stopped: number;
  readonly keeping: number;
  /** An eventfd, readable when a question has an answer (questions.ts). */
  readonly answers: number;
}

/** Throws a SystemCallError. */
export function openDescriptors(): SupervisorDescriptors {
  const opened: number[] = [];
  const noted = (descriptor: number): number => {
    opened.push(descriptor);
    return descriptor;
  };
  try {
    return {
      tasks: noted(createEpoll()),
      polling: noted(createEpoll()),
      listening: noted(createEpoll()),
      stopped: noted(createEvent()),
      keeping: noted(createEpoll()),
      answers: noted(createEvent()),
    };
  } catch (error) {
    for (const descriptor of opened) close(descriptor);
    throw error;
  }
}

/** Skips negative ones. */
export function closeDescriptors(descriptors: SupervisorDescriptors): void {
  for (const descriptor of Object.values(descriptors)) if (descriptor >= 0) close(descriptor);
}
