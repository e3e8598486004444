/** P0511: a question about a call with a path or another text that the policy does not read, so that it shows an address. */

import { callByNumber } from "../../abi/calls.ts";
import { environmentArgument } from "../../abi/environment.ts";
import { pointeeOf } from "../../abi/pointees.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { asks } from "../../ir/verdicts.ts";
import { enumerate, type View } from "./view.ts";

export function findHiddenQuestions(view: View): Diagnostic[] {
  const { program } = view;
  return program.verdicts.flatMap((verdict, index) => {
    if (!asks(verdict)) return [];
    const hidden = [...view.decisions.keys()].flatMap((number) => {
      const call = callByNumber(program.architecture, number);
      if (call === undefined || !view.possible(call.name).includes(index)) return [];
      return hiddenOf(view, number).map((parameter) => ({ call: call.name, parameter }));
    });
    if (hidden.length === 0) return [];
    const [first] = hidden;
    const calls = [...new Set(hidden.map(({ call }) => call))];
    const shown = calls.length > 4 ? [...calls.slice(0, 3), `${calls.length - 3} more calls`] : calls;
    return diagnostic(
      "P0511",
      `the question about ${enumerate(shown)} shows an address in place of \`${first!.parameter}\``,
      {
        span: view.span(index),
        help: `a condition on call.args.${first!.parameter} makes it visible, and lets an answer hold for equal calls`,
      },
    );
  });
}

/** The readable arguments of a call that the policy does not read, without the environment. */
function hiddenOf({ program }: View, number: number): readonly string[] {
  const call = callByNumber(program.architecture, number)!;
  return call.parameters.flatMap(({ name }) => {
    if (name === environmentArgument || pointeeOf(call.name, name) === undefined) return [];
    const isRead = program.observations.some(
      (one) => one.name === name && one.sources.some((source) => source.number === number),
    );
    return isRead ? [] : [name];
  });
}
