/** The admission of a program, before the policy, and the rule for clone3, which the front end adds after it. */

import { errnoByName } from "../../abi/errno.ts";
import { creatingCalls } from "../../abi/process-calls.ts";
import { normalise } from "../../ir/intervals.ts";
import { isStructure } from "../../ir/observation.ts";
import type { Admission, Program, Statement, VerdictExpression } from "../../ir/program.ts";
import { mayPass } from "../../ir/verdicts.ts";
import type { ProgramBuilder } from "./builder.ts";
import { alwaysAllowed, type CallNames, uringCalls } from "./call-names.ts";
import * as ir from "./ir.ts";

/** io_uring is judged only if the policy names its calls: no filter sees the operations of io_uring. */
export function admissionOf(names: CallNames, literalNames: ReadonlySet<string>): Admission {
  const unnamed = uringCalls.filter((name) => !literalNames.has(name));
  return {
    always: normalise(names.intervals(names.maskOf(alwaysAllowed))),
    judged: normalise(names.intervals(names.judgeable & ~names.maskOf(unnamed))),
  };
}

/**
 * clone3's flags are behind a pointer, so a filter cannot distinguish a thread from a process. If that matters (the
 * policy names process creation, a child inherits state, or the policy counts living processes), clone3 is refused with
 * ENOSYS, and glibc falls back to clone. A policy that reads its structure has an engine that knows the flags.
 */
export function refusesClone3(
  builder: ProgramBuilder,
  literalNames: ReadonlySet<string>,
  readsAlive: boolean,
): boolean {
  if (builder.observations.list.some(({ shape }) => isStructure(shape, "clone_args"))) return false;
  return (
    readsAlive ||
    creatingCalls.some((name) => literalNames.has(name)) ||
    [...builder.cells, ...builder.tables].some((one) => one.scope !== "tree" && one.onFork !== "fresh")
  );
}

/** Each `return` that clone3 can reach returns strictest(the policy's verdict, deny ENOSYS) for it. */
export function withoutClone3(
  body: readonly Statement[],
  reached: ReadonlySet<Statement>,
  names: CallNames,
  verdicts: Program["verdicts"],
  refusal: VerdictExpression,
): readonly Statement[] {
  const test = names.test(names.bit("clone3")!);
  const rewrite = (list: readonly Statement[]): readonly Statement[] => list.map(one);
  const one = (statement: Statement): Statement => {
    switch (statement.kind) {
      case "if":
        return { ...statement, then: rewrite(statement.then), otherwise: rewrite(statement.otherwise) };
      case "switch":
        return {
          ...statement,
          arms: statement.arms.map((arm) => ({ ...arm, body: rewrite(arm.body) })),
          otherwise: rewrite(statement.otherwise),
        };
      case "block":
        return { ...statement, body: rewrite(statement.body) };
      case "return":
        return reached.has(statement) ? { ...statement, verdict: refuse(statement.verdict) } : statement;
      default:
        return statement;
    }
  };
  const refuse = (verdict: VerdictExpression): VerdictExpression => {
    if (verdict.kind !== "verdict") {
      return ir.selectVerdict(test, { kind: "strictest", of: [verdict, refusal] }, verdict);
    }
    const strict = !mayPass(verdicts[verdict.verdict]!);
    return strict ? verdict : ir.selectVerdict(test, refusal, verdict);
  };
  return rewrite(body);
}

export function clone3Refusal(builder: ProgramBuilder): VerdictExpression {
  return builder.verdict(
    "deny",
    errnoByName("ENOSYS")!,
    "its flags lie behind a pointer; glibc falls back to clone",
    undefined,
  );
}
