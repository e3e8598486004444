/** Finds what the supervisor must follow for a policy: threads, processes, forks, credentials. */

import { lookingNumbers } from "../../abi/rights-calls.ts";
import { type CircumstanceInput, isCircumstance } from "../../ir/inputs.ts";
import type { Program } from "../../ir/program.ts";
import { inputsOf } from "../../ir/traverse.ts";
import type { Needs } from "./policy/policy.ts";

/** The facts that the supervisor must follow for an input; undefined if the notification contains it. */
const needOf: { readonly [I in CircumstanceInput]: keyof Needs | undefined } = {
  now: "clock",
  pid: "processId",
  tid: undefined,
  uid: "credentials",
  gid: "credentials",
  alive: "alive",
};

export function needsOf(program: Program): Needs {
  const read = [...inputsOf(program.body)].filter(isCircumstance);
  const state = [...program.cells, ...program.tables];
  const of = (scope: "thread" | "process") => state.filter((one) => one.scope === scope);
  const asked = new Set(read.map((input) => needOf[input]));
  const alive = asked.has("alive");
  return {
    // Threads have room in a window (pin/pinning.ts) and hold rooms, so the supervisor must see their end.
    threads: of("thread").length > 0 || program.observations.length > 0 || program.rooms.length > 0,
    processes: of("process").length > 0,
    births: alive || state.some((one) => one.scope !== "tree" && one.onFork !== "fresh"),
    alive,
    processId: asked.has("processId"),
    credentials: asked.has("credentials"),
    clock: asked.has("clock"),
  };
}

/** Whether rights are followed. With known rights, calls whose result is certain need no pin (native/addon/pin/answers.c). */
export function followsRights({ observations, architecture }: Program): boolean {
  const looking = lookingNumbers(architecture);
  return observations.some(({ sources }) => sources.some(({ number }) => looking.includes(number)));
}
