/**
 * The classic filters of a recording. They notify the recorder of all calls, or of those whose memory is read, and refuse
 * only io_uring: no policy lets it pass, so the recording has to show what the program does without it.
 */

import { type ArchitectureName, auditArchitecture } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { returnWord } from "../../../abi/return-word.ts";
import {
  argumentOffset,
  type ClassicInstruction,
  encodeInstructions,
  offset,
  opcode,
} from "../../../backend/classic/instruction.ts";
import type { ArmedFilter } from "../../../engines/notify/policy/policy.ts";

/** The position of the token in the launcher's execve of the command: the halves of the two unused registers. */
const tokenHalves = [
  argumentOffset(4, "low"),
  argumentOffset(4, "high"),
  argumentOffset(5, "low"),
  argumentOffset(5, "high"),
] as const;

/**
 * Calls that are not notified, because no program expects them to be interrupted. A signal whose handler has no
 * SA_RESTART can interrupt the wait for the recorder (seccomp_do_user_notification() in Linux's kernel/seccomp.c): dash
 * would use a mask that rt_sigprocmask(2) has not written, and rt_sigreturn(2) does not return.
 */
export const neverNotified = [
  "rt_sigreturn",
  "restart_syscall",
  "rt_sigprocmask",
  "rt_sigaction",
  "sigaltstack",
] as const;

/** For the list of a recording's limits. */
export const withoutIoUring = "what the program does by io_uring where it may: io_uring_setup fails with ENOSYS";

/**
 * @param notified the numbers of the calls that are notified, or "all" for every call but `neverNotified`. Calls of a foreign
 * ABI are always notified, because their numbers mean other calls.
 */
export function recordingFilter(architecture: ArchitectureName, notified: Iterable<number> | "all"): ArmedFilter {
  const instructions: ClassicInstruction[] = [];
  const tokenPositions: number[] = [];
  const load = (k: number) => instructions.push({ code: opcode.load, jt: 0, jf: 0, k });
  const answer = (action: "ALLOW" | "USER_NOTIF") =>
    instructions.push({ code: opcode.return, jt: 0, jf: 0, k: returnWord(action) });
  load(offset.architecture);
  instructions.push({ code: opcode.jumpEqual, jt: 1, jf: 0, k: auditArchitecture[architecture] });
  answer("USER_NOTIF");
  load(offset.number);
  instructions.push({ code: opcode.jumpEqual, jt: 0, jf: 1, k: numberOf("io_uring_setup", architecture)! });
  instructions.push({ code: opcode.return, jt: 0, jf: 0, k: returnWord("ERRNO", errno.ENOSYS) });
  // execve with the token is the launcher's. The first difference skips the rest of the comparison.
  const length = 2 * tokenHalves.length + 2;
  instructions.push({ code: opcode.jumpEqual, jt: 0, jf: length - 1, k: numberOf("execve", architecture)! });
  tokenHalves.forEach((at, index) => {
    load(at);
    tokenPositions.push(instructions.length);
    instructions.push({ code: opcode.jumpEqual, jt: 0, jf: length - 2 * index - 3, k: 0 });
  });
  answer("ALLOW");
  if (notified !== "all") {
    load(offset.number);
    for (const number of notified) {
      instructions.push({ code: opcode.jumpEqual, jt: 0, jf: 1, k: number });
      answer("USER_NOTIF");
    }
    answer("ALLOW");
  } else {
    load(offset.number);
    for (const name of neverNotified) {
      instructions.push({ code: opcode.jumpEqual, jt: 0, jf: 1, k: numberOf(name, architecture)! });
      answer("ALLOW");
    }
    answer("USER_NOTIF");
  }
  return { instructions: encodeInstructions(instructions), tokenPositions, notifies: true, kills: false, traps: false };
}

/** The filter of a command without notifications. */
export const passing: ArmedFilter = {
  instructions: encodeInstructions([{ code: opcode.return, jt: 0, jf: 0, k: returnWord("ALLOW") }]),
  tokenPositions: [],
  notifies: false,
  kills: false,
  traps: false,
};
