/** Compiles policies that tests write as texts, and shows what users see of them in short lines. */

import { auditArchitecture } from "../../abi/architecture.ts";
import { callByName } from "../../abi/calls.ts";
import { errnoName } from "../../abi/errno.ts";
import { printSpan } from "../../diagnostics/render.ts";
import { evaluate } from "../../ir/interpreter.ts";
import { printProgram } from "../../ir/print.ts";
import type { Program } from "../../ir/program.ts";
import { freshState } from "../../ir/testing/parts.ts";
import { type LoadedPolicy, type LoadOptions, loadPolicy } from "../load.ts";

export interface Written extends Partial<LoadOptions> {
  /** The lines before the policy, from line 2 of the module on. */
  readonly head?: string;
}

const imports =
  'import { allow, type Call, type CallOf, calls, cidr, deny, duration, kill, log, now, parameter, perMemory, perProcess, perThread, perTree, type Policy, policy, report, strictest, trap, tree, type Verdict } from "portcullis";';

/** A module with this body of the step, which begins on line 3 if there is no head. */
export function compiled(body: string, { head, ...options }: Written = {}): LoadedPolicy {
  const lines = [imports, ...(head === undefined ? [] : [head]), "export default policy((call) => {", body, "});", ""];
  return compiledModule(lines.join("\n"), options);
}

export function compiledModule(text: string, options: Partial<LoadOptions> = {}): LoadedPolicy {
  return loadPolicy("policy.ts", { architecture: "x86_64", readFile: () => text, ...options });
}

/** "policy.ts:3:8 P0202 an integer is not a condition → compare it: …", sorted by place. */
export function faultsOf({ diagnostics }: Pick<LoadedPolicy, "diagnostics">): string[] {
  return diagnostics.map(({ code, message, span, help, related }) =>
    [
      ...(span === undefined ? [] : [printSpan(span)]),
      code,
      message,
      ...(related === undefined ? [] : [`(${printSpan(related.span)} ${related.message})`]),
      ...(help === undefined ? [] : [`→ ${help}`]),
    ].join(" "),
  );
}

/** The faults of a step with this body. */
export const faults = (body: string, written: Written = {}): string[] => faultsOf(compiled(body, written));

/** The lines of the IR, without the declarations and without the places of verdicts. */
export function stepOf({ program, ...loaded }: LoadedPolicy): string[] {
  if (program === undefined) throw new Error(faultsOf(loaded).join("\n"));
  const [, body] = printProgram(program).split("\n\n");
  return body!
    .trimEnd()
    .split("\n")
    .map((line) => line.replaceAll(/ \(\S+:\d+:\d+\)/g, ""));
}

/** The IR of a step with this body. */
export const step = (body: string, written: Written = {}): string[] => stepOf(compiled(body, written));

/** A body that gives `log` if the call is of this name and the condition holds, which begins a line. */
export const conditionOn = (call: string, condition: string): string =>
  `return call.name === "${call}" && (\n${condition}\n) ? log : allow;`;

/** The IR of a condition on a call: what it reads behind pointers, and the test. */
export function reads(call: string, condition: string, written: Written = {}): string[] {
  const loaded = compiled(conditionOn(call, condition), written);
  const [test] = stepOf(loaded);
  const declared = printProgram(loaded.program!)
    .split("\n")
    .filter((line) => /^(?:observation|word) /.test(line));
  return [...declared.map((line) => line.replace(/ \(\S+:\d+:\d+\)$/, "")), test!];
}

/** The program of a step with this body. @throws an Error with its faults */
export function programOf(body: string, written: Written = {}): Program {
  const { program, ...loaded } = compiled(body, written);
  if (program === undefined) throw new Error(faultsOf(loaded).join("\n"));
  return program;
}

/** Judges calls of one name one after the other; the state stays. "trap", or "deny EPERM". */
export function judge(program: Program, name = "read"): (registers: readonly bigint[], now?: bigint) => string {
  const state = freshState(program);
  return (registers, now = 0n) => {
    const event = {
      number: callByName(name)!.number[program.architecture]!,
      architecture: auditArchitecture[program.architecture],
      instructionPointer: 0n,
      arguments: [0, 1, 2, 3, 4, 5].map((index) => registers[index] ?? 0n) as never,
    };
    const who = { now, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n, observed: program.words.map(() => 0n) };
    const { action, errno } = program.verdicts[evaluate(program, event, who, state).verdict]!;
    return action === "deny" ? `deny ${errnoName(errno)}` : action;
  };
}
