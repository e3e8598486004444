/**
 * The inputs that a policy reads of a call. Its other arguments decide about nothing, known or not: a policy that asks for the
 * second argument of kill does not read that of close.
 */
import type { Input } from "../../ir/inputs.ts";
import { specialise } from "../../ir/optimise/specialise.ts";
import type { Program } from "../../ir/program.ts";
import { inputsOf } from "../../ir/traverse.ts";

const known = new WeakMap<Program, Map<number, ReadonlySet<Input>>>();

/** The inputs that the program reads of calls with this number, and perhaps some that it reads of others only. */
export function inputsOfCall(program: Program, number: number): ReadonlySet<Input> {
  const ofProgram = known.get(program) ?? new Map<number, ReadonlySet<Input>>();
  known.set(program, ofProgram);
  let inputs = ofProgram.get(number);
  if (inputs === undefined) {
    inputs = inputsOf(specialise(program, number).body);
    ofProgram.set(number, inputs);
  }
  return inputs;
}
