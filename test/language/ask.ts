/** The verdicts of a small policy for single calls, each with fresh state, by the interpreter. */

import { type ArchitectureName, auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { errnoName } from "../../src/abi/errno.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { policyModule } from "./corpus.ts";

export type Ask = (name: string, ...registers: bigint[]) => string;

/** Undefined if the compiler rejects the body of the step. */
export function ask(body: string, architecture: ArchitectureName = "x86_64"): Ask | undefined {
  const readFile = () => policyModule("", body);
  const { program } = loadPolicy("/p/main.ts", { architecture, readFile });
  if (program === undefined) return undefined;
  return (name, ...registers) => {
    const event = {
      number: callByName(name)!.number[architecture]!,
      architecture: auditArchitecture[architecture],
      instructionPointer: 0n,
      arguments: [0, 1, 2, 3, 4, 5].map((index) => registers[index] ?? 0n) as never,
    };
    const state = freshState(program);
    const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
    const { action, errno } = program.verdicts[evaluate(program, event, who, state).verdict]!;
    return action === "deny" ? `deny ${errnoName(errno)}` : action;
  };
}
