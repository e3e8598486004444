/** Pass: simplifies each expression (`simplify/simplify.ts`), given the program's cells, parameters and verdicts. */
import type { Program, Statement } from "../program.ts";
import { Simplifier } from "../simplify/simplify.ts";
import { type ExpressionMap, mapList, mapStatement } from "../traverse.ts";
import type { Pass } from "./pass.ts";

export const simplifyExpressions: Pass = {
  name: "simplify-expressions",
  run(program: Program): Program {
    const simplifier = new Simplifier(program);
    const map: ExpressionMap = {
      integer: (expression) => simplifier.integer(expression),
      boolean: (expression) => simplifier.boolean(expression),
      verdict: (expression) => simplifier.verdict(expression),
    };
    const rewrite = (statements: readonly Statement[]): readonly Statement[] =>
      mapList(statements, (statement) => mapStatement(statement, map, rewrite));
    const body = rewrite(program.body);
    return body === program.body ? program : { ...program, body };
  },
};
