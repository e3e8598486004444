/** Recognises calls that make a process or a thread, and makes such calls for tests. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { cloneFlag } from "../../abi/process-calls.ts";
import { signals } from "../../abi/signals.ts";
import type { Birth, SimulatedCall } from "./model.ts";
import type { Bits } from "./unknown/known-bits.ts";

/** CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID: glibc's pthread_create. */
const threadFlags = 0x003d_0f00n;

/** The kind of task that a native call would create; undefined for none. The bits are the flags of clone and clone3. */
export function birthKind(
  architecture: ArchitectureName,
  number: number,
  { value, unknown }: Bits,
): Birth["kind"] | undefined {
  if (number < 0) return undefined;
  switch (number) {
    case callNumber("fork", architecture):
    case callNumber("vfork", architecture):
      return "process";
    case callNumber("clone", architecture):
    case callNumber("clone3", architecture):
      if ((unknown & cloneFlag.thread) !== 0n) return "either";
      return (value & cloneFlag.thread) !== 0n ? "thread" : "process";
    default:
      return undefined;
  }
}

export type BirthCall = "clone" | "fork" | "vfork" | "thread";

/** The simplest call of this kind that makes a process or a thread. clone without flags replaces a missing fork or vfork. */
export function birthCall(architecture: ArchitectureName, by: BirthCall): SimulatedCall {
  const clone = callNumber("clone", architecture);
  if (by === "thread") return { number: clone, arguments: [threadFlags] };
  const number = callNumber(by, architecture);
  return number < 0 || by === "clone" ? { number: clone, arguments: [BigInt(signals.SIGCHLD)] } : { number };
}
