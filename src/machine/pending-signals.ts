/** Signals that a task has got and not yet taken (proc_pid_status(5)). */
import { readProc } from "./proc.ts";

/** SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG and SIGWINCH (signal(7), "Standard signals"). */
const notEnding = [17, 18, 19, 20, 21, 22, 23, 28].reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);

/**
 * Whether a signal is pending that will end the task: it is not blocked, ignored or caught. The kernel ends a wait that only
 * SIGKILL can end for such a signal, too, but not that of a traced process (kernel/signal.c, complete_signal()).
 */
export function isEndedBySignal(tid: number): boolean {
  const status = readProc(`${tid}/status`) ?? "";
  const mask = (name: string) => BigInt(`0x${new RegExp(`^${name}:\t([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
  const pending = mask("SigPnd") | mask("ShdPnd");
  return (pending & ~mask("SigBlk") & ~mask("SigIgn") & ~mask("SigCgt") & ~notEnding) !== 0n;
}
