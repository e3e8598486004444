/** Parts of programs and evaluations that tests share. */

import { auditArchitecture } from "../../abi/architecture.ts";
import type { EvaluationState } from "../evaluation.ts";
import { evaluate, initialState } from "../interpreter.ts";
import { noDeclarations, type Program, type Room } from "../program.ts";
import type { Verdict } from "../verdicts.ts";

/** The lists of a program without state, rooms, reports, parameters, observations and statements. */
export const emptyLists = { ...noDeclarations, body: [] } as const satisfies Partial<Program>;

/** A program without state for calls 0 to 100: verdict 0 allows, the given verdicts follow. `parts` replaces any part. */
export function smallProgram(
  refusals: readonly Pick<Verdict, "action" | "errno">[],
  parts: Partial<Program> & Pick<Program, "body">,
): Program {
  return {
    architecture: "x86_64",
    name: "test",
    files: [],
    admission: { always: [], judged: [{ from: 0n, to: 100n }] },
    verdicts: [{ action: "allow", errno: 0 } as const, ...refusals].map((verdict) => ({
      ...verdict,
      reason: undefined,
      at: undefined,
    })),
    ...noDeclarations,
    ...parts,
  };
}

/** A room of the tree with two sides, for programs whose verdict 1 is a denial. */
export const room: Room = {
  name: "r",
  scope: "tree",
  sides: ["a", "b"],
  exclusive: 0,
  timeout: 1_000_000n,
  late: 1,
  at: undefined,
};

/** The state of a command's first thread, before its first call. */
export function freshState(program: Program): EvaluationState {
  return {
    thread: initialState(program, "thread"),
    process: initialState(program, "process"),
    tree: initialState(program, "tree"),
  };
}

/** A call; without an architecture, of the program's own. */
export interface FirstCall {
  readonly number: number;
  readonly arguments: readonly bigint[];
  readonly architecture?: number;
  readonly instructionPointer?: bigint;
}

/** The verdict on a command's first call, by process 1 of user 0. Omitted registers are 0. */
export function firstVerdict(program: Program, call: FirstCall): Program["verdicts"][number] {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = call.arguments;
  const event = {
    number: call.number,
    architecture: call.architecture ?? auditArchitecture[program.architecture],
    instructionPointer: call.instructionPointer ?? 0n,
    arguments: [a, b, c, d, e, f] as const,
  };
  const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
  return program.verdicts[evaluate(program, event, circumstances, freshState(program)).verdict]!;
}
