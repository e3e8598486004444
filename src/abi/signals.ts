/** The signals that portcullis itself uses, and the meaning of a wait status (signal(7), wait(2)). */
export const signals = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGTRAP: 5,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** The signal that ended a process, from its wait status; 0 where it exited. */
export function endingSignal(status: number): number {
  return status & 0x7f;
}

/** The status with which a process exited, 0 … 255, from its wait status. */
export function exitCode(status: number): number {
  return (status >> 8) & 0xff;
}

/** The exit status of a shell for a child that a signal ended. */
export function shellStatus(signal: number): number {
  return 128 + signal;
}
