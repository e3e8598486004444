/** Prepared calls that pass without a turn through the supervisor's loop (`passPrepared` in native/addon/addon.c). */
import type { ArchitectureName } from "../../../linux/architecture.ts";
import { creatingCalls, executingCalls, numbersOf } from "../../../linux/process-calls.ts";
import { callTrait } from "../policy.ts";

/** A 1 for each call that the supervisor only lets pass when it comes prepared. */
export function passedAsPrepared(calls: Uint8Array, architecture: ArchitectureName): Uint8Array {
  const passed = calls.map((traits) => (traits === callTrait.judged ? 1 : 0));
  for (const number of numbersOf([...creatingCalls, ...executingCalls], architecture)) passed[number] = 0;
  return passed;
}
