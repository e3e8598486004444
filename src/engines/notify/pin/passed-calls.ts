/** Prepared calls that pass without a turn through the supervisor's loop (`passPrepared` in native/addon/addon.c). */
import type { ArchitectureName } from "../../../abi/architecture.ts";
import { creatingCalls, executingCalls, numbersOf } from "../../../abi/process-calls.ts";
import { callTrait } from "../policy/policy.ts";

/** For each call number a 1 if the supervisor does nothing but pass the prepared call. */
export function passedAsPrepared(calls: Uint8Array, architecture: ArchitectureName): Uint8Array {
  const passed = calls.map((traits) => (traits === callTrait.judged ? 1 : 0));
  for (const number of numbersOf([...creatingCalls, ...executingCalls], architecture)) passed[number] = 0;
  return passed;
}
